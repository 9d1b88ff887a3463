/**
 * Bodies of requests, checked against what an endpoint takes.
 *
 * @module
 */
import * as v from "npm:valibot@1.5.0";
import { JSON_DEPTH_MAX } from "../../core/limits.ts";
import { ApiError, badRequest } from "../api_error.ts";
import { withBody } from "./body.ts";

/** Levels of nesting that a schema or message may have, with the request round it. */
const DEPTH_MAX = JSON_DEPTH_MAX;

/**
 * A request's body.
 *
 * @throws {ApiError} 400 naming the field at fault, 415 for what is not JSON; what `withBody` throws.
 */
export async function readBody<const Schema extends v.GenericSchema>(
  request: Request,
  schema: Schema,
): Promise<v.InferOutput<Schema>> {
  const type = request.headers.get("content-type") ?? "application/json";
  if (!/^application\/([\w.+-]+\+)?json\b/i.test(type)) {
    const shown = type.slice(0, 80);
    throw new ApiError(
      415,
      "invalid_request_error",
      `Unsupported content type ${shown}: expected application/json.`,
    );
  }
  return check(parse(decode(await withBody(request))), schema);
}

/** @throws {ApiError} 400 naming the field at fault. */
export function check<const Schema extends v.GenericSchema>(
  value: unknown,
  schema: Schema,
): v.InferOutput<Schema> {
  const { success, output, issues } = v.safeParse(schema, value, { abortEarly: true });
  if (success) return output;
  throw refusal(issues[0] as v.BaseIssue<unknown>);
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw badRequest("We could not read the body of your request: expected JSON in UTF-8.");
  }
}

function parse(text: string): unknown {
  if (depthOf(text) > DEPTH_MAX) throw badRequest(`The body nests deeper than ${DEPTH_MAX} levels.`);
  try {
    return JSON.parse(text);
  } catch {
    throw badRequest("We could not parse the JSON body of your request.");
  }
}

/** Levels of nesting, so that nobody who walks through the value overflows. */
function depthOf(text: string): number {
  let depth = 0, most = 0, isInString = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (isInString) {
      if (code === 0x5c) i++;
      else if (code === 0x22) isInString = false;
    } else if (code === 0x22) isInString = true;
    else if (code === 0x7b || code === 0x5b) most = Math.max(most, ++depth);
    else if (code === 0x7d || code === 0x5d) depth--;
  }
  return most;
}

function refusal(issue: v.BaseIssue<unknown>): ApiError {
  const inner = innermost(issue);
  const param = pathOf(inner) || pathOf(issue);
  if (inner.type === "strict_object" && inner.expected === "never") {
    const isTop = !/[.[]/.test(param);
    return isTop
      ? badRequest(`Unrecognized request argument supplied: ${param}`, param, "unknown_parameter")
      : badRequest(`Unknown parameter: '${param}'.`, param, "unknown_parameter");
  }
  if (inner.received === "undefined") {
    return badRequest(`Missing required parameter: '${param}'.`, param, "missing_required_parameter");
  }
  const found = inner.received.length > 80 ? `${inner.received.slice(0, 80)}…` : inner.received;
  const expected = inner.message.startsWith("Invalid ")
    ? `expected ${inner.expected ?? "another"}, but got ${found}`
    : inner.message;
  return badRequest(
    `Invalid value for '${param || "body"}': ${expected}.`,
    param || undefined,
    "invalid_value",
  );
}

/** Of a union, the issue of the member that came furthest. */
function innermost(issue: v.BaseIssue<unknown>): v.BaseIssue<unknown> {
  const deepest = issue.issues?.toSorted((a, b) => (b.path?.length ?? 0) - (a.path?.length ?? 0))[0];
  if (!deepest || (deepest.path?.length ?? 0) <= (issue.path?.length ?? 0)) return issue;
  return innermost(deepest);
}

function pathOf(issue: v.BaseIssue<unknown>): string {
  return (issue.path ?? []).reduce((path, { key }) => {
    if (typeof key === "number") return `${path}[${key}]`;
    return path === "" ? `${key}` : `${path}.${key}`;
  }, "");
}

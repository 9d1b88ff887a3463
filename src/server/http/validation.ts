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
  most: number,
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
  const encoding = request.headers.get("content-encoding") ?? "identity";
  if (encoding !== "identity") {
    const message = `Unsupported content encoding ${encoding.slice(0, 80)}: expected none.`;
    throw new ApiError(415, "invalid_request_error", message);
  }
  return check(parse(decode(await withBody(request, most))), schema);
}

/** @throws {ApiError} 400 naming the field at fault. */
function check<const Schema extends v.GenericSchema>(
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

function refusal(outermost: v.BaseIssue<unknown>): ApiError {
  const issue = innermost(outermost);
  const path = issue.path ?? [];
  const param = pathOf(path);
  if (issue.type === "strict_object" && path.length > 0 && issue.expected !== "Object") {
    // Lists are objects too, to which every field is missing.
    if (Array.isArray(path.at(-1)!.input)) return invalid(pathOf(path.slice(0, -1)), "an object", "an array");
    if (issue.expected === "never") {
      return path.length === 1
        ? badRequest(`Unrecognized request argument supplied: ${param}`, param, "unknown_parameter")
        : badRequest(`Unknown parameter: '${param}'.`, param, "unknown_parameter");
    }
  }
  if (issue.received === "undefined") {
    return badRequest(`Missing required parameter: '${param}'.`, param, "missing_required_parameter");
  }
  if (!issue.message.startsWith("Invalid ")) return invalid(param, issue.message);
  const found = issue.received.length > 80 ? `${issue.received.slice(0, 80)}…` : issue.received;
  if (issue.input === "") return invalid(param, expectationOf(issue), "an empty one");
  return invalid(param, expectationOf(issue), KINDS.get(found) ?? found);
}

function invalid(param: string, expected: string, found?: string): ApiError {
  const butGot = found === undefined ? "" : `, but got ${found}`;
  return badRequest(
    `Invalid value for '${param || "body"}': expected ${expected}${butGot}.`,
    param || undefined,
    "invalid_value",
  );
}

/** Kinds of values, as people say them. */
const KINDS: ReadonlyMap<string, string> = new Map([
  ["Object", "an object"],
  ["Array", "an array"],
  ["string", "a string"],
  ["number", "a number"],
  ["boolean", "a boolean"],
]);

/** What a field must be. */
function expectationOf(issue: v.BaseIssue<unknown>): string {
  const { type, requirement, expected, path } = issue;
  const key = path?.at(-1)?.key;
  const items = typeof key === "string" && key.endsWith("s") ? key : "items";
  const counted = (most: string) => {
    const isOne = requirement === 1;
    if (typeof issue.input === "string") {
      return `a string of ${most} ${requirement} character${isOne ? "" : "s"}`;
    }
    return `${most} ${requirement} ${isOne ? items.slice(0, -1) : items}`;
  };
  switch (type) {
    case "integer":
      return "an integer";
    case "digits":
      return "a name of digits";
    case "min_value":
      return `at least ${requirement}`;
    case "max_value":
      return `at most ${requirement}`;
    case "gt_value":
      return `more than ${requirement}`;
    case "min_length":
      return typeof issue.input === "string" && requirement === 1
        ? "a non-empty string"
        : counted("at least");
    case "max_length":
      return counted("at most");
  }
  return KINDS.get(expected ?? "") ?? expected ?? "another value";
}

/** Of a union, the issue of the member that came furthest, with the whole path to it. */
function innermost(issue: v.BaseIssue<unknown>): v.BaseIssue<unknown> {
  const [furthest] = (issue.issues ?? []).filter(({ path, kind }) => path || kind === "validation")
    .toSorted((a, b) => (b.path?.length ?? 0) - (a.path?.length ?? 0));
  if (!furthest) return issue;
  const path = [...issue.path ?? [], ...furthest.path ?? []] as typeof issue.path;
  return innermost({ ...furthest, path });
}

function pathOf(path: readonly v.IssuePathItem[]): string {
  return path.reduce((way, { key }) => {
    if (typeof key === "number") return `${way}[${key}]`;
    return way === "" ? `${key}` : `${way}.${key}`;
  }, "");
}

/**
 * JSON-Schema-Test-Suite, draft 2020-12, from the source archive of PyPI's `jsonschema`: of the groups whose schema compiles, every
 * valid instance passes and every invalid one is stopped. `JSON_SCHEMA_SUITE` names the folder `json` of the archive; without it the
 * tests are skipped.
 *
 * An instance counts as accepted when it is in some order of its properties: the grammar has an order of its own. `format.json` says
 * that formats are annotations; here they are asserted, which the files in `optional/format` judge.
 */
import { deepEqual, ok } from "node:assert/strict";
import { RemoraError } from "../../mod.ts";
import { compileJsonSchema } from "../../src/grammar/json/json_schema.ts";
import { TermStore } from "../../src/grammar/terms.ts";
import { textsOf } from "./texts.ts";

const SUITE = Deno.env.get("JSON_SCHEMA_SUITE");
const ASSERTED = ["format.json"];
/** What the regular expressions of some formats do not know, by file and description. */
const FORMATS = [
  "date",
  "date-time",
  "time",
  "duration",
  "email",
  "hostname",
  "ipv4",
  "ipv6",
  "json-pointer",
  "relative-json-pointer",
  "uri",
  "uri-reference",
  "uuid",
];

interface Group {
  description: string;
  schema: unknown;
  tests: { description: string; data: unknown; valid: boolean }[];
}

/** Counts of one file. */
interface Counts {
  groups: number;
  compiled: number;
  instances: number;
}

function groupsOf(file: string): Group[] {
  return JSON.parse(Deno.readTextFileSync(`${SUITE}/tests/draft2020-12/${file}`));
}

/** @returns The instances that are judged wrongly; `undefined` when the schema is refused by name. */
function judge({ description, schema, tests }: Group): string[] | undefined {
  const store = new TermStore();
  let term;
  try {
    term = compileJsonSchema(store, schema);
  } catch (error) {
    ok(error instanceof RemoraError && error.code === "UNSUPPORTED", `${description}: ${error}`);
    ok(/ at #|schema/.test(error.message));
    return undefined;
  }
  return tests.filter(({ data, valid }) => {
    for (const text of textsOf(data)) if (store.matches(term, text)) return !valid;
    return valid;
  }).map((test) => `${description}: ${test.description}`);
}

Deno.test({
  name: `JSON-Schema-Test-Suite, draft 2020-12${SUITE ? "" : " (needs JSON_SCHEMA_SUITE)"}`,
  ignore: SUITE === undefined,
  fn() {
    const counts: Record<string, Counts> = {};
    const wrong: string[] = [];
    for (const { name, isFile } of Deno.readDirSync(`${SUITE}/tests/draft2020-12`)) {
      if (!isFile || ASSERTED.includes(name)) continue;
      const groups = groupsOf(name);
      const judged = groups.map(judge);
      wrong.push(...judged.flatMap((found) => found ?? []).map((one) => `${name}: ${one}`));
      counts[name] = {
        groups: groups.length,
        compiled: judged.filter((found) => found !== undefined).length,
        instances: groups.filter((_, i) => judged[i]).reduce((sum, { tests }) => sum + tests.length, 0),
      };
    }
    deepEqual(wrong, []);
    const total = (key: keyof Counts) => Object.values(counts).reduce((sum, one) => sum + one[key], 0);
    console.log(
      `${total("compiled")} of ${total("groups")} groups compiled, ${
        total("instances")
      } instances judged right`,
    );
    ok(total("compiled") / total("groups") >= 0.75);
    const ratchet: Record<string, Counts> = JSON.parse(
      Deno.readTextFileSync(new URL("json_schema_suite.json", import.meta.url)),
    );
    for (const [file, { compiled }] of Object.entries(ratchet)) {
      ok(
        counts[file].compiled >= compiled,
        `${file}: ${counts[file].compiled} groups compiled, ${compiled} before`,
      );
    }
  },
});

Deno.test({
  name: `JSON-Schema-Test-Suite: formats${SUITE ? "" : " (needs JSON_SCHEMA_SUITE)"}`,
  ignore: SUITE === undefined,
  fn() {
    const wrong = FORMATS.flatMap((format) =>
      groupsOf(`optional/format/${format}.json`).flatMap((group) => judge(group) ?? []).map((one) =>
        `${format}: ${one}`
      )
    );
    // Leap seconds are left out: which minutes have one depends on the offset.
    deepEqual(wrong.filter((one) => !/leap second/.test(one)), []);
  },
});

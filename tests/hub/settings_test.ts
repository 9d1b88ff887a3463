/** Names, variables of the environment and waits: what is read from text before anything is asked for. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { parseModelId } from "../../src/hub/model_id.ts";
import { readRetryAfter } from "../../src/hub/retries.ts";
import { readHubSettings, readToken } from "../../src/hub/settings.ts";
import { assertRefused } from "../errors.ts";

/** A platform that has these variables; those that are `undefined` may not be read. */
function withVariables(variables: Record<string, string | undefined>, files: Record<string, string> = {}) {
  const readText = (path: string) => files[path];
  return {
    environment: (name: string) => name in variables ? variables[name] : "",
    storage: { readText } as never,
  };
}

Deno.test("parseModelId() takes what a hub can have", () => {
  const main = { revision: "main", quantization: undefined };
  deepStrictEqual(parseModelId("a/b"), { repository: "a/b", ...main });
  deepStrictEqual(parseModelId("a-1/b.2_c:Q4_K_M"), {
    repository: "a-1/b.2_c",
    ...main,
    quantization: "Q4_K_M",
  });
  deepStrictEqual(parseModelId("a/b@refs/pr/1:IQ4_XS"), {
    repository: "a/b",
    revision: "refs/pr/1",
    quantization: "IQ4_XS",
  });
  const wrong = [
    "a",
    "/a/b",
    "a/b/c",
    "./a/b",
    "a/..",
    "a--b/c",
    "a/b@",
    "a/b@../x",
    "a/b@x//y",
    "a/b:",
    "a/b\n",
    "C:/x",
    "a/b@/x",
  ];
  for (const text of [...wrong, `a/${"b".repeat(97)}`]) strictEqual(parseModelId(text), undefined, text);
});

Deno.test("the cache is where Python's huggingface_hub has it", () => {
  // huggingface_hub/constants.py: HF_HUB_CACHE, else hub in HF_HOME, else in XDG_CACHE_HOME or ~/.cache.
  const cases: [Record<string, string | undefined>, string | undefined, string?][] = [
    [{ HOME: "/h" }, "/h/.cache/huggingface/hub"],
    [{ HOME: "/h", XDG_CACHE_HOME: "/x" }, "/x/huggingface/hub"],
    [{ HOME: "/h", XDG_CACHE_HOME: "/x", HF_HOME: "/f" }, "/f/hub"],
    [{ HOME: "/h", HF_HOME: "~/f" }, "/h/f/hub"],
    [{ HOME: "/h", HF_HOME: "/f", HUGGINGFACE_HUB_CACHE: "/o" }, "/o"],
    [{ HOME: "/h", HF_HOME: "/f", HUGGINGFACE_HUB_CACHE: "/o", HF_HUB_CACHE: "/c" }, "/c"],
    [{ HOME: "/h", HF_HUB_CACHE: undefined }, undefined, "HF_HUB_CACHE"],
    [{ HOME: "/h", HF_HOME: undefined }, undefined, "HF_HOME"],
    [{ HOME: "/h", XDG_CACHE_HOME: undefined }, undefined, "XDG_CACHE_HOME"],
    [{ HOME: undefined }, undefined, "HOME"],
    [{ HOME: undefined, HF_HUB_CACHE: "/c" }, "/c"],
  ];
  for (const [variables, cache, unreadable] of cases) {
    const settings = readHubSettings(withVariables(variables));
    deepStrictEqual([settings.cache, settings.unreadable], [cache, unreadable]);
  }
});

Deno.test("the hub and the token are those that are set", async () => {
  const endpointOf = (HF_ENDPOINT: string) => readHubSettings(withVariables({ HF_ENDPOINT })).endpoint;
  strictEqual(endpointOf(""), "https://huggingface.co");
  strictEqual(endpointOf("https://hub.test/a/"), "https://hub.test/a");
  for (const wrong of ["hub.test", "file:///x", "https://hub.test/?a"]) {
    await assertRefused(() => Promise.resolve().then(() => endpointOf(wrong)), "BAD_ARGUMENT", "HF_ENDPOINT");
  }
  strictEqual(readHubSettings(withVariables({ HF_HUB_OFFLINE: "1" })).isOffline, true);
  strictEqual(readHubSettings(withVariables({ HF_HUB_OFFLINE: "0" })).isOffline, false);
  const files = { "/f/token": " hf_a\n", "/t": "hf_b" };
  strictEqual(readToken(withVariables({ HF_HOME: "/f" }, files)), "hf_a");
  strictEqual(readToken(withVariables({ HF_HOME: "/f", HF_TOKEN_PATH: "/t" }, files)), "hf_b");
  strictEqual(readToken(withVariables({ HF_HOME: "/f", HF_TOKEN: "hf_c" }, files)), "hf_c");
  strictEqual(readToken(withVariables({ HF_TOKEN: "hf_c", HF_HUB_DISABLE_IMPLICIT_TOKEN: "1" })), undefined);
  strictEqual(readToken(withVariables({ HF_HOME: undefined, HF_TOKEN: undefined }, files)), undefined);
  await assertRefused(
    () => Promise.resolve().then(() => readToken(withVariables({ HF_TOKEN: "a\r\nx: y" }))),
    "BAD_ARGUMENT",
    "HF_TOKEN",
  );
});

Deno.test("Retry-After is seconds or a date", () => {
  const now = Date.parse("2030-01-01T00:00:00Z");
  const cases: [string | null, number][] = [
    [null, 0],
    ["7", 7_000],
    ["Tue, 01 Jan 2030 00:00:05 GMT", 5_000],
    ["Tue, 01 Jan 2019 00:00:05 GMT", 0],
    ["soon", 0],
    ["-3", 0],
  ];
  for (const [text, milliseconds] of cases) strictEqual(readRetryAfter(text, now), milliseconds, `${text}`);
});

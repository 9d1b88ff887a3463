/** `remora pull` in a process of its own, behind a proxy that its environment names: no other way leads to the hub's names. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { type Outcome, remora } from "../cli/remora.ts";
import { COMMIT, scenesRepository } from "./fixture.ts";
import { startProxy, startTls } from "./proxy.ts";
import { type StandIn, startStandIn } from "./stand_in.ts";

const TOKEN = "hf_secret";
const repositories = [{ ...scenesRepository(), token: TOKEN }];

/** Whether certificates can be made. */
const hasOpenssl = await new Deno.Command("openssl", { args: ["version"], stdout: "null", stderr: "null" })
  .output().then(({ success }) => success, () => false);

function pullOnce(home: string, env: Record<string, string>, allowNet: string): Promise<Outcome> {
  return remora(["pull", "owner/scenes"], {
    allowRead: home,
    allowWrite: home,
    allowEnv: "HOME,XDG_CACHE_HOME,HF_*",
    allowNet,
    // Deno itself would ask for newer versions.
    env: { HF_HOME: home, HF_TOKEN: TOKEN, DENO_NO_UPDATE_CHECK: "1", ...env },
  });
}

async function pullBehind(home: string, env: Record<string, string>, allowNet: string): Promise<void> {
  const { code, stdout, stderr } = await pullOnce(home, env, allowNet);
  const folder = `${home}/hub/models--owner--scenes/snapshots/${COMMIT}`;
  deepStrictEqual([code, stdout, stderr], [0, `${folder}\n`, ""]);
  ok(Deno.statSync(`${folder}/model.safetensors`).size > 1e6);
}

function portOf(origin: string): number {
  return Number(new URL(origin).port);
}

/** The token with the hub, and not with the place that it sends on to. */
function checkToken({ requests }: StandIn): void {
  const sent = new Set(requests.map(({ origin, authorization }) => `${origin} ${authorization}`));
  deepStrictEqual([...sent].sort(), ["files null", `hub Bearer ${TOKEN}`]);
}

async function withHome(work: (home: string) => Promise<void>): Promise<void> {
  const home = Deno.makeTempDirSync();
  try {
    await work(home);
  } finally {
    Deno.removeSync(home, { recursive: true });
  }
}

Deno.test("a pull goes through HTTP_PROXY, and past it where NO_PROXY says so", () =>
  withHome(async (home) => {
    await using hub = startStandIn({ repositories, filesOrigin: "http://files.test" });
    await using proxy = startProxy({ "hub.test:80": portOf(hub.hub), "files.test:80": portOf(hub.files) });
    const proxies = { HTTP_PROXY: `http://user:word@${proxy.host}` };
    await pullBehind(home, { ...proxies, HF_ENDPOINT: "http://hub.test" }, "hub.test,files.test");
    deepStrictEqual([...new Set(proxy.asked)].sort(), ["GET http://files.test", "GET http://hub.test"]);
    ok(proxy.credentials.every((line) => line.endsWith(`Basic ${btoa("user:word")}`)));
    strictEqual(proxy.credentials.length, proxy.asked.length);
    checkToken(hub);

    await using near = startStandIn({ repositories });
    const before = proxy.asked.length, other = `${home}/other`;
    const env = { ...proxies, HF_HOME: other, HF_ENDPOINT: near.hub, NO_PROXY: "127.0.0.1" };
    Deno.mkdirSync(other);
    await pullBehind(other, env, [near.hub, near.files].map((origin) => new URL(origin).host).join());
    strictEqual(proxy.asked.length, before);
    checkToken(near);
  }));

Deno.test({
  name: `a pull goes through HTTPS_PROXY in a tunnel that shows nothing${
    hasOpenssl ? "" : " (needs openssl)"
  }`,
  ignore: !hasOpenssl,
  fn: () =>
    withHome(async (home) => {
      const path = `${home}/certificate.pem`;
      const key = `${home}/key.pem`;
      const { success } = await new Deno.Command("openssl", {
        args: ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=hub.test"].concat(
          ["-addext", "basicConstraints=critical,CA:FALSE"],
          ["-addext", "subjectAltName=DNS:hub.test,DNS:files.test", "-keyout", key, "-out", path],
        ),
        stderr: "null",
      }).output();
      ok(success);
      const certificate = { cert: Deno.readTextFileSync(path), key: Deno.readTextFileSync(key) };
      await using hub = startStandIn({ repositories, filesOrigin: "https://files.test" });
      using near = startTls(portOf(hub.hub), certificate);
      using far = startTls(portOf(hub.files), certificate);
      await using proxy = startProxy({ "hub.test:443": near.port, "files.test:443": far.port });
      const env = { HTTPS_PROXY: `http://user:word@${proxy.host}`, HF_ENDPOINT: "https://hub.test" };
      // Whoever is not known is refused at once, and told nothing.
      const stranger = await pullOnce(home, env, "hub.test,files.test");
      match(stranger.stderr, /^remora: Cannot fetch "hub\.test"[^\n]*DENO_CERT[^\n]*certificate[^\n]*\n$/);
      deepStrictEqual(hub.requests, []);
      await pullBehind(home, { ...env, DENO_CERT: path }, "hub.test,files.test");
      deepStrictEqual([...new Set(proxy.asked)].sort(), ["CONNECT files.test:443", "CONNECT hub.test:443"]);
      strictEqual(proxy.credentials.length, proxy.asked.length);
      ok(proxy.credentials.every((line) => line.endsWith(`Basic ${btoa("user:word")}`)));
      ok(!proxy.seen().includes(TOKEN) && !/authorization/i.test(proxy.seen()));
      checkToken(hub);
    }),
});

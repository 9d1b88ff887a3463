/**
 * Pictures from the network, for a server whose clients name them: nothing but a picture of an allowed host can be reached.
 *
 * @module
 */
import { lookup } from "node:dns/promises";
import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { RemoraError } from "../mod.ts";
import { isPublicAddress } from "./addresses.ts";

/** How names become addresses, and which of them may be reached; a test has answers of its own. */
export interface Network {
  lookup(hostname: string): Promise<string[]>;
  mayReach(address: string): boolean;
}

const PUBLIC_NETWORK: Network = {
  lookup: async (hostname) => (await lookup(hostname, { all: true })).map(({ address }) => address),
  mayReach: isPublicAddress,
};

/** Bytes of a fetched picture. */
const PICTURE_BYTES_MAX = 32 * 1024 * 1024;

/**
 * Fetches pictures of these hosts and no others. The name is looked up once, every address that it has must be a public one, and the
 * connection goes to an address that was looked at; redirects are not followed.
 *
 * @throws {RemoraError} By what is returned: BAD_IMAGE naming the reason.
 */
export function createPictureFetcher(
  hosts: readonly string[],
  network = PUBLIC_NETWORK,
): (url: string, signal: AbortSignal) => Promise<Uint8Array> {
  const allowed = new Set(hosts.map((host) => host.toLowerCase()));
  return async (text, signal) => {
    const url = URL.parse(text);
    if (!url || !["http:", "https:"].includes(url.protocol)) throw refuse("an http(s) URL", text);
    if (url.username !== "" || url.password !== "") throw refuse("a URL without a user", text);
    if (!allowed.has(url.hostname.toLowerCase()) && !allowed.has(url.host.toLowerCase())) {
      throw refuse(`a host of --allow-image-urls`, url.host);
    }
    return await fetchFrom(url, await addressOf(url.hostname, network), signal);
  };
}

async function addressOf(hostname: string, network: Network): Promise<string> {
  let addresses: string[];
  try {
    addresses = await network.lookup(hostname.replace(/^\[|\]$/g, ""));
  } catch (cause) {
    throw refuse("a host that is known", hostname, cause);
  }
  if (addresses.length > 0 && addresses.every((address) => network.mayReach(address))) return addresses[0];
  throw refuse("a host with public addresses only", hostname);
}

function fetchFrom(url: URL, address: string, signal: AbortSignal): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const isSecure = url.protocol === "https:";
  const options = {
    host: address,
    port: url.port || (isSecure ? 443 : 80),
    path: `${url.pathname}${url.search}`,
    method: "GET",
    headers: { host: url.host, accept: "image/png, image/jpeg, image/webp" },
    // The certificate must be the host's, whatever the address.
    servername: url.hostname,
    signal,
  };
  const request = (isSecure ? requestHttps : requestHttp)(options, (response) => {
    if (response.statusCode !== 200) {
      request.destroy();
      return reject(refuse("status 200; redirects are not followed", `${response.statusCode}`));
    }
    const pieces: Uint8Array<ArrayBuffer>[] = [];
    let size = 0;
    response.on("data", (piece: Uint8Array<ArrayBuffer>) => {
      size += piece.length;
      if (size > PICTURE_BYTES_MAX) {
        request.destroy();
        return reject(refuse(`at most ${PICTURE_BYTES_MAX} bytes`, "more"));
      }
      pieces.push(piece);
    });
    response.on("end", () => resolve(new Blob(pieces).bytes()));
    response.on(
      "error",
      (cause: unknown) => reject(refuse("a picture", "a connection that broke off", cause)),
    );
  });
  request.on("error", (cause: unknown) => reject(refuse("a picture", "no connection", cause)));
  request.end();
  return promise;
}

function refuse(expected: string, found: string, cause?: unknown): RemoraError {
  return new RemoraError("BAD_IMAGE", "Cannot fetch the picture", {
    expected,
    found: found.slice(0, 100),
    cause,
  });
}

/**
 * A hub for tests, in a process of its own: it answers as the hub's documentation and the headers that `huggingface_hub` reads say, and
 * fails as networks do. Files lie at a second origin, to which the first sends on.
 *
 * Run as a program it takes its settings as JSON and prints the two origins.
 *
 * @see {@link https://huggingface.co/docs/hub/api | the interface}
 * @module
 */
import { createHash } from "node:crypto";

/** A repository at one commit. */
export interface StandInRepository {
  /** `owner/name`. */
  id: string;
  commit: string;
  /** Branches and tags that have this commit. */
  revisions: string[];
  /** Contents by path: bytes in base64 or the file that has them, and whether they are kept by Git LFS. */
  files: Record<string, { base64?: string; file?: string; isLarge: boolean }>;
  /** The only token that may read it; default: everybody may. */
  token?: string;
}

/** How it fails, each with a probability from 0 to 1 of requests for files. */
export interface StandInFaults {
  /** Of these draws; same seed, same faults. */
  seed?: number;
  /** Cut the connection within the body. */
  cut?: number;
  /** Change one bit of the body. */
  flip?: number;
  /** Answer 503. */
  busy?: number;
  /** Answer 429 with Retry-After: 0. */
  limited?: number;
  /** End the body early, as if it were whole. */
  truncate?: number;
  /** Milliseconds between pieces of a body. */
  slow?: number;
  /** Bytes of a piece. */
  pieceBytes?: number;
  /** How many files a page of a listing has. */
  pageFiles?: number;
}

/** Settings. */
export interface StandInSettings {
  repositories: StandInRepository[];
  faults?: StandInFaults;
  /** Ports of the two origins; 0: any. */
  ports?: [number, number];
  /** What the first origin calls the second; default: its address. */
  filesOrigin?: string;
}

/** What was asked, for tests to look at. */
export interface StandInRequest {
  origin: "hub" | "files";
  method: string;
  path: string;
  range: string | null;
  authorization: string | null;
}

/** A hub that runs. */
export interface StandIn extends AsyncDisposable {
  hub: string;
  files: string;
  requests: StandInRequest[];
  /** Other faults from now on. */
  faults: StandInFaults;
}

interface StoredFile {
  bytes: Uint8Array<ArrayBuffer>;
  isLarge: boolean;
  /** git's SHA-1 of the content, or of the pointer that Git LFS keeps in its place. */
  blobId: string;
  sha256: string;
}

/** Seconds for which a signed URL is good; here its name counts and not the time. */
const SIGNATURE = "signed";
const PIECE_BYTES = 64 * 1024;

/** Starts both origins in this process. */
export function startStandIn(settings: StandInSettings): StandIn {
  const { repositories, faults = {}, ports = [0, 0] } = settings;
  const stored = new Map(repositories.map((repository) => [repository.id, store(repository)]));
  const requests: StandInRequest[] = [];
  const random = randomNumbers(faults.seed ?? 1);
  const listen = (origin: "hub" | "files", port: number, answer: (request: Request, url: URL) => Response) =>
    Deno.serve({ port, hostname: "127.0.0.1", onListen() {} }, (request) => {
      const url = new URL(request.url);
      const { method, headers } = request;
      const [range, authorization] = ["range", "authorization"].map((name) => headers.get(name));
      requests.push({ origin, method, path: url.pathname, range, authorization });
      return answer(request, url);
    });
  const files = listen("files", ports[1], (request, url) => {
    const [, owner, name, path] = /^\/([^/]+)\/([^/]+)\/(.*)$/.exec(url.pathname) ?? [];
    const file = stored.get(`${owner}/${name}`)?.get(decodeURIComponent(path));
    if (file === undefined) return problem(404, "EntryNotFound");
    if (url.searchParams.get("signature") !== SIGNATURE) return problem(403);
    return content(request, file, file.sha256, running.faults, random);
  });
  const filesOrigin = `http://127.0.0.1:${files.addr.port}`;
  const hub = listen("hub", ports[0], (request, url) => {
    const api = /^\/api\/models\/([^/]+\/[^/]+)(?:\/(revision|tree)\/([^/]+))?$/.exec(url.pathname);
    const resolve = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.*)$/.exec(url.pathname);
    const id = api?.[1] ?? resolve?.[1];
    const repository = repositories.find((repository) => repository.id === id);
    if (repository === undefined) return problem(401, "RepoNotFound");
    const { token } = repository;
    if (token !== undefined && request.headers.get("authorization") !== `Bearer ${token}`) {
      return problem(request.headers.has("authorization") ? 403 : 401, "GatedRepo");
    }
    const revision = decodeURIComponent(api?.[3] ?? resolve?.[2] ?? "main");
    if (revision !== repository.commit && !repository.revisions.includes(revision)) {
      return problem(404, "RevisionNotFound");
    }
    const held = stored.get(repository.id)!;
    if (api?.[2] === "tree") return tree(url, repository, held, running.faults.pageFiles ?? 1_000);
    if (api) {
      const siblings = [...held.keys()].map((rfilename) => ({ rfilename }));
      const about = {
        id,
        modelId: id,
        sha: repository.commit,
        private: false,
        tags: [],
        downloads: 0,
        siblings,
      };
      return Response.json(about);
    }
    return resolved(request, repository, held, resolve![3]);
  });
  const hubOrigin = `http://127.0.0.1:${hub.addr.port}`;

  function resolved(
    request: Request,
    { id, commit }: StandInRepository,
    held: Map<string, StoredFile>,
    encoded: string,
  ): Response {
    const path = decodeURIComponent(encoded);
    const file = held.get(path);
    if (file === undefined) return problem(404, "EntryNotFound", { "x-repo-commit": commit });
    const headers = { "x-repo-commit": commit, "x-linked-size": `${file.bytes.length}` };
    if (!file.isLarge) {
      const answer = content(request, file, file.blobId, running.faults, random);
      answer.headers.set("x-repo-commit", commit);
      return answer;
    }
    const location = new URL(
      `${settings.filesOrigin ?? filesOrigin}/${id}/${encoded}?signature=${SIGNATURE}`,
    );
    return new Response(null, {
      status: 302,
      headers: {
        ...headers,
        "x-linked-etag": `"${file.sha256}"`,
        etag: `"${file.blobId}"`,
        location: location.href,
      },
    });
  }

  const running: StandIn = {
    hub: hubOrigin,
    files: filesOrigin,
    requests,
    faults,
    async [Symbol.asyncDispose]() {
      await Promise.all([hub.shutdown(), files.shutdown()]);
    },
  };
  return running;
}

function store({ files }: StandInRepository): Map<string, StoredFile> {
  return new Map(
    Object.entries(files).map(([path, { base64 = "", file, isLarge }]) => {
      const bytes = file === undefined
        ? Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
        : Deno.readFileSync(file);
      const sha256 = createHash("sha256").update(bytes).digest("hex");
      const pointer =
        `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize ${bytes.length}\n`;
      const kept = isLarge ? new TextEncoder().encode(pointer) : bytes;
      const blobId = createHash("sha1").update(`blob ${kept.length}\0`).update(kept).digest("hex");
      return [path, { bytes, isLarge, blobId, sha256 }];
    }),
  );
}

/** A page of the listing, with the address of the next in the header Link. */
function tree(
  url: URL,
  { commit }: StandInRepository,
  held: Map<string, StoredFile>,
  pageFiles: number,
): Response {
  const folders = [
    ...new Set([...held.keys()].flatMap((path) => path.includes("/") ? [path.replace(/\/[^/]*$/, "")] : [])),
  ];
  const entries = [
    ...folders.map((path) => ({ type: "directory", oid: "0".repeat(40), size: 0, path })),
    ...[...held].map(([path, { bytes, isLarge, blobId, sha256 }]) => ({
      type: "file",
      oid: blobId,
      size: bytes.length,
      path,
      ...(isLarge && { lfs: { oid: sha256, size: bytes.length, pointerSize: 130 } }),
    })),
  ];
  const begin = Number(url.searchParams.get("cursor") ?? 0);
  const next = new URL(url);
  next.searchParams.set("cursor", `${begin + pageFiles}`);
  const headers = {
    "x-repo-commit": commit,
    ...(begin + pageFiles < entries.length && { link: `<${next.href}>; rel="next"` }),
  };
  return Response.json(entries.slice(begin, begin + pageFiles), { headers });
}

/** A file's bytes or a range of them, with the faults that are drawn for this request. */
function content(
  request: Request,
  { bytes }: StoredFile,
  etag: string,
  faults: StandInFaults,
  random: () => number,
): Response {
  const headers: Record<string, string> = { etag: `"${etag}"`, "accept-ranges": "bytes" };
  if (request.method === "HEAD") {
    return new Response(null, { headers: { ...headers, "content-length": `${bytes.length}` } });
  }
  const drawn = (probability = 0) => random() < probability;
  if (drawn(faults.busy)) return problem(503);
  if (drawn(faults.limited)) return problem(429, undefined, { "retry-after": "0" });
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.get("range") ?? "");
  const begin = range ? Number(range[1]) : 0;
  const end = range?.[2] ? Math.min(bytes.length, Number(range[2]) + 1) : bytes.length;
  if (range && begin >= bytes.length) {
    return problem(416, undefined, { "content-range": `bytes */${bytes.length}` });
  }
  if (range) headers["content-range"] = `bytes ${begin}-${end - 1}/${bytes.length}`;
  let body = bytes.subarray(begin, end);
  if (drawn(faults.flip) && body.length > 0) {
    body = body.slice();
    body[Math.floor(random() * body.length)] ^= 1 << Math.floor(random() * 8);
  }
  const isCut = drawn(faults.cut), isTruncated = drawn(faults.truncate);
  const sent = isCut || isTruncated ? Math.floor(random() * body.length) : body.length;
  // A body that is shorter than its length ends with its connection; one that is truncated without a word has no length.
  if (!isTruncated) headers["content-length"] = `${body.length}`;
  const isPlain = !isCut && !isTruncated && faults.slow === undefined && faults.pieceBytes === undefined;
  return new Response(isPlain ? body : inPieces(body.subarray(0, sent), faults), {
    status: range ? 206 : 200,
    headers,
  });
}

function inPieces(
  bytes: Uint8Array<ArrayBuffer>,
  { slow = 0, pieceBytes = PIECE_BYTES }: StandInFaults,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let position = 0;
  return new ReadableStream({
    async pull(controller) {
      if (slow > 0) await new Promise((resolve) => setTimeout(resolve, slow));
      if (position < bytes.length) {
        controller.enqueue(bytes.slice(position, position += pieceBytes));
      } else controller.close();
    },
  });
}

function problem(status: number, code?: string, headers: Record<string, string> = {}): Response {
  return Response.json({ error: `HTTP ${status}` }, {
    status,
    headers: { ...headers, ...(code && { "x-error-code": code, "x-error-message": code }) },
  });
}

/** Numbers from 0 to 1: mulberry32. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

if (import.meta.main) {
  const settings: StandInSettings = JSON.parse(await Deno.readTextFile(Deno.args[0]));
  const { hub, files } = startStandIn(settings);
  console.log(JSON.stringify({ hub, files }));
}

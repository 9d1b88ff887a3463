/**
 * A server on a free port of this machine, for tests that talk to it as anybody would.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { createHandler, loadModel, type Model, type ServerOptions } from "../../mod.ts";

/** The model of the repository. */
export const SCENES = fileURLToPath(new URL("../../models/scenes-mllama-int4", import.meta.url));

/** A picture that it knows. */
export const PICTURE = fileURLToPath(new URL("reference/two-by-two.png", `file://${SCENES}/`));

/** The name under which tests serve it. */
export const NAME = "scenes";

/** The picture as a URL. */
export function pictureUrl(path = PICTURE): string {
  return `data:image/png;base64,${Deno.readFileSync(path).toBase64()}`;
}

/** A running server. */
export interface Serving extends AsyncDisposable {
  url: string;
  model: Model;
  requests: Request[];
}

/** Serves the model of the repository. */
export async function serving(
  options: ServerOptions = {},
  path = SCENES,
  contextSize?: number,
): Promise<Serving> {
  const model = await loadModel(path, { threads: 1, contextSize });
  const handler = createHandler({ [NAME]: model }, options);
  const requests: Request[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
    requests.push(request);
    return handler(request);
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    model,
    requests,
    async [Symbol.asyncDispose]() {
      await server.shutdown();
      await model.dispose();
    },
  };
}

/**
 * A server without files and threads: the model comes from a URL. Deno Deploy runs it as it is, and here
 *
 *   MODEL=https://… deno run --allow-net --allow-env=MODEL examples/deno-deploy/main.ts
 *
 * On Deno Deploy import from "jsr:@remora/remora" instead.
 */
import { createHandler, loadModel } from "../../mod.ts";

const loading = loadModel(Deno.env.get("MODEL")!, { threads: 1, kvCache: "int8", contextSize: 1024 });

Deno.serve({ hostname: "127.0.0.1", port: 8000 }, createHandler({ remora: loading }));

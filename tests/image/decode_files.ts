/**
 * Decodes the files it is given and prints their sizes; permission_test.ts runs it with hardly any permission.
 *
 * @module
 */
import { decodeImage } from "../../src/image/decode.ts";

for (const path of Deno.args) {
  const { width, height } = await decodeImage(Deno.readFileSync(path));
  console.log(`${width} x ${height}`);
}

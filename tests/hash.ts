/** SHA-256 as the library takes it. */
import { createHash } from "node:crypto";

export const sha256 = () => createHash("sha256");

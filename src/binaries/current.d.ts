import type { Binaries } from "./binaries.ts";

export const binaries: Binaries;

/** A few of the interruptions of interruptions.ts, the same every time. */
import { deepStrictEqual } from "node:assert/strict";
import { hasPermissions } from "../cli/remora.ts";
import { interrupt } from "./interruptions.ts";

Deno.test(
  "interrupted downloads end verified, and nothing half-written is found",
  { ignore: !hasPermissions },
  async () => {
    const tallies = [...(await interrupt(5, 7)).values()];
    deepStrictEqual(
      tallies.map(({ rounds, verified, halfLoaded }) => [rounds, verified, halfLoaded]),
      Array(5).fill([1, 1, 0]),
    );
  },
);

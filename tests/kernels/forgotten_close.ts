/**
 * A program that starts a team, computes and forgets to close it; run by team_test.ts, which expects it to end.
 */
import { Kernels } from "../../kernels/host/kernels.ts";
import { KIND_F32 } from "../../kernels/shared/layout.ts";

const kernels = await Kernels.start(3);
const target = kernels.heap.allocate(64);
kernels.heap.floatsAt(target, 16).fill(1);
kernels.addScaled(target, 16, target, KIND_F32, 16, 4, 4, 1);
console.log(kernels.heap.floatsAt(target, 16).join(""));

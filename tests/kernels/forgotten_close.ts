/**
 * A program that starts a team, computes and forgets to close it; run by team_test.ts, which expects it to end.
 */
import { Kernels } from "../../kernels/host/kernels.ts";

const kernels = await Kernels.start(3);
const target = kernels.heap.allocate(64);
kernels.heap.floatsAt(target, 16).fill(1);
kernels.add(target, target, 4, 4);
console.log(kernels.heap.floatsAt(target, 16).join(""));

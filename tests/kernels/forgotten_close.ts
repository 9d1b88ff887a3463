/**
 * A program that starts threads, computes and forgets to end them; run by threads_test.ts, which expects it to end.
 */
import { startKernels, strided } from "./harness.ts";

const [kernels] = await startKernels(3);
const ones = strided(kernels.memory.allocate(64), 4);
kernels.memory.floatsAt(ones.address, 16).fill(1);
kernels.addScaled({ source: ones, sourceType: "f32", rows: 4, width: 4, factor: 1, target: ones });
console.log(kernels.memory.floatsAt(ones.address, 16).join(""));

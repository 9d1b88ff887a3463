/** What a kernel module exports: the lockstep of a team. Every kernel is reached through its operation number. And a probe. */
export { probeDots } from "./dot_probe";
export { release, run, serve } from "./team";
export { prepare } from "./transcendental";

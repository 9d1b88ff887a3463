/** What a kernel module exports: the lockstep of a team. Every kernel is reached through its operation number. */
export { release, run, serve } from "./team";
export { prepare } from "./transcendental";

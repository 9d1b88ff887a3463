/** What a kernel module exports: the lockstep of threads, through which every kernel is reached by its number. */
export { finish, release, run, serve } from "./lockstep";
export { prepare } from "./transcendental";

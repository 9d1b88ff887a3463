/**
 * Whether the server in this container answers requests, for HEALTHCHECK.
 *
 * @module
 */
const { ok } = await fetch("http://127.0.0.1:8000/health");
Deno.exit(ok ? 0 : 1);

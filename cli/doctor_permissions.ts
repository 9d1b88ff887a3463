/**
 * Which permissions there are, and what they are for.
 *
 * @module
 */
import type { Finding } from "./finding.ts";
import { host } from "./host/current.ts";
import type { Permission } from "./host/host.ts";

/** Least first: what commands need of each kind. */
const USES: readonly { permission: Permission; use: string }[] = [
  { permission: { name: "read" }, use: "--allow-read=MODEL opens a model's folder, for every command" },
  {
    permission: { name: "write" },
    use: "--allow-write=FILE is for pull, rm, repack, --cache, --save-state, --show-attention and --plot",
  },
  {
    permission: { name: "net" },
    use: "--allow-net=127.0.0.1:8000 is for serve, --allow-net=HOST for models by URL or from the hub",
  },
  {
    permission: { name: "sys" },
    use:
      "--allow-sys=systemMemoryInfo refuses what does not fit, --allow-sys=cpus names the processor in bench",
  },
  {
    permission: { name: "env" },
    use: "--allow-env=HOME,XDG_*,HF_* finds the history of chats and the hub's cache",
  },
];

/** None where nothing has to be permitted. */
export function examinePermissions(): Finding[] {
  if (!host.hasPermissions) return [];
  return USES.map(({ permission, use }) => {
    const subject = permission.name;
    if (host.isGranted(permission)) return { subject, state: "ok", found: "granted" };
    return { subject, state: "note", found: "not granted as a whole", advice: use };
  });
}

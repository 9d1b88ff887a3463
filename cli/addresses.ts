/**
 * Which addresses are on the public network.
 *
 * @module
 */
import { BlockList, isIPv4, isIPv6 } from "node:net";

/** Networks that are nobody's on the public network (the registries of RFC 6890 and its successors), and IPv6 that wraps IPv4. */
const INNER_IPV4: readonly (readonly [string, number])[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
];
/** The only part of IPv6 that is handed out as public. */
const PUBLIC_IPV6: readonly [string, number] = ["2000::", 3];
const INNER_IPV6: readonly (readonly [string, number])[] = [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
];

const innerIpv4 = blockList("ipv4", INNER_IPV4);
const publicIpv6 = blockList("ipv6", [PUBLIC_IPV6]);
const innerIpv6 = blockList("ipv6", INNER_IPV6);

/** Whether an address leads out of this machine and its own networks. */
export function isPublicAddress(address: string): boolean {
  if (isIPv4(address)) return !innerIpv4.check(address, "ipv4");
  return isIPv6(address) && publicIpv6.check(address, "ipv6") && !innerIpv6.check(address, "ipv6");
}

function blockList(family: "ipv4" | "ipv6", subnets: readonly (readonly [string, number])[]): BlockList {
  const list = new BlockList();
  for (const [network, prefix] of subnets) list.addSubnet(network, prefix, family);
  return list;
}

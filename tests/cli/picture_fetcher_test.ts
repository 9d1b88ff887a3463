/**
 * Pictures by URL: whom a server can be made to ask, and whom not.
 */
import { deepEqual, equal, rejects } from "node:assert/strict";
import { isPublicAddress } from "../../cli/addresses.ts";
import { createPictureFetcher, type Network } from "../../cli/picture_fetcher.ts";

const PUBLIC = [
  "8.8.8.8",
  "1.1.1.1",
  "93.184.216.34",
  "2606:4700:4700::1111",
  "172.32.0.1",
  "100.128.0.1",
  "192.167.0.1",
];
const INNER = [
  "127.0.0.1",
  "127.255.255.254",
  "0.0.0.0",
  "10.1.2.3",
  "172.16.0.1",
  "172.31.255.255",
  "192.168.1.1",
  "169.254.169.254",
  "100.64.0.1",
  "192.0.0.1",
  "192.0.2.1",
  "198.18.0.1",
  "198.51.100.1",
  "203.0.113.1",
  "224.0.0.1",
  "255.255.255.255",
  "::",
  "::1",
  "::ffff:127.0.0.1",
  "::ffff:8.8.8.8",
  "64:ff9b::7f00:1",
  "fe80::1",
  "fc00::1",
  "fd12:3456::1",
  "ff02::1",
  "2001:db8::1",
  "2002:7f00:1::",
  "2001::1",
  "not an address",
];

Deno.test("addresses of this machine, of private and of reserved networks are none to fetch from", () => {
  deepEqual(PUBLIC.filter((address) => !isPublicAddress(address)), []);
  deepEqual(INNER.filter(isPublicAddress), []);
});

const signal = () => AbortSignal.timeout(5000);

Deno.test("URLs that lead elsewhere are refused before anything is asked", async () => {
  const lookups: string[] = [];
  const network: Network = {
    lookup: (hostname) => {
      lookups.push(hostname);
      return Promise.resolve(hostname === "rebinding.example" ? ["8.8.8.8", "127.0.0.1"] : ["127.0.0.1"]);
    },
    mayReach: isPublicAddress,
  };
  const fetchPicture = createPictureFetcher(
    ["pictures.example", "rebinding.example", "127.0.0.1", "[::1]"],
    network,
  );
  for (
    const url of [
      "ftp://pictures.example/a.png",
      "file:///etc/passwd",
      "gopher://pictures.example/",
      "http://user:password@pictures.example/",
      "http://other.example/",
      "http://pictures.example.evil.example/",
      "http://localhost/",
      "http://2130706433/",
      "http://0x7f.1/",
      "not a url",
    ]
  ) await rejects(fetchPicture(url, signal()), /Cannot fetch the picture/, url);
  // Some spell 127.0.0.1, which is allowed here by name and refused for what it is.
  deepEqual(lookups.filter((name) => !/^127\.0\.0\.1$/.test(name)), []);
  for (
    const url of [
      "http://pictures.example/",
      "http://127.0.0.1/",
      "http://[::1]/",
      "http://rebinding.example/",
    ]
  ) {
    await rejects(fetchPicture(url, signal()), /public addresses only/, url);
  }
});

Deno.test("the connection goes to the address that was looked at, and redirects and floods end it", async () => {
  const hosts: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    hosts.push(request.headers.get("host")!);
    const { pathname } = new URL(request.url);
    if (pathname === "/redirect") {
      return new Response(null, { status: 302, headers: { location: "http://127.0.0.1/" } });
    }
    if (pathname === "/flood") {
      const piece = new Uint8Array(1 << 20);
      return new Response(new ReadableStream({ pull: (controller) => controller.enqueue(piece) }));
    }
    return new Response(Uint8Array.of(1, 2, 3));
  });
  let lookups = 0;
  const network: Network = {
    lookup: () => Promise.resolve([lookups++ === 0 ? "127.0.0.1" : "127.0.0.2"]),
    mayReach: () => true,
  };
  const { port } = server.addr;
  const fetchPicture = (path: string) => {
    lookups = 0;
    return createPictureFetcher([`pictures.example:${port}`], network)(
      `http://pictures.example:${port}${path}`,
      signal(),
    );
  };
  deepEqual([...await fetchPicture("/picture")], [1, 2, 3]);
  equal(lookups, 1, "a name that changes its address is not asked again");
  deepEqual(hosts, [`pictures.example:${port}`]);
  await rejects(fetchPicture("/redirect"), /redirects are not followed, found 302/);
  await rejects(fetchPicture("/flood"), /at most \d+ bytes/);
  await server.shutdown();
});

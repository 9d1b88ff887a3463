// Node and Bun: digests on standard output, as JSON.
import * as library from "@remora/remora";
import { digests } from "./digests.js";

const [casesUrl, threads] = process.argv.slice(2);
const cases = await (await fetch(casesUrl)).json();
console.log(JSON.stringify(await digests(library, cases, { threads: Number(threads) })));

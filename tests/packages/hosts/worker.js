// A Cloudflare Worker: digests as JSON.
import * as library from "@remora/remora";
import { digests } from "./digests.js";

export default {
  async fetch(request) {
    const casesUrl = new URL(request.url).searchParams.get("cases");
    try {
      const cases = await (await fetch(casesUrl)).json();
      return Response.json(await digests(library, cases, {}));
    } catch (error) {
      return new Response(String(error?.stack ?? error), { status: 500 });
    }
  },
};

import { is, ok } from "uvu/assert";
import { withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("HTTP calls with wrong tokens");

test("an address that sends too many is rejected before its tokens are checked, and is admitted again later", () =>
  withHub({ env: { FAILED_HANDSHAKES_PER_SECOND: "1" } }, async (hub) => {
    const call = async (token: string) => {
      const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
      const url = `${hub.url}/v1/channels/${encodeURIComponent(hub.taskChannel)}/history`;
      const response = await fetch(url, { headers });
      await response.text();
      return response;
    };
    await Promise.all(Array.from({ length: 30 }, () => call("wst_wrong")));
    const refused = await call(hub.serviceToken);
    is(refused.status, 429);
    ok(Number(refused.headers.get("retry-after")) >= 1);
    await until("it is admitted again", async () => (await call(hub.serviceToken)).status === 200);
  }));

test.run();

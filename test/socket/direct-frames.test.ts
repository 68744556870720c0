import { pino } from "pino";
import { equal, is, match, ok } from "uvu/assert";
import { WebSocket } from "ws";
import { checkDirectFrames, directFramesFault } from "../../hub/socket/direct-frames.ts";
import { withHub } from "../support/hub.ts";
import { RawClient } from "../support/raw-client.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("frames straight into WebSockets");

test("the installed ws accepts frames as the hub encodes them", () => {
  is(directFramesFault(), null);
});

/** As after an update of ws that renames fields outside of its types. */
class Renamed extends WebSocket {
  setSocket(...values: unknown[]): void {
    const inside = this as unknown as { _sender: unknown; sender: unknown };
    (WebSocket.prototype as unknown as { setSocket(...all: unknown[]): void }).setSocket.apply(this, values);
    inside.sender = inside._sender;
    inside._sender = undefined;
  }
}

class Silent extends WebSocket {
  setSocket(...values: unknown[]): void {
    (WebSocket.prototype as unknown as { setSocket(...all: unknown[]): void }).setSocket.apply(this, values);
    Object.assign(this, { _sender: { sendFrame: () => undefined } });
  }
}

test("a renamed field of ws is logged at the start, and so are other bytes on the wire", () => {
  match(directFramesFault(Renamed as typeof WebSocket) ?? "", "no _sender.sendFrame");
  match(directFramesFault(Silent as typeof WebSocket) ?? "", "other bytes");
  const logged: string[] = [];
  const log = pino({ level: "error" }, { write: (line: string) => void logged.push(line) });
  checkDirectFrames(log, directFramesFault());
  equal(logged, []);
  checkDirectFrames(log, directFramesFault(Renamed as typeof WebSocket));
  match(logged.join(""), /no _sender.sendFrame.*Install the version of package-lock.json/);
});

test("both paths are counted: direct to WebSockets, queued to clients that poll", () =>
  withHub({}, async (hub) => {
    const read = async () => {
      const text = await (await fetch(`${hub.url}/metrics`)).text();
      const value = (name: string) => Number(new RegExp(`^${name} (\\d+)$`, "m").exec(text)?.[1]);
      return { direct: value("hub_frames_direct"), queued: value("hub_frames_queued") };
    };
    const [client] = await hub.connectAll(hub.serviceToken);
    await client.request("subscribe", { channel: hub.taskChannel });
    const before = await read();
    for (let number = 0; number < 10; number += 1)
      await client.request("publish", { channel: hub.taskChannel, type: "note", payload: number });
    // An acknowledgement and a delivery each. Reads within 100 ms share a text.
    const after = await until("all are counted", async () => {
      const now = await read();
      return now.direct - before.direct >= 20 ? now : null;
    });
    ok(after.queued - before.queued < 20);
    const polling = new RawClient(hub.url, { token: hub.serviceToken }, { transports: ["polling"] });
    try {
      await polling.welcomed();
      await until("polling is counted", async () => (await read()).queued > after.queued);
    } finally {
      polling.close();
    }
  }));

test.run();

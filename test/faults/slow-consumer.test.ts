import { equal, is, ok } from "uvu/assert";
import { withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("a client that stops reading");
const CAP = 1024 * 1024;
const PAYLOAD = 60 * 1024;
/** More than the kernel's buffers of both ends and the cap hold together. */
const MAX_ROUNDS = 600;

test(
  "it is ended as a slow consumer at the cap, affects no other client, and recovers what it missed",
  () =>
    withHub({ env: { PUBLISHES_PER_SECOND: "5000", REQUESTS_PER_SECOND: "5000" } }, async (hub) => {
      const channel = hub.taskChannel;
      const [publisher, reader, slow] = await hub.connectAll(hub.serviceToken, hub.userToken, hub.workstation.token);
      await reader.request("subscribe", { channel });
      const { epoch } = await slow.request("subscribe", { channel });
      const held = [...hub.node.hub.connections].find(({ id }) => id === slow.socket.id);
      ok(held);
      slow.pauseReading();

      let last = 0;
      let most = 0;
      while (held.ending === null && last < MAX_ROUNDS) {
        const payload = "x".repeat(PAYLOAD);
        last = (await publisher.request("publish", { channel, type: "big", payload })).offset;
        most = Math.max(most, held.outbound.total);
      }
      is(held.ending?.code, "slow_consumer");
      ok(most < CAP + 2 * PAYLOAD, `${most} bytes waited at most`);
      // The kernel may still deliver everything that was sent before.
      for (let more = 0; more < 10; more += 1) {
        last = (await publisher.request("publish", { channel, type: "big", payload: "x".repeat(PAYLOAD) })).offset;
      }
      await until("its connection is removed", () => hub.node.hub.connectionCount === 2, 10_000);

      const received = () => reader.received("publications", channel).flatMap(([, pushed]) => pushed as unknown[]);
      await until("the other reader has everything", () => received().length === last);
      is(reader.disconnectReason, null);

      slow.resumeReading();
      await until("it is disconnected", () => slow.disconnectReason !== null);
      const offsets = slow
        .received("publications", channel)
        .flatMap(([, pushed]) => pushed as { offset: number }[])
        .map(({ offset }) => offset);
      equal(
        offsets,
        offsets.map((_, index) => index + 1),
        "its publications have no gap",
      );
      const back = await hub.connect(hub.workstation.token);
      const near = { epoch, offset: last - 5 };
      const recovered = await back.request("subscribe", { channel, recover: near });
      equal([recovered.recovered, recovered.publications.length], [true, 5]);
      const far = await back.request("history", { channel, epoch, after: offsets.length, limit: 1 });
      is(far.publications[0]?.offset, offsets.length + 1, "publications beyond a recovery are in the history");
    }),
  30_000,
);

test.run();

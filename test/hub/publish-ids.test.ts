import { equal, is } from "uvu/assert";
import { withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";

const test = suite("ids of publications");

test("content is the same in any order of keys, over sockets and HTTP", () =>
  withHub({}, async (hub) => {
    const channel = hub.taskChannel;
    const client = await hub.connect(hub.serviceToken);
    const publish = (payload: unknown) => client.request("publish", { channel, type: "note", id: "one", payload });
    const { offset } = await publish({ a: [{ x: 1, y: 2 }], b: null });
    equal(await publish({ b: null, a: [{ y: 2, x: 1 }] }).then(({ offset, duplicate }) => [offset, duplicate]), [
      offset,
      true,
    ]);
    const overHttp = await fetch(`${hub.url}/v1/channels/${channel}/publish`, {
      method: "POST",
      body: '{"payload":{"b":null,"a":[{"y":2,"x":1}]},"id":"one","type":"note"}',
      headers: { Authorization: `Bearer ${hub.serviceToken}`, "Content-Type": "application/json" },
    });
    is(((await overHttp.json()) as { duplicate?: boolean }).duplicate, true);
    const refused = async (payload: unknown, type = "note") =>
      is((await client.refused("publish", { channel, type, id: "one", payload })).code, "conflict");
    await refused({ a: [{ x: 2, y: 1 }], b: null });
    await refused({ a: [{ x: 1, y: 2 }] });
    await refused({ b: null, a: [{ y: 2, x: 1 }] }, "other");
    is((await client.request("history", { channel })).publications.length, 1);
  }));

test.run();

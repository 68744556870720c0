import { is, ok } from "uvu/assert";
import { WebSocket } from "ws";
import { withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("one transport, several CONNECTs");

test("a client that connects again on the same transport is refused or served, and the hub goes on", () =>
  withHub({}, async (hub) => {
    const other = await hub.connect(hub.userToken);
    const socket = new WebSocket(`${hub.url.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket`);
    const heard: string[] = [];
    socket.on("message", (message) => void heard.push(String(message)));
    const connect = `40${JSON.stringify({ token: hub.serviceToken })}`;
    await until("the transport is open", () => heard.some((packet) => packet.startsWith("0")));
    socket.send(connect);
    socket.send(connect);
    await until("a welcome", () => heard.some((packet) => packet.includes('"welcome"')));
    socket.send("41");
    socket.send(connect);
    const answers = () => heard.filter((packet) => packet.startsWith("40") || packet.startsWith("44")).length;
    await until(
      "the last CONNECT is answered, or the transport ended",
      () => answers() >= 2 || socket.readyState === WebSocket.CLOSED,
    );
    socket.terminate();
    ok((await other.request("subscribe", { channel: hub.taskChannel })).epoch);
    await until("only the other is left", () => hub.node.hub.connectionCount === 1);
    is((await fetch(`${hub.url}/healthz`)).status, 200);
  }));

test.run();

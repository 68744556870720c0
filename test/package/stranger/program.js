import { createClient, PROTOCOL_VERSION, taskChannel } from "@monster-realtime/client";
import * as protocol from "@monster-realtime/client/protocol";
import { createWorkstation } from "@monster-realtime/client/workstation";

const [url, token, id] = process.argv.slice(2);
const client = createClient({ url, token, client: "stranger/1.0" });
await client.connect();
const task = client.subscribe(taskChannel(id));
await task.ready();
const received = new Promise((resolve) => task.on("publication", resolve));
await task.publish("note", { text: "hello" });
console.log(
  JSON.stringify([
    (await received).payload.text,
    typeof createWorkstation,
    protocol.PROTOCOL_VERSION === PROTOCOL_VERSION,
  ]),
);
await client.close();

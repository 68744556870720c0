/**
 * A workstation in a process of its own, which tests freeze or cut off: `faults-client.ts <url> <token> <channel>`.
 * It joins, subscribes, and tells what happens to it, one JSON line an event.
 */
import { io } from "socket.io-client";
import { meta } from "./hub.ts";

const [url = "", token = "", channel = ""] = process.argv.slice(2);
const tell = (event: string, detail?: unknown) => console.log(JSON.stringify({ event, detail }));
const socket = io(url, { auth: { token }, transports: ["websocket"], reconnection: false });

socket.on("connect_error", (error) => tell("connect_error", error.message));
socket.on("disconnect", (reason) => tell("disconnect", reason));
socket.on("publications", (_channel, publications) => tell("publications", publications));
socket.on("welcome", async () => {
  await socket.emitWithAck("subscribe", { channel });
  await socket.emitWithAck("presence.join", { channel, meta: meta() });
  tell("joined");
});
socket.io.on("ping", () => tell("ping"));

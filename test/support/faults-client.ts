/**
 * A workstation in a separate process, which tests freeze or cut off: `faults-client.ts <url> <token> <channel>`.
 * It joins, subscribes, and reports its events, one JSON line per event.
 */
import { io } from "socket.io-client";
import { meta } from "./hub.ts";

const [url = "", token = "", channel = ""] = process.argv.slice(2);
const report = (event: string, detail?: unknown) => console.log(JSON.stringify({ event, detail }));
const socket = io(url, { auth: { token }, transports: ["websocket"], reconnection: false });

socket.on("connect_error", (error) => report("connect_error", error.message));
socket.on("disconnect", (reason) => report("disconnect", reason));
socket.on("publications", (_channel, publications) => report("publications", publications));
socket.on("welcome", async () => {
  await socket.emitWithAck("subscribe", { channel });
  await socket.emitWithAck("presence.join", { channel, meta: meta() });
  report("joined");
});
socket.io.on("ping", () => report("ping"));

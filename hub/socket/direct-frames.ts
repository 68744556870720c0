import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { Duplex } from "node:stream";
import { WebSocket, WebSocketServer } from "ws";
import { messageOf } from "../kernel/errors.ts";
import type { Logger } from "../kernel/log.ts";
import { encodeEvent } from "./frame.ts";

/** Fields of ws outside of its types. */
interface WebSocketInside {
  _sender?: { sendFrame?(frame: Buffer[]): void };
}

/** The headers of an upgrade request. */
const UPGRADE = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-key": Buffer.alloc(16).toString("base64"),
  "sec-websocket-version": "13",
};

/** Records what is written to it. */
class Recorder extends Duplex {
  readonly written: Buffer[] = [];

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.written.push(chunk);
    done();
  }
}

/**
 * Tests on a WebSocket without a network why frames can't be written straight into it (`Outbound.send`); null: they can. An
 * update of ws may change the names that this relies on. Throws if frames can't even be encoded: then nothing can be
 * delivered.
 */
export function directFramesFault(Client = WebSocket): string | null {
  const [frame] = encodeEvent("check", "1").options.wsPreEncodedFrame;
  const socket = new Recorder();
  try {
    const sender = accepted(socket, Client)._sender;
    if (typeof sender?.sendFrame !== "function") return "ws has no _sender.sendFrame";
    socket.written.length = 0;
    sender.sendFrame([frame]);
    return Buffer.concat(socket.written).equals(frame) ? null : "ws writes other bytes than the frame";
  } catch (error) {
    return `ws failed: ${messageOf(error)}`;
  } finally {
    socket.destroy();
  }
}

/** The server's side of a WebSocket over `socket`. */
function accepted(socket: Duplex, Client: typeof WebSocket): WebSocketInside {
  const request = Object.assign(new IncomingMessage(new Socket()), { method: "GET", url: "/", headers: UPGRADE });
  let webSocket: WebSocket | null = null;
  new WebSocketServer({ noServer: true, WebSocket: Client }).handleUpgrade(request, socket, Buffer.alloc(0), (made) => {
    webSocket = made;
  });
  if (!webSocket) throw new Error("ws rejected an upgrade");
  return webSocket as WebSocketInside;
}

/** Logs an error if frames take the slow path. The hub works without the fast one, so it starts anyway. */
export function checkDirectFrames(log: Logger, fault = directFramesFault()): void {
  if (fault === null) return;
  log.error(
    { fault },
    "Frames are sent through Engine.IO's queue, which costs twice as much: the installed ws is not a version that this hub supports. Install the version of package-lock.json.",
  );
}

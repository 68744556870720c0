import * as ws from "ws";

/** The parts of ws' frame parser that pacing relies on; its types lack all of them. */
interface FrameParser {
  readonly _bufferedBytes: number;
  _state: number;
  getInfo(done: (error?: Error) => void): void;
  startLoop(done: (error?: Error) => void): void;
}
const { Receiver } = ws as unknown as { Receiver: { new (): FrameParser; prototype: FrameParser } };

/** The states of ws' parser between two frames, and while it waits for a later turn. */
const [GET_INFO, DEFER_EVENT] = [0, 6];
/** A frame without contents. */
const SMALLEST_FRAME_BYTES = 2;
/**
 * Frames of one connection that are parsed in one turn of the event loop. A chunk of 64 KiB from the network can hold ten
 * thousand control frames or fragments, which never become packets: ws handles all of them in one turn.
 */
export const FRAMES_PER_TURN = 64;

/** The connection that is being parsed, and the number of its frames parsed since it last yielded. */
let parsed: FrameParser | null = null;
let frames = 0;

for (const name of ["getInfo", "startLoop"] as const)
  if (typeof Receiver?.prototype[name] !== "function")
    throw new Error(
      `ws has no Receiver.${name}, which limits the frames of a turn. Install the version of package-lock.json.`,
    );

class PacedReceiver extends Receiver {
  override getInfo(done: (error?: Error) => void): void {
    if (parsed !== this) frames = 0;
    parsed = this;
    if (this._bufferedBytes >= SMALLEST_FRAME_BYTES) frames += 1;
    if (frames <= FRAMES_PER_TURN) {
      super.getInfo(done);
      return;
    }
    parsed = null;
    this._state = DEFER_EVENT;
    setImmediate(() => {
      this._state = GET_INFO;
      this.startLoop(done);
    });
  }
}

/** Makes the WebSocket parse at most `FRAMES_PER_TURN` frames in one turn of the event loop. */
export function paceFrames(webSocket: ws.WebSocket): void {
  const { _receiver: receiver } = webSocket as { _receiver?: object };
  // An own method would cost memory for each connection.
  if (receiver) Object.setPrototypeOf(receiver, PacedReceiver.prototype);
}

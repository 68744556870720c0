import * as ws from "ws";

/** The parts of ws' frame parser that pacing relies on; its types lack all of them. */
interface FrameParser {
  _bufferedBytes: number;
  _buffers: Buffer[];
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
 * thousand control frames or fragments, which never become packets: ws handles all of them in one turn. ws ends a
 * connection that has 60 unsent pongs, so that a turn must take fewer pings.
 */
export const FRAMES_PER_TURN = 32;
/** Frames of all connections that one turn parses. Beyond it each connection gets one frame a turn. */
export const FRAMES_OF_ALL_PER_TURN = 128;

/** Meters the frames of one connection. */
export interface FrameMeter {
  /** Called for each frame. */
  onFrame(): void;
  /** Whether the hub ended the connection. The rest of its frames is dropped. */
  readonly ended: boolean;
}

/** The connection that is being parsed, and the number of its frames parsed since it last yielded. */
let parsed: FrameParser | null = null;
let frames = 0;
/** Frames parsed in this turn; null: none. */
let ofTurn: number | null = null;

function countFrame(): void {
  if (ofTurn === null) {
    ofTurn = 0;
    setImmediate(() => {
      ofTurn = null;
      parsed = null;
    });
  }
  frames += 1;
  ofTurn += 1;
}

/** Whether the next frame of the parsed connection waits for a later turn. */
function isTurnOver(): boolean {
  return frames >= FRAMES_PER_TURN || (frames > 0 && ofTurn !== null && ofTurn >= FRAMES_OF_ALL_PER_TURN);
}

for (const name of ["getInfo", "startLoop"] as const)
  if (typeof Receiver?.prototype[name] !== "function")
    throw new Error(
      `ws has no Receiver.${name}, which limits the frames of a turn. Install the version of package-lock.json.`,
    );

class PacedReceiver extends Receiver {
  declare meter: FrameMeter;

  override getInfo(done: (error?: Error) => void): void {
    if (parsed !== this) frames = 0;
    parsed = this;
    if (isTurnOver()) {
      this.defer(done);
      return;
    }
    if (this._bufferedBytes >= SMALLEST_FRAME_BYTES) {
      countFrame();
      this.meter.onFrame();
    }
    super.getInfo(done);
  }

  defer(done: (error?: Error) => void): void {
    parsed = null;
    this._state = DEFER_EVENT;
    setImmediate(() => {
      this._state = GET_INFO;
      if (this.meter.ended) {
        this._buffers = [];
        this._bufferedBytes = 0;
      }
      this.startLoop(done);
    });
  }
}

/**
 * Makes the WebSocket parse at most `FRAMES_PER_TURN` frames in one turn of the event loop, all of them together about
 * `FRAMES_OF_ALL_PER_TURN`, and meters each frame.
 */
export function paceFrames(webSocket: ws.WebSocket, meter: FrameMeter): void {
  const { _receiver: receiver } = webSocket as { _receiver?: object };
  if (!receiver) return;
  // Own methods would cost memory for each connection.
  Object.setPrototypeOf(receiver, PacedReceiver.prototype);
  Object.assign(receiver, { meter });
}

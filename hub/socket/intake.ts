import { badRequest, HubError } from "../kernel/errors.ts";
import { ByteBudget } from "./byte-budget.ts";
import type { EngineConnection } from "./outbound.ts";
import { PacketTurns, type Waiting } from "./packet-turns.ts";
import { type PacketSource, Reading } from "./reading.ts";

/** The limits of a client before it is admitted. A valid client sends a CONNECT, and two packets for an upgrade. */
export const ANONYMOUS_FRAME_BYTES = 16 * 1024;
const ANONYMOUS_PACKETS = 8;
/** For how long without a break a connection may use up its byte budget. */
const MAX_EXHAUSTED_MS = 10_000;
/** Packets count as bytes too, so that this many times the rate of requests uses up the byte budget. */
const PACKETS_PER_REQUEST = 10;

/** The limits of an admitted connection. */
export interface IntakeLimits {
  /** The largest frame or polling request. */
  frameBytes: number;
  /** How many packets one polling request may carry. */
  packetsPerPost: number;
  bytesPerSecond: number;
  requestsPerSecond: number;
}

/** The settings that the intakes of a node share. */
export interface IntakePolicy {
  readonly limits: IntakeLimits;
  /** Ends a connection that is not admitted yet. */
  refuse(engine: EngineConnection, error: HubError): void;
  /** Reports an exception from handling a packet. `connectionId`: null before the connection is admitted. */
  report(error: unknown, connectionId: string | null): void;
}

/** An admitted connection. */
interface Admitted {
  readonly id: string;
  /** Its principal's share, over all connections. */
  readonly share: { spend(bytes: number, now: number): number };
  end(error: HubError): void;
}

/** Packets of one connection, the first of which were handled. */
interface Backlog {
  packets: [PacketSource, unknown][];
  handled: number;
  /** Called when all are handled. */
  callbacks: (() => void)[];
}

/** All connections of the process share its event loop. */
const turns = new PacketTurns();

/**
 * Meters the data of one connection before Engine.IO and Socket.IO handle it. Until the client is admitted it may send few
 * and small packets; afterwards it has a byte budget per second. Beyond a few packets in a turn of the event loop it
 * takes turns with the other connections. An exception that a packet causes ends only this connection.
 */
export class Intake implements Waiting {
  readonly #policy: IntakePolicy;
  readonly #reading = new Reading();
  readonly #bytes = new ByteBudget();
  #engine: EngineConnection | null = null;
  #admitted: Admitted | null = null;
  #anonymousPackets = 0;
  #anonymousBytes = 0;
  #violated = false;
  #turn = -1;
  #taken = 0;
  #waiting: Backlog | null = null;
  #pause: NodeJS.Timeout | null = null;
  /** When the pause ends, by `performance.now()`. */
  #pausedUntil = 0;

  constructor(policy: IntakePolicy) {
    this.#policy = policy;
  }

  /** Adds a transport from which packets come. */
  readsFrom(source: PacketSource): void {
    this.#reading.add(source);
    source.limitFrames(this.#frameBytes);
  }

  /** Removes a transport that has closed. */
  readsNoLonger(source: PacketSource): void {
    this.#reading.remove(source);
  }

  /** Sets the intake's connection, as soon as Engine.IO has created it. */
  belongsTo(engine: EngineConnection): void {
    this.#engine = engine;
    // Engine.IO has just set its own limit.
    this.#reading.limitFrames(this.#frameBytes);
  }

  /** The client was admitted: the limits of a connection apply from now on. */
  admit(connection: Admitted): void {
    this.#admitted = connection;
    this.#reading.limitFrames(this.#frameBytes);
  }

  /** How many packets one polling request may carry now. */
  get packetsPerPost(): number {
    return this.#admitted ? this.#policy.limits.packetsPerPost : ANONYMOUS_PACKETS;
  }

  get #frameBytes(): number {
    return this.#admitted ? this.#policy.limits.frameBytes : ANONYMOUS_FRAME_BYTES;
  }

  /** Counts read bytes, for the connection and for its principal. Reading pauses if they use up a budget. */
  spend(bytes: number): void {
    if (!this.#admitted) this.#spendAnonymous(bytes);
    this.#spendBudgets(bytes);
  }

  /** Counts a packet or a frame: small ones cost more than their bytes. */
  spendPacket(): void {
    const { bytesPerSecond, requestsPerSecond } = this.#policy.limits;
    this.#spendBudgets(Math.ceil(bytesPerSecond / (requestsPerSecond * PACKETS_PER_REQUEST)));
  }

  /** Pauses reading, because the last packet was rejected and the next one would be too. */
  pauseReading(pauseMs: number): void {
    this.#pauseFor(pauseMs, performance.now());
  }

  /** Handles one packet: now, or in a later turn if this turn has handled enough of this connection. */
  take(source: PacketSource, packet: unknown): void {
    if (this.#violated || (!this.#admitted && !this.#takesAnonymous())) return;
    if (this.#waiting) this.#waiting.packets.push([source, packet]);
    else if (this.#hasTurn()) this.#deliver(source, packet);
    else this.#defer(source, packet);
  }

  handle(count: number): boolean {
    const waiting = this.#waiting;
    if (!waiting) return false;
    const first = waiting.handled;
    waiting.handled += count;
    for (const [source, packet] of waiting.packets.slice(first, waiting.handled)) this.#deliver(source, packet);
    if (waiting.handled < waiting.packets.length) return true;
    this.#waiting = null;
    this.#reading.go();
    for (const call of waiting.callbacks) call();
    return false;
  }

  /** Calls back when no packet waits: immediately, or in a later turn. */
  whenHandled(call: () => void): void {
    if (this.#waiting) this.#waiting.callbacks.push(call);
    else call();
  }

  /** Whether the connection broke the limits, and is about to end. */
  get violated(): boolean {
    return this.#violated;
  }

  /** Ends the connection, because it violates the limits, and stops reading it. */
  violate(error: HubError): void {
    if (this.#violated) return;
    this.#violated = true;
    // The packets that wait are not handled.
    this.#waiting?.packets.splice(0);
    this.#reading.stop();
    if (this.#admitted) this.#admitted.end(error);
    else if (this.#engine) this.#policy.refuse(this.#engine, error);
  }

  #spendBudgets(bytes: number): void {
    const now = performance.now();
    const pauseMs = this.#bytes.spend(bytes, this.#policy.limits.bytesPerSecond, now);
    if (pauseMs > 0 && this.#bytes.exhaustedMs(now) >= MAX_EXHAUSTED_MS) this.violate(tooManyBytes());
    this.#pauseFor(Math.max(pauseMs, this.#admitted?.share.spend(bytes, now) ?? 0), now);
  }

  #spendAnonymous(bytes: number): void {
    this.#anonymousBytes += bytes;
    if (this.#anonymousBytes > ANONYMOUS_PACKETS * ANONYMOUS_FRAME_BYTES) this.violate(tooManyAnonymous());
  }

  #takesAnonymous(): boolean {
    this.#anonymousPackets += 1;
    if (this.#anonymousPackets <= ANONYMOUS_PACKETS) return true;
    this.violate(tooManyAnonymous());
    return false;
  }

  #hasTurn(): boolean {
    const { current } = turns;
    if (this.#turn !== current) this.#taken = 0;
    this.#turn = current;
    const takes = turns.take(this.#taken);
    if (takes) this.#taken += 1;
    return takes;
  }

  #defer(source: PacketSource, packet: unknown): void {
    this.#waiting = { packets: [[source, packet]], handled: 0, callbacks: [] };
    this.#reading.stop();
    turns.add(this);
  }

  #deliver(source: PacketSource, packet: unknown): void {
    try {
      source.deliver(packet);
    } catch (error) {
      this.#policy.report(error, this.#admitted?.id ?? null);
      this.violate(new HubError("internal", "A packet of this connection caused an error. Connect again."));
    }
  }

  #pauseFor(pauseMs: number, now: number): void {
    this.#pausedUntil = Math.max(this.#pausedUntil, now + pauseMs);
    if (pauseMs <= 0 || this.#pause !== null) return;
    this.#reading.stop();
    this.#pause = this.#resumeAfter(pauseMs);
  }

  /** A pause can become longer while it lasts. */
  #resumeAfter(pauseMs: number): NodeJS.Timeout {
    return setTimeout(() => {
      const leftMs = this.#pausedUntil - performance.now();
      this.#pause = leftMs > 0 ? this.#resumeAfter(leftMs) : null;
      if (this.#pause === null) this.#reading.go();
    }, pauseMs).unref();
  }
}

function tooManyAnonymous(): HubError {
  return badRequest(
    "",
    `A client may send ${ANONYMOUS_PACKETS} packets of ${ANONYMOUS_FRAME_BYTES} bytes before the hub accepts its CONNECT. Send CONNECT, and wait for the answer.`,
  );
}

function tooManyBytes(): HubError {
  return new HubError(
    "rate_limited",
    `This connection has used its whole byte budget for ${MAX_EXHAUSTED_MS / 1_000} seconds. Send less than \`welcome.limits.bytesPerSecond\`.`,
    { retryAfterMs: 1_000 },
  );
}

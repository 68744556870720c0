import type { ErrorObject } from "@monster-realtime/client/protocol";
import { Deadlines } from "../kernel/deadlines.ts";
import { HubError, toErrorObject } from "../kernel/errors.ts";
import type { FailedHandshakes } from "./failed-handshakes.ts";
import { cutTransport, type EngineConnection, endTransport } from "./outbound.ts";
import { SilentClients } from "./silent-clients.ts";
import type { EngineRequest } from "./transports.ts";

/** Socket.IO's packet type of a rejected CONNECT. */
const CONNECT_ERROR = "4";

/** The connections whose client has no principal yet: their number, their deadline, and their end. */
export class AnonymousConnections {
  readonly #failures: FailedHandshakes;
  readonly #silent = new SilentClients<EngineConnection>();
  readonly #deadlines: Deadlines;
  /** With the network of each. */
  readonly #networks = new Map<EngineConnection, string>();
  /** Connections whose token is being checked. */
  readonly #connecting = new Set<EngineConnection>();
  /** One listener for all: a closure for each would use memory as long as its connection. */
  readonly #onClose: (this: EngineConnection, reason: string) => void;

  /** `deadlineMs`: how long a client may take until it is admitted. */
  constructor(failures: FailedHandshakes, deadlineMs: number) {
    this.#failures = failures;
    this.#deadlines = new Deadlines(deadlineMs);
    const failed = (engine: EngineConnection) => this.#closed(engine);
    this.#onClose = function closed(reason) {
      failed(this);
      // A peer that timed out does not answer the end of its WebSocket either.
      if (reason === "ping timeout") cutTransport(this);
    };
  }

  /** For how many milliseconds this request may not become a connection; 0: it may. */
  refusedForMs(request: EngineRequest): number {
    const network = this.#failures.networkOf(request.socket.remoteAddress, request.headers);
    return this.#failures.refusedForMs(network, performance.now());
  }

  /** A connection was opened; its client has sent nothing yet. */
  connected(engine: EngineConnection): void {
    const network = this.#failures.networkOf(engine.remoteAddress, engine.request.headers);
    this.#networks.set(engine, network);
    engine.once("close", this.#onClose);
    this.#deadlines.start(engine, () => this.refuse(engine, tooLate()));
    const crowdedOut = this.#silent.add(engine, network, performance.now());
    if (crowdedOut) this.refuse(crowdedOut, tooMany());
  }

  /** The client has sent its CONNECT: from now on the hub may cause its delay. */
  sentConnect(engine: EngineConnection): void {
    const network = this.#networks.get(engine);
    if (network === undefined) return;
    this.#silent.remove(engine, network);
    this.#connecting.add(engine);
  }

  /** The client was admitted. */
  letIn(engine: EngineConnection): void {
    this.#forget(engine);
  }

  /** The client's CONNECT was rejected. Its transport ends by itself. */
  refused(engine: EngineConnection, refusal: Pick<ErrorObject, "code" | "temporary">): void {
    const network = this.#forget(engine);
    if (network !== undefined) this.#failures.failed(network, performance.now(), refusal);
  }

  /** Sends the error to the client, as the answer to its CONNECT, and ends the connection. */
  refuse(engine: EngineConnection, error: HubError): void {
    const data = toErrorObject(error);
    this.refused(engine, { ...data, temporary: this.#connecting.has(engine) });
    engine.write(CONNECT_ERROR + JSON.stringify({ message: data.message, data }));
    endTransport(engine);
  }

  close(): void {
    this.#deadlines.close();
  }

  /** A client that hangs up while its token is checked may have waited for the hub. */
  #closed(engine: EngineConnection): void {
    const temporary = this.#connecting.has(engine);
    const network = this.#forget(engine);
    if (network !== undefined) this.#failures.failed(network, performance.now(), { code: "timeout", temporary });
  }

  #forget(engine: EngineConnection): string | undefined {
    const network = this.#networks.get(engine);
    if (network === undefined) return undefined;
    this.#silent.remove(engine, network);
    this.#networks.delete(engine);
    this.#connecting.delete(engine);
    this.#deadlines.done(engine);
    return network;
  }
}

function tooLate(): HubError {
  return new HubError("timeout", "No CONNECT of the client was accepted in time. Connect again.");
}

function tooMany(): HubError {
  return new HubError("rate_limited", "Too many clients of this address have not sent CONNECT. Send it at once.", {
    retryAfterMs: 1_000,
  });
}

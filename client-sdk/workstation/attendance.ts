import type { Client } from "../client.ts";
import { InvalidArgumentError, type RealtimeError } from "../errors.ts";
import {
  type Assignment,
  type AssignmentCancelled,
  type Publication,
  type ReportedAgent,
  type Welcome,
  type WorkstationChannel,
  workstationChannel,
} from "../protocol/index.ts";
import type { Subscription } from "../subscription.ts";
import { ulid } from "../ulid.ts";
import { persistently } from "./persistently.ts";
import type { PresenceKeeper } from "./presence-keeper.ts";
import type { Results } from "./results.ts";
import type { Works } from "./works.ts";

export interface AttendanceParts {
  client: Client;
  works: Works;
  results: Results;
  presence: PresenceKeeper;
  /** What the machine says that it has, of this moment. */
  agents(): readonly ReportedAgent[];
  /** Something did not succeed before it was online, and is tried again. */
  waiting(error: RealtimeError): void;
  /** The hub ended the channel for good. */
  ended(error: RealtimeError): void;
}

/** How a workstation comes before its hub, and hears what it has to do. */
export class Attendance {
  readonly #parts: AttendanceParts;
  #isOnline = false;
  /** One report after the other, so that none undoes a newer one. */
  #reported: Promise<unknown> = Promise.resolve();

  constructor(parts: AttendanceParts) {
    this.#parts = parts;
  }

  /** It has been online; before that, `goOnline` tells what goes wrong. */
  get isOnline(): boolean {
    return this.#isOnline;
  }

  /** Reports the agents, is present, and takes up what it holds. Rejects with what waiting does not mend. */
  async goOnline(principal: Welcome["principal"]): Promise<void> {
    if (principal.kind !== "workstation") throw notWorkstation(principal.kind);
    const { presence, results } = this.#parts;
    const channel = workstationChannel(principal.id);
    await this.reportAgents();
    const subscription = this.#follow(channel);
    results.deliverAll();
    await subscription.ready();
    await presence.join(channel);
    await this.lookUp();
    this.#isOnline = true;
  }

  async reportAgents(): Promise<void> {
    const { client } = this.#parts;
    const [agents, idempotencyKey] = [[...this.#parts.agents()], ulid()];
    const report = () => this.#persistently(() => client.rpc("agents.report", { agents }, { idempotencyKey }));
    const reported = this.#reported.then(report);
    this.#reported = reported.catch(() => undefined);
    await reported;
  }

  #follow(channel: WorkstationChannel): Subscription {
    const subscription = this.#parts.client.subscribe(channel);
    subscription.on("publication", (publication) => this.#heard(publication));
    // The first look comes by itself.
    subscription.on("lost", () => (this.#isOnline ? this.lookUp() : undefined));
    subscription.on("error", (error) => this.#channelFailed(error));
    return subscription;
  }

  /** The end of the connection is told by the connection, with its reason. */
  #channelFailed(error: RealtimeError): void {
    if (this.#isOnline && error.code !== "connection_closed") this.#parts.ended(error);
  }

  #heard({ type, payload }: Publication): unknown {
    const { works } = this.#parts;
    if (type === "task:cancel") {
      const { id, reason } = payload as AssignmentCancelled;
      return works.cancel(id, reason);
    }
    if (type === "change:left_out") return this.lookUp();
    if (type !== "task:assign") return;
    const assignment = payload as Assignment;
    // What is too large for a publication is asked for.
    return assignment.omitted.length > 0 ? this.lookUp() : works.take(assignment);
  }

  /** The truth about its work, after a start and wherever publications were missed. */
  async lookUp(): Promise<void> {
    const { client, works } = this.#parts;
    await this.#persistently(async () => {
      const before = works.ids;
      const { items } = await client.rpc("workstations.assignments", {});
      works.compare(items, before);
    });
  }

  #persistently<Result>(call: () => Promise<Result>): Promise<Result> {
    const failed = (error: RealtimeError) => (this.#isOnline ? undefined : this.#parts.waiting(error));
    return persistently({ client: this.#parts.client, failed }, call);
  }
}

function notWorkstation(kind: string): InvalidArgumentError {
  return new InvalidArgumentError(`The token is a ${kind}'s. Give the registration token of a workstation (wst_…).`);
}

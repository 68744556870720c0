import type { Subscription } from "../channels/subscription.ts";
import type { Client } from "../client/client.ts";
import { InvalidArgumentError, type RealtimeError } from "../kernel/errors.ts";
import { ulid } from "../kernel/ulid.ts";
import {
  type Assignment,
  type AssignmentCancelled,
  type Publication,
  type ReportedAgent,
  type Welcome,
  type WorkstationChannel,
  workstationChannel,
} from "../protocol/index.ts";
import { persistently } from "./persistently.ts";
import type { PresenceKeeper } from "./presence-keeper.ts";
import type { Results } from "./results.ts";
import type { TaskRuns } from "./task-runs.ts";

export interface AssignmentSyncParts {
  client: Client;
  works: TaskRuns;
  results: Results;
  presence: PresenceKeeper;
  /** The machine's current list of agents. */
  agents(): readonly ReportedAgent[];
  /** A call failed before the workstation was online. It is retried. */
  waiting(error: RealtimeError): void;
  /** The hub ended the channel permanently. */
  ended(error: RealtimeError): void;
}

/** Brings a workstation online at its hub, and receives its assignments. */
export class AssignmentSync {
  readonly #parts: AssignmentSyncParts;
  #isOnline = false;
  /** Reports run one after the other, so that none overwrites a newer one. */
  #reported: Promise<unknown> = Promise.resolve();

  constructor(parts: AssignmentSyncParts) {
    this.#parts = parts;
  }

  /** Whether it has been online. Before that, `goOnline` reports failures. */
  get isOnline(): boolean {
    return this.#isOnline;
  }

  /**
   * Reports the agents, joins the presence, and takes the assignments that the hub holds. Rejects with permanent
   * failures.
   */
  async goOnline(principal: Welcome["principal"]): Promise<void> {
    if (principal.kind !== "workstation") throw notWorkstation(principal.kind);
    const { presence, results } = this.#parts;
    const channel = workstationChannel(principal.id);
    await this.reportAgents();
    const subscription = this.#follow(channel);
    results.deliverAll();
    await subscription.ready();
    await presence.join(channel);
    await this.fetchAssignments();
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
    subscription.on("publication", (publication) => this.#receive(publication));
    // The first lookup is made by goOnline.
    subscription.on("lost", () => (this.#isOnline ? this.fetchAssignments() : undefined));
    subscription.on("error", (error) => this.#channelFailed(error));
    return subscription;
  }

  /** The end of the connection is reported by the connection, with its reason. */
  #channelFailed(error: RealtimeError): void {
    if (this.#isOnline && error.code !== "connection_closed") this.#parts.ended(error);
  }

  #receive({ type, payload }: Publication): unknown {
    const { works } = this.#parts;
    if (type === "task:cancel") {
      const { id, reason } = payload as AssignmentCancelled;
      return works.cancel(id, reason);
    }
    if (type === "change:left_out") return this.fetchAssignments();
    if (type !== "task:assign") return;
    const assignment = payload as Assignment;
    // An assignment that is too large for a publication is fetched.
    return assignment.omitted.length > 0 ? this.fetchAssignments() : works.take(assignment);
  }

  /** Fetches the assignments from the hub, after a start and whenever publications were missed. */
  async fetchAssignments(): Promise<void> {
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
  return new InvalidArgumentError(
    `The token belongs to a ${kind}. Use the registration token of a workstation (wst_…).`,
  );
}

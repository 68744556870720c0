import { projectWorkstationsChannel, workstationChannel } from "@monster-realtime/client/protocol";
import { HubError } from "../../hub/kernel/errors.ts";
import { isPresent, newestOf } from "../../hub/presence/membership.ts";
import type { OwnerTicket } from "../../hub/presence/presence.ts";
import { randomOf } from "../support/random.ts";
import { GRACE_MS, LEASE_MS, SimulatedNode } from "./node.ts";
import { PEOPLE_CHANNEL, People } from "./people.ts";
import { isNewer, type Row, type RowChange, SimulatedRows } from "./rows.ts";
import { Scheduler } from "./scheduler.ts";
import { SimulatedStore } from "./store.ts";

export interface WorldOptions {
  nodes: number;
  /** Keep what happened, to be printed. */
  told: boolean;
}

export interface Result {
  violation: string | null;
  steps: number;
  timeline: string[];
}

const PING_MS = 15_000;
const CONNECT_LIMIT_MS = 1_000;
const STATION_IDS = ["ws_00000000000000000000000001", "ws_00000000000000000000000002"];
const PROJECT_IDS = ["proj_00000000000000000000000001", "proj_00000000000000000000000002"];
/** How long after the last fault a schedule ends at the earliest. */
const EARLIEST_END_MS = 25_000;
/** How long after a fault its consequences are excused. */
const EXCUSED_MS = LEASE_MS + GRACE_MS + PING_MS + 12_000;

/** One connection of a workstation's program. */
interface Connection {
  id: string;
  station: Station;
  place: Place;
  node: SimulatedNode;
  ticket: OwnerTicket | null;
  /** The client is gone, or has given the connection up. */
  dead: boolean;
  diedAt: number;
  /** The node has seen its end. */
  ended: boolean;
  joined: boolean;
  ackedAt: number | null;
  /** Of the record when it had joined. */
  joinedAs: { generation: number; revision: number } | null;
  replaced: boolean;
}

/** A workstation, and the program that runs there: a new instance with each start. */
interface Station {
  id: string;
  channel: string;
  instance: number;
  current: Connection | null;
  /** It has ended for good. */
  over: boolean;
  stopped: boolean;
  projectIds: readonly string[];
}

/** Where a node runs. */
interface Place {
  id: string;
  node: SimulatedNode | null;
  starts: number;
  badUntil: number;
}

const FAULTS = [
  "pause",
  "crash",
  "cut",
  "storePause",
  "empty",
  "kept",
  "flush",
  "full",
  "clock",
  "rows",
  "elsewhere",
] as const;

/** Runs one schedule: nodes, clients and faults, the same for the same seed. */
export async function runSchedule(seed: number, options: WorldOptions): Promise<Result> {
  const world = new World(seed, options);
  return world.run();
}

class World {
  readonly #scheduler: Scheduler;
  readonly #store: SimulatedStore;
  readonly #rows: SimulatedRows;
  readonly #places: Place[];
  readonly #stations: Station[];
  readonly #people: People;
  readonly #connections = new Map<string, Connection>();
  readonly #projects: readonly string[];
  readonly #watched: readonly string[];
  readonly #faultsEnd: number;
  /** It ends as soon as everything is as it should be at its end. */
  readonly #mayEndEarly: boolean;
  #isOver = false;
  readonly #end: number;
  readonly #faults: (typeof FAULTS)[number][];
  readonly #timeline: string[] = [];
  readonly #told: boolean;
  #storeBadUntil = Number.NEGATIVE_INFINITY;
  #violation: string | null = null;

  constructor(seed: number, { nodes, told }: WorldOptions) {
    const random = randomOf(seed);
    // Each schedule has its own size and its own mix of faults: rare combinations come up.
    const stations = STATION_IDS.slice(random(2));
    this.#projects = PROJECT_IDS.slice(random(2));
    const channels = [...stations.map(workstationChannel), ...this.#projects.map(projectWorkstationsChannel)];
    this.#watched = [...channels, PEOPLE_CHANNEL].filter(() => random(2) === 0);
    this.#mayEndEarly = random(5) > 0;
    this.#told = told;
    this.#scheduler = new Scheduler(random);
    this.#store = new SimulatedStore(this.#scheduler, told ? (text) => this.#say(text) : null);
    this.#rows = new SimulatedRows(this.#scheduler, stations, (change, before) => this.#written(change, before));
    this.#places = Array.from({ length: nodes }, (_, index) => ({
      id: `n${index}`,
      node: null,
      starts: 0,
      badUntil: Number.NEGATIVE_INFINITY,
    }));
    this.#faultsEnd = 10_000 + random(20_000) + random(30_000);
    this.#end = this.#faultsEnd + 95_000;
    this.#faults = FAULTS.filter(() => random(100) < 50);
    this.#people = new People(random(3), {
      scheduler: this.#scheduler,
      anyNode: () => this.#anyPlace()?.node ?? null,
      isOver: () => this.#scheduler.now > this.#faultsEnd,
      say: (text) => this.#say(text),
      fail: (text) => this.#fail(text),
    });
    this.#stations = stations.map((id) => ({
      id,
      channel: workstationChannel(id),
      instance: 0,
      current: null,
      over: false,
      stopped: false,
      projectIds: this.#projects.slice(0, 1 + random(2)),
    }));
  }

  async run(): Promise<Result> {
    const { after, random } = this.#bound();
    for (const place of this.#places) this.#boot(place);
    for (const station of this.#stations) {
      after(random(3_000), () => this.#startProgram(station, station.instance));
      after(5_000 + random(10_000), () => this.#act(station));
      if (this.#scheduler.chance(0.5)) after(this.#faultsEnd - random(30_000), () => this.#endForGood(station));
    }
    after(4_000 + random(10_000), () => this.#fault());
    after(5_000, () => this.#setProjects());
    if (this.#mayEndEarly) after(this.#faultsEnd + EARLIEST_END_MS, () => this.#endEarly());
    await this.#scheduler.run(this.#end, () => this.#violation !== null || this.#isOver);
    if (!this.#violation) for (const fault of this.#faultsAtEnd()) this.#fail(fault);
    return { violation: this.#violation, steps: this.#scheduler.steps, timeline: this.#timeline };
  }

  #bound() {
    return {
      after: (ms: number, work: () => void) => this.#scheduler.after(ms, work, null),
      random: (below: number) => this.#scheduler.random(below),
    };
  }

  #say(text: string): void {
    if (this.#told) this.#timeline.push(`${(this.#scheduler.now / 1_000).toFixed(3).padStart(8)} ${text}`);
  }

  #fail(text: string): void {
    this.#say(`VIOLATION ${text}`);
    this.#violation ??= text;
  }

  // Nodes

  #boot(place: Place): void {
    place.starts += 1;
    const id = `${place.id}.${place.starts}`;
    this.#say(`${id} starts`);
    const node = new SimulatedNode(id, {
      scheduler: this.#scheduler,
      store: this.#store,
      rows: this.#rows,
      watched: this.#watched,
      events: {
        replaced: (connectionId) => this.#endedByNode(connectionId, "replaced"),
        gaveUp: (connectionId) => this.#endedByNode(connectionId, "gave up"),
      },
      say: (text) => this.#say(text),
      fail: (text) => this.#fail(text),
    });
    place.node = node;
    this.#scheduler.after(0, () => node.start(), node.life);
  }

  #crash(place: Place): void {
    const { node } = place;
    if (!node) return;
    this.#say(`${node.id} crashes`);
    node.crash();
    place.node = null;
    this.#people.crashed(node);
    place.badUntil = this.#scheduler.now + 22_000;
    for (const connection of this.#connections.values()) {
      if (connection.node !== node || connection.ended) continue;
      connection.ended = true;
      this.#toClient(connection, "lost");
    }
    this.#scheduler.after(2_000 + this.#scheduler.random(20_000), () => this.#boot(place), null);
  }

  #endedByNode(connectionId: string, how: "replaced" | "gave up"): void {
    const connection = this.#connections.get(connectionId);
    if (!connection || connection.ended) return;
    this.#say(`${connection.node.id} ends ${connectionId}: ${how}`);
    this.#endAtNode(connection, "lose");
    this.#toClient(connection, how);
  }

  /** As the hub does when a transport has closed. */
  #endAtNode(connection: Connection, how: "lose" | "leave"): void {
    if (connection.ended) return;
    connection.ended = true;
    if (!connection.joined) return;
    const { presence } = connection.node;
    const { channel } = connection.station;
    const ended =
      how === "lose" ? presence.lose(channel, connection.id) : presence.leave(channel, connection.id, "left");
    ended.catch((error: unknown) => {
      if (!(error instanceof HubError)) this.#fail(`${how} threw ${String(error)}`);
    });
  }

  #setProjects(): void {
    for (const { current } of this.#stations) {
      if (!current || current.ended || !current.joined || current.node.life.ended) continue;
      const { node, station } = current;
      const set = () => void node.presence.setProjects(station.id, station.projectIds).catch(() => undefined);
      this.#scheduler.after(1, set, node.life);
    }
    this.#scheduler.after(5_000, () => this.#setProjects(), null);
  }

  // Clients

  /** A place with a running node. */
  #anyPlace(): Place | undefined {
    const running = this.#places.filter(({ node }) => node !== null);
    return running[this.#scheduler.random(running.length)];
  }

  #startProgram(station: Station, instance: number): void {
    if (station.over || station.instance !== instance) return;
    if (station.current) this.#vanish(station.current, this.#scheduler.chance(0.6));
    station.stopped = false;
    this.#open(station);
  }

  #open(station: Station): void {
    const isOpen = station.current !== null && !station.current.dead;
    if (station.stopped || station.over || isOpen) return;
    const place = this.#anyPlace();
    const node = place?.node;
    if (!place || !node) {
      this.#scheduler.after(1_000, () => this.#open(station), null);
      return;
    }
    const connection: Connection = {
      id: `c${this.#connections.size + 1}`,
      station,
      place,
      node,
      ticket: null,
      dead: false,
      diedAt: 0,
      ended: false,
      joined: false,
      ackedAt: null,
      joinedAs: null,
      replaced: false,
    };
    this.#connections.set(connection.id, connection);
    station.current = connection;
    this.#say(`${station.id.slice(-2)} opens ${connection.id} at ${node.id}, instance ${station.instance}`);
    this.#scheduler.after(this.#network(), () => void this.#accept(connection), node.life);
    this.#scheduler.after(
      12_000,
      () => {
        if (station.current !== connection || connection.ackedAt !== null || connection.replaced || connection.dead)
          return;
        this.#vanish(connection, this.#scheduler.chance(0.5));
        this.#open(station);
      },
      null,
    );
  }

  async #accept(connection: Connection): Promise<void> {
    if (connection.ended) return;
    this.#ping(connection);
    const { node, station } = connection;
    connection.ticket = await new Promise<OwnerTicket>((resolve) => {
      setTimeout(() => resolve({ value: null, known: null }), CONNECT_LIMIT_MS);
      void node.presence.admit(station.id).then(resolve);
    });
    this.#ask(connection);
  }

  /** The client is asked to join, or asks again; if it lives. */
  #ask(connection: Connection, afterMs = 0): void {
    const { node } = connection;
    this.#scheduler.after(
      this.#network() + afterMs,
      () => {
        if (!connection.dead) this.#scheduler.after(this.#network(), () => void this.#join(connection), node.life);
      },
      null,
    );
  }

  async #join(connection: Connection): Promise<void> {
    const { node, station, ticket, id } = connection;
    if (connection.ended || !ticket) return;
    connection.joined = true;
    try {
      await node.presence.join({
        channel: station.channel,
        connectionId: id,
        key: station.channel,
        memberKey: { workstationId: station.id },
        meta: { of: id },
        workstation: {
          projectIds: station.projectIds,
          client: { ipAddress: null, userAgent: null, cliVersion: null },
          ticket,
        },
      });
      this.#say(`${node.id} joined ${id}`);
      const { generation, channels } = this.#store.state;
      connection.joinedAs = {
        generation,
        revision: channels.get(station.channel)?.records.get(station.channel)?.revision ?? 0,
      };
      this.#toClient(connection, "joined");
    } catch (error) {
      if (!(error instanceof HubError) || error.code !== "unavailable")
        return this.#fail(`a join threw ${String(error)}`);
      this.#say(`${node.id} refused ${id}: ${error.message}`);
      if (!connection.ended) this.#ask(connection, error.retryAfterMs ?? 1_000);
    }
  }

  #ping(connection: Connection): void {
    this.#scheduler.after(
      PING_MS,
      () => {
        if (connection.ended) return;
        if (connection.dead) this.#endAtNode(connection, "lose");
        else this.#ping(connection);
      },
      connection.node.life,
    );
  }

  /** `withEnd`: the node receives the end of the transport. */
  #vanish(connection: Connection, withEnd: boolean): void {
    if (connection.dead) return;
    this.#say(`${connection.id} vanishes`);
    connection.dead = true;
    connection.diedAt = this.#scheduler.now;
    const ms = 1 + (this.#scheduler.chance(0.2) ? this.#scheduler.random(3_000) : this.#scheduler.random(10));
    if (withEnd) this.#scheduler.after(ms, () => this.#endAtNode(connection, "lose"), connection.node.life);
  }

  #toClient(connection: Connection, what: "joined" | "replaced" | "gave up" | "lost"): void {
    const { station } = connection;
    this.#scheduler.after(
      1 + this.#scheduler.random(10),
      () => {
        if (connection.dead || station.current !== connection) return;
        if (what === "joined") {
          connection.ackedAt = this.#scheduler.now;
          return;
        }
        if (what === "replaced") {
          connection.replaced = true;
          return this.#fail(`${connection.id} of the newest program of ${station.id} was replaced`);
        }
        connection.dead = true;
        connection.diedAt = this.#scheduler.now;
        this.#scheduler.after(
          100 + this.#scheduler.random(3_000),
          () => {
            if (station.current === connection) this.#open(station);
          },
          null,
        );
      },
      null,
    );
  }

  /** What the workstation's user does. */
  #act(station: Station): void {
    if (this.#scheduler.now > this.#faultsEnd || station.over) return;
    const { current } = station;
    const choice = this.#scheduler.random(100);
    if (choice < 25 && current && !current.dead) {
      this.#vanish(current, this.#scheduler.chance(0.5));
      this.#scheduler.after(
        this.#scheduler.random(6_000),
        () => {
          if (station.current === current) this.#open(station);
        },
        null,
      );
    } else if (choice < 45) this.#restartProgram(station, 9_000);
    else if (choice < 55 && current && !current.dead && current.ackedAt !== null) this.#leave(station, current);
    else if (choice < 70)
      station.projectIds = this.#projects.slice(this.#scheduler.random(2), 1 + this.#scheduler.random(2));
    this.#scheduler.after(500 + this.#scheduler.random(20_000), () => this.#act(station), null);
  }

  #restartProgram(station: Station, withinMs: number): void {
    if (station.current) this.#vanish(station.current, this.#scheduler.chance(0.6));
    station.current = null;
    station.instance += 1;
    const { instance } = station;
    this.#scheduler.after(this.#scheduler.random(withinMs), () => this.#startProgram(station, instance), null);
  }

  #leave(station: Station, connection: Connection): void {
    this.#say(`${connection.id} leaves`);
    station.stopped = true;
    this.#scheduler.after(
      1 + this.#scheduler.random(10),
      () => this.#endAtNode(connection, "leave"),
      connection.node.life,
    );
    connection.dead = true;
    connection.diedAt = this.#scheduler.now;
    this.#restartProgram(station, 25_000);
  }

  #endForGood(station: Station): void {
    const { current } = station;
    this.#say(`${station.id.slice(-2)} ends for good`);
    station.over = true;
    station.current = null;
    if (!current) return;
    this.#vanish(current, this.#scheduler.chance(0.5));
    if (!this.#scheduler.chance(0.4)) return;
    const crash = () => {
      if (current.place.node === current.node) this.#crash(current.place);
    };
    this.#scheduler.after(this.#scheduler.random(8_000), crash, null);
  }

  #network(): number {
    return 1 + (this.#scheduler.chance(0.1) ? this.#scheduler.random(4_000) : this.#scheduler.random(10));
  }

  // Faults

  #fault(): void {
    const { now } = this.#scheduler;
    if (now > this.#faultsEnd || this.#faults.length === 0) return;
    const fault = this.#faults[this.#scheduler.random(this.#faults.length)];
    const place = this.#places[this.#scheduler.random(this.#places.length)];
    const long = this.#scheduler.random(30_000);
    const short = this.#scheduler.random(15_000);
    if (this.#scheduler.chance(0.5)) this.#store.keep();
    const node = place?.node;
    if (fault === "crash" && place && this.#scheduler.chance(0.7)) this.#crash(place);
    if (fault === "pause" && place && node) {
      const ms = this.#scheduler.chance(0.5) ? 2_500 + this.#scheduler.random(5_000) : long;
      this.#say(`${node.id} stands still for ${ms}`);
      node.life.pausedUntil = now + ms;
      if (ms > 4_000) place.badUntil = now + ms;
    }
    if (fault === "cut" && place && node) {
      this.#say(`${node.id} is cut off from the store for ${long}`);
      node.link.cut(long);
      place.badUntil = now + long;
    }
    if (fault === "storePause")
      this.#storeFault(`stands still for ${short}`, short, () => (this.#store.pausedUntil = now + short));
    if (fault === "full") this.#storeFault(`is full for ${short}`, short, () => (this.#store.fullUntil = now + short));
    if (fault === "empty") this.#storeFault("restarts empty", 0, () => this.#restart(false));
    if (fault === "kept" && this.#store.hasKept)
      this.#storeFault("restarts with an older state", LEASE_MS, () => this.#restart(true));
    if (fault === "flush") this.#storeFault("is flushed", 0, () => this.#store.flush());
    if (fault === "clock")
      this.#storeFault("steps back", 0, () => this.#store.stepClock(-this.#scheduler.random(3_000)));
    if (fault === "elsewhere" && this.#scheduler.chance(0.5)) {
      this.#say("the rows were written in a later generation, by hubs without this store");
      this.#rows.writtenElsewhere();
    }
    if (fault === "rows") {
      this.#say(`the rows can't be written for ${short}`);
      this.#rows.awayUntil = now + short;
      this.#storeBadUntil = Math.max(this.#storeBadUntil, now + short);
    }
    this.#scheduler.after(2_000 + this.#scheduler.random(30_000), () => this.#fault(), null);
  }

  #storeFault(what: string, ms: number, begin: () => void): void {
    this.#say(`the store ${what}`);
    begin();
    if (ms > 4_000 || ms === 0) this.#storeBadUntil = Math.max(this.#storeBadUntil, this.#scheduler.now + ms);
  }

  #restart(kept: boolean): void {
    this.#store.restart(kept);
    this.#store.stepClock(this.#scheduler.random(16_000) - 8_000);
  }

  // Checks

  #truthOf({ over, current }: Station): Connection | null {
    return over || !current || current.dead || current.replaced || current.ended ? null : current;
  }

  #isExcused(place: Place): boolean {
    return Math.max(place.badUntil, this.#storeBadUntil) > this.#scheduler.now - EXCUSED_MS;
  }

  #written({ workstationId, generation, revision, online, connectionId }: RowChange, before: Row): void {
    this.#say(
      `row ${workstationId.slice(-2)} ${online ? `online ${connectionId}` : "offline"} ${generation}:${revision % 1e10}`,
    );
    if (generation < before.generation) this.#fail(`the row of ${workstationId} fell to an older generation`);
    const station = this.#stations.find(({ id }) => id === workstationId);
    const truth = station && this.#truthOf(station);
    const isAfterJoin = truth?.ackedAt !== null && truth?.joinedAs && isNewer(truth.joinedAs, { generation, revision });
    if (!online && isAfterJoin && !this.#isExcused(truth.place))
      this.#fail(`the row of ${workstationId} says offline while ${truth.id} is connected`);
    const of = connectionId === null ? undefined : this.#connections.get(connectionId);
    const isOld = of?.dead && of.diedAt < this.#scheduler.now - (PING_MS + GRACE_MS + 20_000);
    if (online && of && isOld && !this.#places.some((place) => this.#isExcused(place)))
      this.#fail(`the row of ${workstationId} says online for ${of.id}, which is dead`);
  }

  #endEarly(): void {
    this.#isOver = this.#faultsAtEnd().next().done === true;
    this.#scheduler.after(3_000, () => this.#endEarly(), null);
  }

  /** What is not as it should be, once faults have stopped and their consequences are repaired. */
  *#faultsAtEnd(): Generator<string> {
    for (const station of this.#stations) yield* this.#faultsOf(station);
    for (const id of this.#projects) {
      const shown = this.#stations.filter((station) => this.#truthOf(station) && station.projectIds.includes(id));
      const channels = shown.map(({ channel }) => channel);
      yield* this.#faultsOfRoster(projectWorkstationsChannel(id), channels);
    }
    const people = this.#store.state.channels.get(PEOPLE_CHANNEL)?.roster ?? new Map();
    yield* this.#people.faults(people);
    yield* this.#faultsOfRoster(PEOPLE_CHANNEL, [...people.keys()]);
  }

  *#faultsOf(station: Station): Generator<string> {
    const truth = this.#truthOf(station);
    const record = this.#store.state.channels.get(station.channel)?.records.get(station.channel)?.record ?? null;
    const row = this.#rows.rows.get(station.id);
    const owner = isPresent(record) ? newestOf(record).connectionId : null;
    const expected = truth?.id ?? null;
    if (owner !== expected || (truth && record?.state.kind !== "live"))
      yield `at the end ${station.id} belongs to ${expected}, and its record says ${JSON.stringify(record)}`;
    if (row?.online !== (truth !== null) || (truth && row.connectionId !== truth.id))
      yield `at the end ${station.id} belongs to ${expected}, and its row says ${JSON.stringify(row)}`;
    yield* this.#faultsOfRoster(station.channel, truth ? [station.channel] : []);
  }

  *#faultsOfRoster(channel: string, expected: string[]): Generator<string> {
    const stored = [...(this.#store.state.channels.get(channel)?.roster.keys() ?? [])];
    if (!isSameSet(stored, expected)) yield `at the end ${channel} shows ${stored} and not ${expected}`;
    for (const { node } of this.#places) {
      const watcher = node?.watchers.find((one) => one.channel === channel);
      const watched = [...(watcher?.members?.keys() ?? [])];
      if (watcher && !isSameSet(watched, expected))
        yield `at the end ${node?.id} shows ${watched} on ${channel}, not ${expected}`;
    }
  }
}

function isSameSet(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((item) => other.includes(item));
}

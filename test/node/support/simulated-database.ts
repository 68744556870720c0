import {
  type Holder,
  NOTE_MS,
  RESERVED_MS,
  SESSION_IDLE_MS,
  type Step,
  TAKEOVERS_APART_MS,
} from "../../../hub/node/serving.ts";

/** A session in Postgres: it ends with its connection, or after `SESSION_IDLE_MS` without a query. */
export interface Session {
  id: number;
  openedAt: number;
  answeredAt: number;
  lock: "alone" | "shared" | null;
}

export interface Question {
  step: Exclude<Step, null>;
  nodeId: string;
  withRedis: boolean;
  /** The term that the hub held before it was cut off; null: none. */
  mine: number | null;
  /** Whether its request to take over was refused. */
  refused: boolean;
}

export type Answer =
  | { name: "acquired"; term: number }
  | { name: "held"; holder: Holder | null }
  | { name: "superseded" }
  | { name: "request answered"; granted: boolean }
  | { name: "proven"; successorWaits: boolean };

interface Row extends Omit<Holder, "own"> {
  term: number;
  takenOverAt: number | null;
  successor: number | null;
  /** Null: the holder released the lock. */
  provenAt: number | null;
}

/** The rules of `hub/node/serving-session.ts`, in memory and with the simulation's clock. */
export class SimulatedDatabase {
  readonly sessions = new Map<number, Session>();
  /** The time of each requested takeover. */
  readonly takeovers: number[] = [];
  row: Row | null = null;
  #next = 0;

  open(now: number): Session {
    this.#next += 1;
    const session: Session = { id: this.#next, openedAt: now, answeredAt: now, lock: null };
    this.sessions.set(session.id, session);
    return session;
  }

  /** Null: the session has ended. */
  answer(id: number, question: Question, now: number): Answer | null {
    this.endIdle(now);
    const session = this.sessions.get(id);
    if (!session) return null;
    session.answeredAt = now;
    if (question.step === "acquire") return this.#acquire(session, question, now);
    if (question.step === "request") return this.#request(session, now);
    return { name: "proven", successorWaits: this.#prove(question, now) };
  }

  /** The session records the release of the lock, and ends. */
  release(id: number, mine: number | null): void {
    if (this.sessions.delete(id) && this.row && this.row.term === mine) this.row.provenAt = null;
  }

  #prove({ mine }: Question, now: number): boolean {
    const { row } = this;
    if (!row) return false;
    const lives = row.successor !== null && this.sessions.has(row.successor);
    if (!lives) row.successor = null;
    if (row.term === mine && (row.provenAt === null || now - row.provenAt > NOTE_MS)) row.provenAt = now;
    return lives;
  }

  /** Whether a hub that never served may follow the holder in the row. */
  #isOpen(row: Row, session: Session, { nodeId, withRedis, refused }: Question, now: number): boolean {
    if (row.provenAt === null || row.nodeId === nodeId || row.successor === session.id) return true;
    if (row.withRedis ? withRedis : !refused) return true;
    return now - Math.max(row.provenAt, session.openedAt) >= RESERVED_MS;
  }

  endIdle(now: number): void {
    for (const { id, answeredAt } of this.sessions.values())
      if (now - answeredAt >= SESSION_IDLE_MS) this.sessions.delete(id);
  }

  #acquire(session: Session, question: Question, now: number): Answer {
    const { nodeId, withRedis, mine, refused } = question;
    const others = [...this.sessions.values()].filter(({ id, lock }) => id !== session.id && lock !== null);
    const free = withRedis ? others.every(({ lock }) => lock === "shared") : others.length === 0;
    const own = this.row?.nodeId === nodeId || (withRedis && this.row?.withRedis === true && this.row.term === mine);
    const reserved = mine === null && this.row !== null && !this.#isOpen(this.row, session, question, now);
    if (!free || reserved) return { name: "held", holder: this.row && { ...this.row, own } };
    if (mine !== null && !own) return { name: "superseded" };
    session.lock = withRedis ? "shared" : "alone";
    if (withRedis && this.row?.withRedis) return { name: "acquired", term: this.row.term };
    const { row } = this;
    const late = refused && row !== null && row.provenAt !== null;
    const takeover = row !== null && row.nodeId !== nodeId && (row.successor !== null || late);
    if (takeover) this.takeovers.push(now);
    const takenOverAt = takeover ? now : (this.row?.takenOverAt ?? null);
    this.row = { nodeId, withRedis, term: (this.row?.term ?? 0) + 1, takenOverAt, successor: null, provenAt: now };
    return { name: "acquired", term: this.row.term };
  }

  #request(session: Session, now: number): Answer {
    const last = this.row?.takenOverAt ?? null;
    const granted = this.row !== null && !this.row.withRedis && (last === null || now - last >= TAKEOVERS_APART_MS);
    if (granted && this.row) this.row.successor = session.id;
    return { name: "request answered", granted };
  }
}

/** A place in a channel's messages. Epochs end when data is lost. */
export interface Position {
  epoch: string;
  offset: number;
}

/** A numbered message; an ephemeral one has the number of the message before it. */
export interface Numbered {
  offset: number;
  ephemeral: boolean;
}

/** The channel after a position: `messages` is null if not all of them are available. */
export interface Tail<Message extends Numbered> extends Position {
  messages: Message[] | null;
}

export interface ChannelFollowerOptions<Message extends Numbered, Read extends Tail<Message>> {
  /** Reads what follows `position`; null: reads only the current position. */
  read(position: Position | null): Promise<Read>;
  /** The next message. */
  deliver(message: Message): void;
  /** It continues at the tail's position: for the first time, or because messages before it are lost. */
  reset(tail: Read, isFirst: boolean): void;
  /** Called for messages that can't belong to the channel. */
  onForeign(): void;
}

interface Held<Message> {
  message: Message & Position;
  /** Whether the channel was read after the message arrived: then what was read decides. */
  judged: boolean;
}

/** A channel that can't be read is read again after the first, and at last after the second. */
const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 4_000;
/** How long to wait for expected messages before the channel is read. */
const PATIENCE_MS = 50;
/** The number of messages kept during a read; further ones are read. */
const MAX_HELD = 1_000;

/**
 * Follows one channel by messages that may be lost, and proves that it saw every offset: a message out of order makes it
 * read the missing ones. If they are not all available, it is reset to the newest position.
 */
export class ChannelFollower<Message extends Numbered, Read extends Tail<Message> = Tail<Message>> {
  readonly #options: ChannelFollowerOptions<Message, Read>;
  #cursor: Position | null = null;
  #held: Held<Message>[] = [];
  #reading = false;
  /** The channel must be read once more: events may have followed the read in progress. */
  #again = false;
  #ended = false;
  #retry: NodeJS.Timeout | null = null;
  #retryMs = FIRST_RETRY_MS;
  #waiting: { position: Position | null; resolve(): void; reject(error: unknown): void }[] = [];

  constructor(options: ChannelFollowerOptions<Message, Read>) {
    this.#options = options;
  }

  /** Receives a message, and delivers it in this turn if it is the next one. */
  message(message: Message & Position): void {
    if (this.#reading || !this.#cursor) this.#hold({ message, judged: false });
    else if (!this.#take(message, this.#cursor)) {
      this.#hold({ message, judged: false });
      this.catchUp();
    }
  }

  /** Messages may have been missed until now. */
  catchUp(): void {
    if (this.#ended) return;
    if (this.#retry) this.#readNow();
    else if (this.#reading) this.#again = true;
    else void this.#read();
  }

  /** Resolves when a position is known after which nothing is missed; rejects if the channel can't be read. */
  ready(): Promise<void> {
    return this.#cursor ? Promise.resolve() : this.#wait(null);
  }

  /** Resolves when everything up to `position` was delivered, or it was reset. Throws if the channel can't be read. */
  async reach(position: Position): Promise<void> {
    if (this.#reached(position)) return;
    const timer = setTimeout(() => this.catchUp(), this.#cursor?.epoch === position.epoch ? PATIENCE_MS : 0);
    await this.#wait(position).finally(() => clearTimeout(timer));
  }

  end(): void {
    this.#ended = true;
    if (this.#retry) clearTimeout(this.#retry);
    this.#held = [];
    // Nothing is delivered any more, so there is nothing left to wait for.
    for (const { resolve } of this.#waiting.splice(0)) resolve();
  }

  #wait(position: Position | null): Promise<void> {
    // Somebody waits: it is read now, not at its next attempt.
    if (this.#retry) this.#readNow();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ position, resolve, reject });
    });
  }

  #reached(position: Position | null): boolean {
    if (!this.#cursor) return false;
    return position === null || (this.#cursor.epoch === position.epoch && this.#cursor.offset >= position.offset);
  }

  /** Delivers the message or skips it; false if messages before it are missing. */
  #take(message: Message & Position, cursor: Position): boolean {
    const { epoch, offset, ephemeral } = message;
    const next = ephemeral ? cursor.offset : cursor.offset + 1;
    if (epoch !== cursor.epoch || offset > next) return false;
    // Older ones were read already; an older ephemeral one would be out of order.
    if (offset === next) this.#deliver(message, { epoch, offset });
    return true;
  }

  #deliver(message: Message, cursor: Position): void {
    this.#cursor = cursor;
    this.#options.deliver(message);
    if (this.#waiting.length > 0) this.#release();
  }

  #hold(held: Held<Message>): void {
    if (this.#held.length >= MAX_HELD) {
      this.#held = [];
      this.#again = true;
    }
    this.#held.push(held);
  }

  #readNow(): void {
    if (this.#retry) clearTimeout(this.#retry);
    this.#retry = null;
    void this.#read();
  }

  async #read(): Promise<void> {
    this.#reading = true;
    this.#again = false;
    for (const held of this.#held) held.judged = true;
    try {
      this.#apply(await this.#options.read(this.#cursor));
      this.#retryMs = FIRST_RETRY_MS;
      this.#reading = false;
    } catch (error) {
      this.#failed(error);
      return;
    }
    this.#resume();
  }

  /** Processes the messages that arrived during the read. */
  #resume(): void {
    const held = this.#held;
    this.#held = [];
    for (const { message, judged } of held) {
      if (this.#reading || !this.#cursor) this.#hold({ message, judged });
      else if (this.#take(message, this.#cursor)) continue;
      else if (judged) this.#judge(message, this.#cursor);
      else {
        this.#hold({ message, judged });
        this.#again = true;
      }
    }
    this.#release();
    if (this.#again) this.catchUp();
  }

  /** An epoch other than the channel's is a past one. An offset that it does not have was never published. */
  #judge({ epoch }: Position, cursor: Position): void {
    if (epoch === cursor.epoch) this.#options.onForeign();
  }

  #failed(error: unknown): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error);
    if (this.#ended) return;
    this.#retry = setTimeout(() => this.#readNow(), this.#retryMs).unref();
    this.#retryMs = Math.min(2 * this.#retryMs, LAST_RETRY_MS);
  }

  #apply(tail: Read): void {
    if (this.#ended) return;
    const { epoch, offset, messages } = tail;
    const isFirst = this.#cursor === null;
    if (this.#cursor?.epoch === epoch) this.#deliverKept(this.#cursor);
    for (const message of messages ?? []) {
      const cursor = { epoch, offset: message.offset };
      this.#deliver(message, cursor);
      this.#deliverKept(cursor);
    }
    this.#cursor = { epoch, offset };
    if (!messages) this.#options.reset(tail, isFirst);
    // What waited for another epoch was reset.
    this.#release(epoch);
  }

  /** Delivers the ephemeral messages at `cursor` that arrived during the read. */
  #deliverKept(cursor: Position): void {
    const due = this.#held.filter(({ message }) => {
      return message.ephemeral && message.epoch === cursor.epoch && message.offset === cursor.offset;
    });
    if (due.length === 0) return;
    this.#held = this.#held.filter((held) => !due.includes(held));
    for (const { message } of due) this.#deliver(message, cursor);
  }

  #release(epoch?: string): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const waiter of waiting) {
      const gone = epoch !== undefined && waiter.position !== null && waiter.position.epoch !== epoch;
      if (gone || this.#reached(waiter.position)) waiter.resolve();
      else this.#waiting.push(waiter);
    }
  }
}

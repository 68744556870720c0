import { SingleBar } from "cli-progress";
import type { Output } from "./output.ts";

/** A progress bar on stderr, if it is a terminal. */
export class Progress {
  readonly #bar: SingleBar | null;

  constructor(title: string, total: number, { mode, isQuiet }: Output) {
    const isSeen = process.stderr.isTTY === true && mode !== "json" && !isQuiet;
    const format = `${title.padEnd(24)} {bar} {value}/{total}`;
    this.#bar = isSeen
      ? new SingleBar({
          format,
          stream: process.stderr,
          hideCursor: true,
          clearOnComplete: true,
          barCompleteChar: "█",
          barIncompleteChar: "░",
          gracefulExit: false,
        })
      : null;
    this.#bar?.start(total, 0);
    if (this.#bar) process.on("exit", this.#restore);
  }

  to(value: number): void {
    this.#bar?.update(value);
  }

  step(): void {
    this.#bar?.increment();
  }

  /** Removes the bar. */
  end(): void {
    this.#bar?.stop();
    process.off("exit", this.#restore);
  }

  /** Restores the cursor, also when a second Ctrl-C exits immediately. */
  readonly #restore = (): void => {
    this.#bar?.stop();
  };
}

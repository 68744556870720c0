import { SingleBar } from "cli-progress";
import type { Output } from "./output.ts";

/** A bar on stderr for long work, where somebody sits there. */
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

  /** Takes the bar away. */
  end(): void {
    this.#bar?.stop();
    process.off("exit", this.#restore);
  }

  /** A second Ctrl-C ends the program where it stands: the cursor comes back all the same. */
  readonly #restore = (): void => {
    this.#bar?.stop();
  };
}

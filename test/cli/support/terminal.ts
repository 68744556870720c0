import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "../../support/until.ts";
import { CLI_COMMAND, type Cli, withCli } from "./cli.ts";

const WAIT_MS = 15_000;

/** A bash in a terminal, in which `monster-realtime` is a command: its input and its screen. */
export class Terminal {
  readonly #socket: string;
  readonly #env: Record<string, string>;

  constructor({ home, env }: Cli) {
    const bin = join(home, "bin");
    mkdirSync(bin, { recursive: true });
    const command = CLI_COMMAND.map((word) => `'${word}'`).join(" ");
    writeFileSync(join(bin, "monster-realtime"), `#!/bin/sh\nexec ${command} "$@"\n`, { mode: 0o755 });
    this.#socket = join(home, "tmux");
    // Without a history file: a bash that is hung up would write it into a folder that is being removed.
    const quiet = { HISTFILE: "/dev/null", PS1: "> ", LANG: "C.UTF-8" };
    this.#env = { ...env, ...quiet, PATH: `${bin}:${env.PATH}` };
    this.#tmux("-f", "/dev/null", "new-session", "-d", "-x", "150", "-y", "24", "bash", "--norc", "--noprofile");
  }

  /** Types the text and Enter. */
  type(text: string): void {
    this.#tmux("send-keys", "-l", text);
    this.press("Enter");
  }

  /** Types only the text. */
  typeOnly(text: string): void {
    this.#tmux("send-keys", "-l", text);
  }

  /** A key by tmux's name: `C-c`, `Tab`, `Enter`. */
  press(key: string): void {
    this.#tmux("send-keys", key);
  }

  resize(columns: number, rows: number): void {
    this.#tmux("resize-window", "-x", String(columns), "-y", String(rows));
  }

  /** The text on the screen; with `colors` including the escape sequences. */
  screen({ colors = false }: { colors?: boolean } = {}): string {
    return this.#tmux("capture-pane", "-p", ...(colors ? ["-e"] : [])).trimEnd();
  }

  /** Resolves with the screen once it matches. */
  async shows(pattern: RegExp): Promise<string> {
    await until(`the terminal shows ${pattern}`, () => pattern.test(this.screen()), WAIT_MS).catch((cause: unknown) => {
      throw new Error(`The terminal does not show ${pattern}:\n${this.screen()}`, { cause });
    });
    return this.screen();
  }

  /** Resolves once the shell waits for the next command. Earlier input would go to the program that is ending. */
  async prompted(): Promise<void> {
    await this.shows(/(?:^|\n)>$/);
  }

  /** Resolves with an empty screen at the shell's prompt: all later output is new. */
  async clear(): Promise<void> {
    await this.prompted();
    this.type("clear");
    await this.shows(/^>$/);
  }

  /** Resolves when the terminal has ended: its socket is in the folder that is removed next. */
  async close(): Promise<void> {
    const pid = this.#tmux("display-message", "-p", "#{pid}").trim();
    this.#tmux("kill-server");
    await until("the terminal ended", () => !existsSync(`/proc/${pid}`), WAIT_MS);
  }

  #tmux(...args: string[]): string {
    const { stdout } = spawnSync("tmux", ["-S", this.#socket, ...args], { env: this.#env, encoding: "utf8" });
    return stdout;
  }
}

export function withTerminal(env: Record<string, string>, body: (terminal: Terminal) => Promise<void>): Promise<void> {
  return withCli(env, async (cli) => {
    const terminal = new Terminal(cli);
    try {
      await body(terminal);
    } finally {
      await terminal.close();
    }
  });
}

import { join } from "node:path";
import { build } from "esbuild";
import type { Page, WebSocketRoute } from "playwright-core";
import { equal } from "uvu/assert";
import { faultsOf, withBrowser } from "../../support/browser.ts";
import { type TestHub, withHub } from "../../support/hub.ts";
import { until } from "../../support/until.ts";
import type { Part } from "./parts.tsx";
import type { Stage } from "./stage-page.tsx";

type StageCall = { [Name in keyof Stage]: [name: Name, ...args: Parameters<Stage[Name]>] }[keyof Stage];

/** The network between the page and the hub: tests read it, hold frames, and interrupt it. */
export class Wire {
  readonly #sockets = new Set<WebSocketRoute>();
  readonly #sent: string[] = [];
  #held: { frame: string; pass(): void }[] = [];
  #holds: (frame: string) => boolean = () => false;
  #isAway = false;

  async watch(page: Page): Promise<void> {
    await page.routeWebSocket(/socket\.io/, (near) => {
      if (this.#isAway) return void near.close();
      const far = near.connectToServer();
      this.#sockets.add(near);
      near.onMessage((frame) => {
        this.#sent.push(String(frame));
        far.send(frame);
      });
      far.onMessage((frame) => this.#receive(near, frame));
    });
  }

  /** The arguments of the page's requests with this name, as sent. */
  sent(request: string): unknown[] {
    const frames = this.#sent.map((frame) => /^42\d*(\[.*)$/s.exec(frame)?.[1]).filter((json) => json !== undefined);
    return frames
      .map((json) => JSON.parse(json) as [string, unknown])
      .flatMap(([name, argument]) => (name === request ? [argument] : []));
  }

  /** Holds the hub's frames for which `holds` returns true, until `release`. */
  hold(holds: (frame: string) => boolean): void {
    this.#holds = holds;
  }

  get heldFrames(): readonly string[] {
    return this.#held.map(({ frame }) => frame);
  }

  /** Passes the held frames on, newest first with `reversed`. */
  release({ reversed = false } = {}): void {
    this.#holds = () => false;
    const held = reversed ? this.#held.reverse() : this.#held;
    this.#held = [];
    for (const { pass } of held) pass();
  }

  /** Ends all connections, and blocks new ones until `comeBack`. */
  async goAway(): Promise<void> {
    this.#isAway = true;
    await this.cut();
  }

  comeBack(): void {
    this.#isAway = false;
  }

  /** Ends all connections; new ones are allowed. */
  async cut(): Promise<void> {
    const sockets = [...this.#sockets];
    this.#sockets.clear();
    await Promise.all(sockets.map((near) => near.close({ code: 1001 })));
  }

  #receive(near: WebSocketRoute, frame: string | Buffer): void {
    if (this.#holds(String(frame))) this.#held.push({ frame: String(frame), pass: () => near.send(frame) });
    else near.send(frame);
  }
}

/** Components in a real page, connected to a real hub. */
export interface OnStage {
  hub: TestHub;
  wire: Wire;
  show(...parts: Part[]): Promise<void>;
  seen(name: string): Promise<unknown[]>;
  /** Waits until the newest view of a part equals this one. */
  shows(name: string, view: unknown): Promise<void>;
  call(name: string, method: string, ...args: unknown[]): Promise<unknown>;
  run<Result>(...call: StageCall): Promise<Result>;
}

const matches = (view: unknown, wanted: unknown): boolean => {
  if (typeof wanted !== "object" || wanted === null || Array.isArray(wanted))
    return JSON.stringify(view) === JSON.stringify(wanted);
  return Object.entries(wanted).every(([key, value]) =>
    matches((view as Record<string, unknown> | null)?.[key], value),
  );
};

/** Runs `body` with an empty stage, connected as the owner. Errors of React or the page fail the test. */
export async function withStage(
  body: (stage: OnStage) => Promise<void>,
  env: Record<string, string> = {},
): Promise<void> {
  await withHub({ env }, (hub) =>
    withBrowser(async (browser) => {
      const page = await browser.newPage({ bypassCSP: true });
      const faults = faultsOf(page);
      const wire = new Wire();
      await wire.watch(page);
      await openStage(page, hub);
      await page.evaluate((token) => (globalThis as unknown as { stage: Stage }).stage.connect(token), hub.userToken);
      await body(onStage(page, hub, wire));
      equal(faults, []);
    }),
  );
}

/** An empty page at the hub's own origin. */
async function openStage(page: Page, hub: TestHub): Promise<void> {
  await page.route("**/favicon.ico", (route) => route.fulfill({ status: 204 }));
  await page.goto(`${hub.url}/healthz`);
  await page.addScriptTag({ content: await stageScript(), type: "module" });
  await page.waitForFunction("globalThis.stage");
}

function onStage(page: Page, hub: TestHub, wire: Wire): OnStage {
  const run = <Result>(...[name, ...args]: StageCall) =>
    page.evaluate(
      ([name, args]) =>
        (globalThis as unknown as { stage: Record<string, (...given: unknown[]) => unknown> }).stage[name]?.(...args),
      [name, args as unknown[]] as const,
    ) as Promise<Result>;
  const seen = (name: string) => run<unknown[]>("seen", name);
  return {
    hub,
    wire,
    run,
    seen,
    async show(...parts) {
      await run("show", parts);
    },
    async shows(name, view) {
      let newest: unknown;
      await until(`${name} shows ${JSON.stringify(view)}`, async () => {
        newest = (await seen(name)).at(-1);
        return matches(newest, view);
      }).catch((cause: unknown) => {
        throw new Error(`${name} shows ${JSON.stringify(newest)}, not ${JSON.stringify(view)}`, { cause });
      });
    },
    call: (name, method, ...args) => run("call", name, method, args),
  };
}

let script: Promise<string> | null = null;

/** React in development mode: StrictMode mounts everything twice, and warnings are reported. */
function stageScript(): Promise<string> {
  script ??= build({
    entryPoints: [join(import.meta.dirname, "stage-page.tsx")],
    bundle: true,
    write: false,
    format: "esm",
    jsx: "automatic",
    define: { "process.env.NODE_ENV": '"development"' },
  }).then(({ outputFiles }) => outputFiles[0]?.text ?? "");
  return script;
}

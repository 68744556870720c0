import { type Client, createClient } from "@monster-realtime/client";
import { MonsterRealtimeProvider } from "@monster-realtime/client/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Crowd } from "./crowd.tsx";
import { PARTS, type Part } from "./parts.tsx";
import { Seen } from "./seen.ts";

/** The functions of the test page that shows components. */
export interface Stage {
  connect(token: string): void;
  /** Shows only these parts, in StrictMode: mounted, unmounted, mounted. */
  show(parts: readonly Part[]): void;
  /** Unmounts everything for a moment, like a change of the route. */
  blink(parts: readonly Part[]): Promise<void>;
  /** The views that a part showed, in the order of its commits. */
  seen(name: string): unknown[];
  call(name: string, method: string, args: readonly unknown[]): unknown;
  /** Shows `count` parts that render slowly and separately; all read the same channel. */
  crowd(channel: string, count: number): void;
  /** States of the channel that were shown at the same time. */
  torn(): string[];
  /** The number of renders of the crowd. */
  generation(): number;
  /** The text that all of the crowd show. */
  crowdText(): string;
}

const BLINK_MS = 100;

function createStage(): Stage {
  const root = createRoot(document.body);
  const seen = new Seen();
  let client: Client | null = null;
  const torn: string[] = [];
  const render = (what: React.ReactNode) => {
    if (!client) throw new Error("connect first");
    root.render(
      <StrictMode>
        <MonsterRealtimeProvider client={client}>{what}</MonsterRealtimeProvider>
      </StrictMode>,
    );
  };
  const show = (parts: readonly Part[]) =>
    render(
      parts.map((part) => {
        const Shown = PARTS[part.kind];
        return <Shown key={part.name} part={part} seen={seen} />;
      }),
    );
  return {
    connect(token) {
      // A socket closed before it was open emits no event to the page: the attempt ends by its timeout.
      client = createClient({ url: location.origin, token, reconnectMaxDelayMs: 200, connectTimeoutMs: 1_500 });
      client.on("error", () => undefined);
      client.connect().catch(() => undefined);
    },
    show,
    async blink(parts) {
      show([]);
      await new Promise((resolve) => setTimeout(resolve, BLINK_MS));
      show(parts);
    },
    seen: (name) => seen.of(name),
    call: (name, method, args) => seen.call(name, method, args),
    crowd: (channel, count) => render(<Crowd channel={channel} count={count} onTear={(texts) => torn.push(texts)} />),
    torn: () => torn,
    generation: () => Number(document.querySelector<HTMLElement>("#crowd")?.dataset.generation ?? 0),
    crowdText: () => document.querySelector("#crowd p")?.textContent ?? "",
  };
}

Object.assign(globalThis, { stage: createStage() });

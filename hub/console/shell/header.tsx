import { useConnection } from "@monster-realtime/client/react";
import { useEffect, useState } from "react";
import { useLatencyMs } from "./latency.ts";
import { useOrganization } from "./organization.tsx";
import { PrincipalName } from "./principal.tsx";
import { hashOf, useRoute } from "./route.ts";
import { describeConnection, sentenceOf } from "./sentences.ts";
import { useTheme } from "./theme.ts";

/** A view as the navigation shows it. */
export interface NavigationEntry {
  /** Its name in the address: `#/<id>/<argument>`. */
  id: string;
  title: string;
}

export function Header({ views, onSignOut }: { views: readonly NavigationEntry[]; onSignOut(): void }) {
  const route = useRoute();
  return (
    <header className="top">
      <p className="brand">Monster Realtime</p>
      <nav aria-label="Views">
        {views.map(({ id, title }) => (
          <a key={id} href={hashOf({ view: id, argument: null })} aria-current={route.view === id ? "page" : undefined}>
            {title}
          </a>
        ))}
      </nav>
      <div className="top-right">
        <OrganizationChoice />
        <PrincipalName />
        <ConnectionStatus />
        <ThemeButton />
        <button type="button" className="plain" onClick={onSignOut}>
          Sign out
        </button>
      </div>
    </header>
  );
}

function OrganizationChoice() {
  const { organization, organizations, choose } = useOrganization();
  if (organizations.length < 2) return <span className="organization">{organization.name}</span>;
  return (
    <select aria-label="Organization" value={organization.id} onChange={(event) => choose(event.target.value)}>
      {organizations.map(({ id, name }) => (
        <option key={id} value={id}>
          {name}
        </option>
      ))}
    </select>
  );
}

/** The state and latency of the connection, always visible. */
export function ConnectionStatus() {
  const { state, welcome } = useConnection();
  const latencyMs = useLatencyMs();
  const retrySeconds = useCountdown(state.name === "waiting" ? state.delayMs : null, state);
  const node = welcome ? `to ${welcome.nodeId}` : "";
  const why = state.name === "waiting" ? sentenceOf(state.error) : "";
  return (
    <p id="connection" role="status" aria-live="polite" data-state={state.name} title={why || node}>
      {describeConnection(state)}
      {/* Hidden from screen readers, which would read it every second. */}
      {retrySeconds !== null && <span aria-hidden="true">, again in {retrySeconds} s</span>}
      <span className="latency" aria-hidden="true">
        {latencyMs === null ? "" : `${latencyMs < 10 ? latencyMs.toFixed(1) : Math.round(latencyMs)} ms`}
      </span>
    </p>
  );
}

/** The remaining whole seconds. Restarts with each new `beginning`. */
function useCountdown(delayMs: number | null, beginning: unknown): number | null {
  const [left, setLeft] = useState<number | null>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: two waits of one length are two countdowns.
  useEffect(() => {
    if (delayMs === null) {
      setLeft(null);
      return;
    }
    const until = performance.now() + delayMs;
    const show = () => setLeft(Math.max(0, Math.ceil((until - performance.now()) / 1_000)));
    show();
    const timer = setInterval(show, 250);
    return () => clearInterval(timer);
  }, [delayMs, beginning]);
  return left;
}

const THEME_NAMES = { system: "system", light: "light", dark: "dark" } as const;

function ThemeButton() {
  const [theme, step] = useTheme();
  return (
    <button type="button" className="plain" onClick={step} title={`Theme: ${THEME_NAMES[theme]}`}>
      <span aria-hidden="true">{theme === "light" ? "☀" : theme === "dark" ? "☾" : "◐"}</span>
      <span className="for-readers">Theme: {THEME_NAMES[theme]}</span>
    </button>
  );
}

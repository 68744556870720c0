import { useSyncExternalStore } from "react";

/** Where the person is: `#/<view>/<argument>`. */
export interface Route {
  view: string;
  /** What of the view: a project, a channel; null: its beginning. */
  argument: string | null;
}

export const HOME: Route = { view: "workstations", argument: null };

/** The route that a hash names; the home where it names none. */
export function parseRoute(hash: string): Route {
  const [, view, argument] = /^#\/([a-z-]+)(?:\/(.+))?$/.exec(hash) ?? [];
  if (view === undefined) return HOME;
  return { view, argument: argument === undefined ? null : decoded(argument) };
}

export function hashOf({ view, argument }: Route): string {
  return argument === null ? `#/${view}` : `#/${view}/${encodeURIComponent(argument)}`;
}

/** Goes there, as a click on a link does. */
export function go(route: Route): void {
  location.hash = hashOf(route);
}

export function useRoute(): Route {
  const hash = useSyncExternalStore(onHashChange, () => location.hash);
  return parseRoute(hash);
}

/** Calls `changed` whenever the hash is another one, until the returned function is called. */
export function onHashChange(changed: () => void): () => void {
  addEventListener("hashchange", changed);
  return () => removeEventListener("hashchange", changed);
}

/** Typed by hand it may be no URI. */
function decoded(argument: string): string {
  try {
    return decodeURIComponent(argument);
  } catch {
    return argument;
  }
}

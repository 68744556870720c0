import { useSyncExternalStore } from "react";

/** The current page of the console: `#/<view>/<argument>`. */
export interface Route {
  view: string;
  /** The view's argument, such as a project or a channel; null: none. */
  argument: string | null;
}

export const HOME: Route = { view: "workstations", argument: null };

/** Parses a hash. Returns the home route if it is invalid. */
export function parseRoute(hash: string): Route {
  const [, view, argument] = /^#\/([a-z-]+)(?:\/(.+))?$/.exec(hash) ?? [];
  if (view === undefined) return HOME;
  return { view, argument: argument === undefined ? null : decoded(argument) };
}

export function hashOf({ view, argument }: Route): string {
  return argument === null ? `#/${view}` : `#/${view}/${encodeURIComponent(argument)}`;
}

/** Navigates to a route, like a click on a link. */
export function go(route: Route): void {
  location.hash = hashOf(route);
}

export function useRoute(): Route {
  const hash = useSyncExternalStore(onHashChange, () => location.hash);
  return parseRoute(hash);
}

/** Calls `changed` whenever the hash changes, until the returned function is called. */
export function onHashChange(changed: () => void): () => void {
  addEventListener("hashchange", changed);
  return () => removeEventListener("hashchange", changed);
}

/** Decodes an argument; returns it unchanged if it is invalid, for example typed by hand. */
function decoded(argument: string): string {
  try {
    return decodeURIComponent(argument);
  } catch {
    return argument;
  }
}

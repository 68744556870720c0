import { useCallback, useEffect, useMemo, useSyncExternalStore } from "react";
import type { Client } from "../client/client.ts";
import { backoffDelayMs } from "../kernel/backoff.ts";
import { asRealtimeError, type RealtimeError } from "../kernel/errors.ts";
import { Timer } from "../kernel/timer.ts";
import type { Channel, Publication, RpcMethod, RpcParams, RpcResult } from "../protocol/index.ts";
import { type ChannelStore, channelStore } from "./channel-store.ts";
import { useClient } from "./provider.ts";

/** When to call the method, and when to call it again. */
export interface UseRpcOptions {
  /** False: the method is not called, and the current data stays. */
  enabled?: boolean;
  /** Calls again at each publication on this channel (of these types), and when some were lost. */
  refreshOn?: { channel: Channel; types?: readonly string[] } | null;
}

/** The current state of a call. */
export interface RpcView<Result> {
  /** The newest result; null before the first. It stays while a newer call runs, and if that fails. */
  data: Result | null;
  /** Why the last call failed; null if it succeeded. */
  error: RealtimeError | null;
  isLoading: boolean;
  /** Whether `data` may be outdated: the connection was lost, or the last call failed. */
  isStale: boolean;
  refresh(): void;
}

type Snapshot = Omit<RpcView<unknown>, "refresh">;
const UNASKED: Snapshot = { data: null, error: null, isLoading: false, isStale: false };
const FIRST_ASKED: Snapshot = { ...UNASKED, isLoading: true };
/** Delays between calls that failed temporarily. The error is shown during the delay. */
const RETRY = { baseDelayMs: 2_000, maxDelayMs: 30_000, random: Math.random };

/** One call and its newest result. Calls again when the client reconnects, and after temporary failures. */
class RpcStore {
  snapshot: Snapshot = UNASKED;
  readonly #client: Client;
  readonly #method: RpcMethod;
  readonly #params: unknown;
  readonly #listeners = new Set<{ call: () => void }>();
  readonly #retry = new Timer();
  #abort: AbortController | null = null;
  #again = false;
  #isWanted = false;
  #failures = 0;

  constructor(client: Client, method: RpcMethod, params: unknown) {
    this.#client = client;
    this.#method = method;
    this.#params = params;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    const entry = { call: listener };
    this.#listeners.add(entry);
    const stop = this.#client.on("state", (state, previous) => {
      if (previous.name === "connected") this.#show({ isStale: this.snapshot.data !== null });
      if (state.name === "connected" && this.#isWanted && this.#needsAnswer) this.refresh();
    });
    return () => {
      stop();
      this.#listeners.delete(entry);
      if (this.#listeners.size > 0) return;
      this.#abort?.abort();
      this.#abort = null;
      this.#again = false;
    };
  };

  /** Calls the method, and again when needed, until the returned function is called. */
  want(): () => void {
    this.#isWanted = true;
    this.refresh();
    return () => {
      this.#isWanted = false;
      this.#retry.clear();
    };
  }

  /** One call at a time: requests during a call cause one more call after it. */
  readonly refresh = (): void => {
    if (this.#abort) {
      this.#again = true;
      return;
    }
    this.#retry.clear();
    const abort = new AbortController();
    this.#abort = abort;
    this.#show({ isLoading: true });
    this.#client
      .rpc(this.#method, this.#params as RpcParams<RpcMethod>, { signal: abort.signal })
      .then(
        (data): Partial<Snapshot> => ({ data, error: null, isStale: false }),
        (thrown: unknown): Partial<Snapshot> => ({
          error: asRealtimeError(thrown),
          isStale: this.snapshot.data !== null,
        }),
      )
      .then((outcome) => this.#settle(abort, outcome));
  };

  get #needsAnswer(): boolean {
    return this.snapshot.isStale || (this.snapshot.error?.temporary ?? false);
  }

  #settle(abort: AbortController, outcome: Partial<Snapshot>): void {
    if (this.#abort !== abort) return;
    this.#abort = null;
    this.#show({ ...outcome, isLoading: false });
    this.#failures = outcome.error ? this.#failures + 1 : 0;
    if (this.#again) {
      this.#again = false;
      this.refresh();
    } else if (outcome.error?.temporary) this.#tryLater(outcome.error);
  }

  /** Without a connection it does not retry: the reconnect calls again. */
  #tryLater({ retryAfterMs }: RealtimeError): void {
    if (!this.#isWanted || this.#client.state.name !== "connected") return;
    const delayMs = (retryAfterMs ?? 0) + backoffDelayMs(this.#failures - 1, RETRY);
    this.#retry.set(delayMs, this.refresh);
  }

  #show(change: Partial<Snapshot>): void {
    this.snapshot = { ...this.snapshot, ...change };
    for (const { call } of [...this.#listeners]) call();
  }
}

/**
 * Calls a method that reads, and shows its newest result. With `params: null` it does not call. New params start over,
 * and late results for old params are never shown. Calls again after each reconnect, and after temporary failures.
 */
export function useRpc<Method extends RpcMethod>(
  method: Method,
  params: RpcParams<Method> | null,
  { enabled = true, refreshOn = null }: UseRpcOptions = {},
): RpcView<RpcResult<Method>> {
  const client = useClient();
  const asked = params === null ? null : JSON.stringify(params);
  const store = useMemo(
    () => (asked === null ? null : new RpcStore(client, method, JSON.parse(asked))),
    [client, method, asked],
  );
  const subscribe = useCallback((changed: () => void) => store?.subscribe(changed) ?? (() => undefined), [store]);
  const snapshot = useSyncExternalStore(
    subscribe,
    () => store?.snapshot ?? UNASKED,
    () => UNASKED,
  );
  useEffect(() => (enabled ? store?.want() : undefined), [store, enabled]);
  useRefreshOn(client, enabled ? refreshOn : null, store);
  const refresh = useCallback(() => store?.refresh(), [store]);
  const shown = snapshot === UNASKED && store && enabled ? FIRST_ASKED : snapshot;
  return { ...(shown as Omit<RpcView<RpcResult<Method>>, "refresh">), refresh };
}

function useRefreshOn(client: Client, refreshOn: UseRpcOptions["refreshOn"], store: RpcStore | null): void {
  const channel = refreshOn?.channel ?? null;
  const types = refreshOn?.types?.join(" ") ?? null;
  useEffect(() => {
    if (channel === null || !store) return;
    const wanted = (publication: Publication) => types === null || types.split(" ").includes(publication.type);
    const followed = channelStore(client, channel);
    let wasLive = isLive(followed);
    const release = followed.retain(() => {
      // Changes between the first result and this moment were not received.
      if (!wasLive && isLive(followed)) store.refresh();
      wasLive ||= isLive(followed);
    });
    const stop = followed.handle(() => ({
      onPublication: (publication) => void (wanted(publication) && store.refresh()),
      onLost: () => store.refresh(),
    }));
    return () => {
      stop();
      release();
    };
  }, [client, channel, types, store]);
}

const isLive = ({ status }: ChannelStore): boolean => status.state.name === "live";

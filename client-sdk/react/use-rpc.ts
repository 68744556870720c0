import { useCallback, useEffect, useMemo, useSyncExternalStore } from "react";
import type { Client } from "../client.ts";
import { asRealtimeError, type RealtimeError } from "../errors.ts";
import type { Channel, Publication, RpcMethod, RpcParams, RpcResult } from "../protocol/index.ts";
import { channelStore } from "./channel-store.ts";
import { useClient } from "./provider.ts";

/** When to ask, and when to ask again. */
export interface UseRpcOptions {
  /** False: nothing is asked for, and what is known stays. */
  enabled?: boolean;
  /** Asks again at each publication on this channel (of these types), and where some were lost. */
  refreshOn?: { channel: Channel; types?: readonly string[] } | null;
}

/** A call as it stands. */
export interface RpcView<Result> {
  /** The newest answer; null before the first. It stays while a newer one is asked for, and where that fails. */
  data: Result | null;
  /** Why the last call failed; null after one that did not. */
  error: RealtimeError | null;
  isLoading: boolean;
  /** Whether `data` may be out of date: the connection was away, or the last call failed. */
  isStale: boolean;
  refresh(): void;
}

type Snapshot = Omit<RpcView<unknown>, "refresh">;
const UNASKED: Snapshot = { data: null, error: null, isLoading: false, isStale: false };

/** One call and its newest answer, asked again when the client comes back. */
class RpcStore {
  snapshot: Snapshot = UNASKED;
  readonly #client: Client;
  readonly #method: RpcMethod;
  readonly #params: unknown;
  readonly #listeners = new Set<{ call: () => void }>();
  #abort: AbortController | null = null;
  #again = false;

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
      if (state.name === "connected" && this.#needsAnswer) this.refresh();
    });
    return () => {
      stop();
      this.#listeners.delete(entry);
      if (this.#listeners.size > 0) return;
      this.#abort?.abort();
      this.#abort = null;
    };
  };

  /** One call at a time: what asks meanwhile is one more call after it. */
  readonly refresh = (): void => {
    if (this.#abort) {
      this.#again = true;
      return;
    }
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
    if (!this.#again) return;
    this.#again = false;
    this.refresh();
  }

  #show(change: Partial<Snapshot>): void {
    this.snapshot = { ...this.snapshot, ...change };
    for (const { call } of [...this.#listeners]) call();
  }
}

/**
 * Calls a method that reads, and shows its newest answer; `params: null` asks for nothing yet. Other params begin anew:
 * late answers to the ones before are never shown. Asks again after each reconnect.
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
  useEffect(() => {
    if (enabled) store?.refresh();
  }, [store, enabled]);
  useRefreshOn(client, enabled ? refreshOn : null, store);
  const refresh = useCallback(() => store?.refresh(), [store]);
  return { ...(snapshot as Omit<RpcView<RpcResult<Method>>, "refresh">), refresh };
}

function useRefreshOn(client: Client, refreshOn: UseRpcOptions["refreshOn"], store: RpcStore | null): void {
  const channel = refreshOn?.channel ?? null;
  const types = refreshOn?.types?.join(" ") ?? null;
  useEffect(() => {
    if (channel === null || !store) return;
    const wanted = (publication: Publication) => types === null || types.split(" ").includes(publication.type);
    const followed = channelStore(client, channel);
    const release = followed.retain(() => undefined);
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

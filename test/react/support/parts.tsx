import type { Channel, Publication, RealtimeError, RpcMethod } from "@monster-realtime/client";
import {
  useChannel,
  useConnection,
  usePresence,
  usePublication,
  usePublications,
  useRpc,
} from "@monster-realtime/client/react";
import { type ComponentType, useEffect } from "react";
import type { Seen } from "./seen.ts";

/** One component on the stage: its kind, its name and its props. */
export interface Part {
  kind: keyof typeof PARTS;
  name: string;
  channel?: string | null;
  limit?: number;
  history?: number;
  /** Types of publications; `{ containing }` becomes a function. */
  filter?: string | readonly string[] | { containing: string } | null;
  /** Its handler of publications throws. */
  throws?: boolean;
  method?: string;
  params?: object | null;
  enabled?: boolean;
  refreshOn?: { channel: string; types?: readonly string[] };
}

interface PartProps {
  part: Part;
  seen: Seen;
}

const channelOf = ({ channel = null }: Part) => channel as Channel | null;
const codeOf = (error: RealtimeError | null) => error?.code ?? null;
const payloads = (publications: readonly Publication[]) => publications.map(({ payload }) => payload);

function useSeen({ part, seen }: PartProps, view: unknown): void {
  useEffect(() => seen.add(part.name, view));
}

function Connection(props: PartProps) {
  const { state, welcome, isConnected } = useConnection();
  useSeen(props, { state: state.name, isConnected, principal: welcome?.principal.kind ?? null });
  return null;
}

function ChannelPart(props: PartProps) {
  const { part, seen } = props;
  const { limit, history, name } = part;
  const events: string[] = [];
  const note = (event: string) => {
    events.push(event);
    seen.add(`${name} events`, event);
  };
  const { state, publications, lost, error, publish } = useChannel(channelOf(part), {
    ...(limit !== undefined && { limit }),
    ...(history !== undefined && { history }),
    onPublication: ({ payload }) => {
      if (part.throws) throw new Error("a handler failed");
      note(`publication ${JSON.stringify(payload)}`);
    },
    onRecovered: ({ publications: count }) => note(`recovered ${count}`),
    onLost: () => note("lost"),
  });
  useEffect(() =>
    seen.offer(name, {
      publish: (type: string, payload: unknown) =>
        publish(type, payload).then(
          ({ offset }) => offset,
          (failure: RealtimeError) => failure.code,
        ),
    }),
  );
  useSeen(props, { state: state.name, publications: payloads(publications), lost, error: codeOf(error) });
  return null;
}

function Presence(props: PartProps) {
  const { members, byKey, synced, error } = usePresence(channelOf(props.part));
  const agree = members.length === byKey.size && members.every((member) => byKey.get(member.key) === member);
  const shown = members.map((member) => `${member.key} ${member.state} ${member.meta.status}`);
  useSeen(props, { members: agree ? shown.sort() : "members and byKey differ", synced, error: codeOf(error) });
  return null;
}

function filterOf({ filter = null }: Part) {
  if (filter === null || typeof filter === "string" || Array.isArray(filter)) return filter as string | string[] | null;
  const { containing } = filter as { containing: string };
  return ({ payload }: Publication) => JSON.stringify(payload).includes(containing);
}

function Publications(props: PartProps) {
  const { limit, history } = props.part;
  const publications = usePublications(channelOf(props.part), filterOf(props.part), {
    ...(limit !== undefined && { limit }),
    ...(history !== undefined && { history }),
  });
  useSeen(props, payloads(publications));
  return null;
}

function Newest(props: PartProps) {
  const { history = 0 } = props.part;
  const publication = usePublication(channelOf(props.part), filterOf(props.part), { history });
  useSeen(props, publication?.payload ?? null);
  return null;
}

function Rpc(props: PartProps) {
  const { name, method = "", params = null, enabled = true, refreshOn } = props.part;
  const { data, error, isLoading, isStale, refresh } = useRpc(method as RpcMethod, params as never, {
    enabled,
    refreshOn: (refreshOn ?? null) as never,
  });
  useEffect(() => props.seen.offer(name, { refresh }));
  const title = (data as { title?: string } | null)?.title ?? null;
  useSeen(props, { title, error: codeOf(error), isLoading, isStale });
  return null;
}

export const PARTS = {
  connection: Connection,
  channel: ChannelPart,
  presence: Presence,
  publications: Publications,
  newest: Newest,
  rpc: Rpc,
} as const satisfies Record<string, ComponentType<PartProps>>;

import { projectTasksChannel } from "@monster-realtime/client";
import { useChannel, useClient } from "@monster-realtime/client/react";
import { useEffect, useMemo, useState, useSyncExternalStore } from "react";
import { AgentNames } from "./agent-names.ts";
import { BoardKeeper, type BoardSnapshot } from "./board-keeper.ts";

/** The live board of a project. */
export function useBoard(projectId: string): BoardSnapshot {
  const client = useClient();
  const keeper = useMemo(() => new BoardKeeper(client, projectId), [client, projectId]);
  const { state, error } = useChannel(projectTasksChannel(projectId), {
    onPublication: (publication) => keeper.receive(publication),
    onLost: () => keeper.read(),
  });
  const isLive = state.name === "live";
  useEffect(() => {
    if (isLive && !keeper.snapshot.isRead) keeper.read();
  }, [isLive, keeper]);
  const snapshot = useSyncExternalStore(keeper.subscribe, () => keeper.snapshot);
  return error && !error.temporary ? { ...snapshot, problem: error.message } : snapshot;
}

/** The names of agents: workstation and agent; "an agent" until it is loaded. */
export function useAgentNames(): (id: string) => string {
  const client = useClient();
  const [, rename] = useState(0);
  const names = useMemo(() => new AgentNames(client, () => rename((count) => count + 1)), [client]);
  return (id) => names.of(id);
}

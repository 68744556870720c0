import { type Publication, projectWorkstationsChannel } from "@monster-realtime/client";
import { useChannel, usePresence } from "@monster-realtime/client/react";
import { useEffect } from "react";
import type { Roster } from "./overview.ts";

interface ProjectFeedProps {
  projectId: string;
  onRoster(projectId: string, roster: Roster): void;
  onPublication(publication: Publication): void;
  onLost(): void;
}

/** Subscribes to one project for the board. Renders nothing. */
export function ProjectFeed({ projectId, onRoster, onPublication, onLost }: ProjectFeedProps) {
  const channel = projectWorkstationsChannel(projectId);
  const { byKey, synced } = usePresence(channel);
  useChannel(channel, { onPublication, onLost });
  const isKnown = synced || byKey.size > 0;
  useEffect(() => {
    if (isKnown) onRoster(projectId, byKey);
  }, [projectId, byKey, isKnown, onRoster]);
  return null;
}

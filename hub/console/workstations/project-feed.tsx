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

/** Follows one project for the board; shows nothing itself. */
export function ProjectFeed({ projectId, onRoster, onPublication, onLost }: ProjectFeedProps) {
  const channel = projectWorkstationsChannel(projectId);
  const { byKey } = usePresence(channel);
  useChannel(channel, { onPublication, onLost });
  useEffect(() => onRoster(projectId, byKey), [projectId, byKey, onRoster]);
  return null;
}

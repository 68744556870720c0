import type { Procedure } from "../procedure.ts";
import { organizations } from "./organizations.ts";
import { projectWorkstations } from "./project-workstations.ts";
import { projects } from "./projects.ts";
import { tasks } from "./tasks.ts";
import { workstations } from "./workstations.ts";

/** Every method of every entity. */
export const PROCEDURES: readonly Procedure[] = [
  organizations,
  projects,
  workstations,
  projectWorkstations,
  tasks,
].flatMap(({ procedures }) => procedures);

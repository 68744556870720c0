import type { ComponentType } from "react";
import { InspectView } from "./inspect/view.tsx";
import { TasksView } from "./tasks/view.tsx";
import { WorkstationsView } from "./workstations/view.tsx";

/** A page of the console. */
export interface View {
  /** Its name in the address: `#/<id>/<argument>`. */
  id: string;
  title: string;
  component: ComponentType<{ argument: string | null }>;
}

/** In the order of the navigation. The first one is the home page. */
export const VIEWS: readonly View[] = [
  { id: "workstations", title: "Workstations", component: WorkstationsView },
  { id: "tasks", title: "Tasks", component: TasksView },
  { id: "inspect", title: "Channels", component: InspectView },
];

import type { Project, TaskListItem } from "@monster-realtime/client";
import { useConnection, useRpc } from "@monster-realtime/client/react";
import { useState } from "react";
import { useOrganization } from "../shell/organization.tsx";
import { go } from "../shell/route.ts";
import { Help, useShortcuts } from "../shell/shortcuts.tsx";
import { useTaskActions } from "./actions.ts";
import { COLUMNS } from "./board.ts";
import { BoardColumn } from "./column.tsx";
import { NewTask } from "./new-task.tsx";
import { TaskDialog } from "./task-dialog.tsx";
import { useAgentNames, useBoard } from "./use-board.ts";

/** The task board of a project: the one in the address, or the first. */
export function TasksView({ argument }: { argument: string | null }) {
  const { organization } = useOrganization();
  const { data, error } = useRpc("projects.list", { organizationId: organization.id, limit: 200 });
  const projects = (data?.items ?? []).filter(({ status }) => status === "active");
  const project = projects.find(({ id }) => id === argument) ?? (argument === null ? projects[0] : undefined);
  return (
    <main>
      <h1 className="for-readers">Tasks</h1>
      {error && !data && <p id="problem">{error.message}</p>}
      {data && !project && (
        <p className="empty">
          {argument === null ? "No projects yet." : "Project not found. Choose a project of this organization."}
        </p>
      )}
      {project && <ProjectBoard key={project.id} project={project} projects={projects} />}
    </main>
  );
}

function ProjectBoard({ project, projects }: { project: Project; projects: readonly Project[] }) {
  const { columns, isRead, problem } = useBoard(project.id);
  const nameOf = useAgentNames();
  const actions = useTaskActions();
  const [openId, setOpenId] = useState<string | null>(null);
  const { welcome } = useConnection();
  // A workstation may change only the parts of a task that belong to its own work.
  const mayWrite = welcome === null || welcome.principal.kind !== "workstation";
  const help = useShortcuts({
    n: ["a new task", () => document.getElementById("new-task")?.focus()],
    "Alt + arrows": ["move the focused task", () => undefined],
  });
  const all = COLUMNS.flatMap((list) => columns[list]);
  const agentOf = ({ activeAgentId }: TaskListItem) => (activeAgentId === null ? null : nameOf(activeAgentId));
  const open = all.find(({ id }) => id === openId);
  const fault = problem ?? (open ? null : actions.problem);
  return (
    <>
      <div className="board-bar">
        <select
          aria-label="Project"
          value={project.id}
          onChange={(event) => go({ view: "tasks", argument: event.target.value })}
        >
          {projects.map(({ id, name }) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
        </select>
        {mayWrite && <NewTask onCreate={(title, priority) => actions.create(project.id, title, priority)} />}
      </div>
      {fault !== null && (
        <p id="problem" role="alert">
          {fault}
        </p>
      )}
      {!isRead && problem === null && <p className="hint">Loading the tasks …</p>}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: on small screens it scrolls, also by keyboard. */}
      <section className="board" aria-label={`Tasks of ${project.name}`} tabIndex={0}>
        {COLUMNS.map((list) => (
          <BoardColumn
            key={list}
            list={list}
            tasks={columns[list]}
            mayWrite={mayWrite}
            agentOf={agentOf}
            onOpen={({ id }) => {
              actions.dismiss();
              setOpenId(id);
            }}
            onMove={actions.move}
            onDropped={(id, place) => {
              const task = all.find((one) => one.id === id);
              if (task) void actions.move(task, place);
            }}
          />
        ))}
      </section>
      {open && (
        <TaskDialog
          key={open.id}
          task={open}
          agent={agentOf(open)}
          mayWrite={mayWrite}
          actions={actions}
          onClose={() => setOpenId(null)}
        />
      )}
      <Help shortcuts={help} />
    </>
  );
}

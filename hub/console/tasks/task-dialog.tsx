import { type AgentSession, type Task, type TaskListItem, taskChannel } from "@monster-realtime/client";
import { usePublication, useRpc } from "@monster-realtime/client/react";
import { useEffect, useRef, useState } from "react";
import { hashOf } from "../shell/route.ts";
import { moment } from "../shell/times.ts";
import type { TaskActions } from "./actions.ts";
import { COLUMNS, type Column } from "./board.ts";
import { ReviewForm } from "./review-form.tsx";

interface TaskDialogProps {
  task: TaskListItem;
  agent: string | null;
  mayWrite: boolean;
  actions: TaskActions;
  onClose(): void;
}

/** A task's details, and the actions available now. */
export function TaskDialog({ task, agent, mayWrite, actions, onClose }: TaskDialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const channel = taskChannel(task.id);
  const { data: whole } = useRpc("tasks.get", { id: task.id }, { refreshOn: { channel, types: ["task:updated"] } });
  const { data: session } = useRpc(
    "agentSessions.get",
    task.lastAgentSessionId === null ? null : { id: task.lastAgentSessionId },
    { refreshOn: { channel, types: ["agent_session:updated"] } },
  );
  return (
    <dialog ref={dialog} className="task-dialog" aria-labelledby="task-title" onClose={onClose}>
      <h2 id="task-title">{task.title}</h2>
      <p className="hint">
        {task.list} · {task.mode} · P{task.priority}
        {agent !== null && ` · ${agent}`} ·{" "}
        <a href={hashOf({ view: "inspect", argument: channel })}>inspect its channel</a>
      </p>
      {task.lastError !== null && <p className="task-error">Agents no longer try this task: {task.lastError}</p>}
      {whole && <Texts task={whole} />}
      {session && <SessionSummary session={session} />}
      {task.agentSessionStatus === "ACTIVE" && <Progress taskId={task.id} />}
      {actions.problem !== null && (
        <p role="alert" id="problem">
          {actions.problem}
        </p>
      )}
      {mayWrite && task.list === "review" && task.agentSessionStatus === "INACTIVE" && (
        <ReviewForm
          instructions={whole?.reviewInstructions ?? null}
          onDecide={(decision, feedback) => actions.review(task, decision, feedback)}
        />
      )}
      {mayWrite && <Buttons task={task} actions={actions} />}
      <form method="dialog">
        <button type="submit" className="plain">
          Close
        </button>
      </form>
    </dialog>
  );
}

function Texts({ task }: { task: Task }) {
  const description = task.refinedDescription ?? task.description;
  return (
    <>
      {description !== null && <p className="text">{description}</p>}
      {task.planSolution !== null && (
        <details>
          <summary>Plan</summary>
          <p className="text">{task.planSolution}</p>
        </details>
      )}
      {task.reviewFeedback !== null && (
        <details>
          <summary>Feedback of the last review</summary>
          <p className="text">{task.reviewFeedback}</p>
        </details>
      )}
    </>
  );
}

function SessionSummary({ session }: { session: AgentSession }) {
  const { status, mode, startedAt, outputSummary, errorMessage, filesChanged, commitsMade } = session;
  return (
    <details className="session" open>
      <summary>
        Last session: {mode}, {status}
        {startedAt !== null && `, ${moment(Date.parse(startedAt))}`}
      </summary>
      {outputSummary !== null && <p className="text">{outputSummary}</p>}
      {errorMessage !== null && <p className="task-error">{errorMessage}</p>}
      <Named title="Files" values={filesChanged} />
      <Named title="Commits" values={commitsMade} />
    </details>
  );
}

function Named({ title, values }: { title: string; values: unknown[] | null }) {
  if (values === null || values.length === 0) return null;
  return (
    <p>
      {title}:{" "}
      <span className="mono">
        {values.map((value) => (typeof value === "string" ? value : JSON.stringify(value))).join(", ")}
      </span>
    </p>
  );
}

/** The newest progress report of the task's agent. */
function Progress({ taskId }: { taskId: string }) {
  const publication = usePublication(taskChannel(taskId), "session:progress");
  if (!publication) return null;
  return <p className="text mono">{JSON.stringify(publication.payload)}</p>;
}

function Buttons({ task, actions }: { task: TaskListItem; actions: TaskActions }) {
  const [isBusy, setBusy] = useState(false);
  const run = (action: Promise<boolean>) => {
    setBusy(true);
    void action.finally(() => setBusy(false));
  };
  const isInactive = task.agentSessionStatus === "INACTIVE";
  return (
    <p className="actions">
      {isInactive && task.list !== "done" && (
        <button
          type="button"
          className="plain"
          disabled={isBusy}
          aria-pressed={task.ready}
          onClick={() => run(actions.setReady(task))}
        >
          {task.ready ? "Set not ready" : "Set ready"}
        </button>
      )}
      {isInactive && task.ready && (
        <button type="button" className="plain" disabled={isBusy} onClick={() => run(actions.assign(task))}>
          Assign now
        </button>
      )}
      {!isInactive && (
        <button type="button" className="plain" disabled={isBusy} onClick={() => run(actions.cancel(task))}>
          Cancel the assignment
        </button>
      )}
      <select
        aria-label="Move to"
        disabled={isBusy}
        value={task.list}
        onChange={(event) => run(actions.move(task, { list: event.target.value as Column, before: null }))}
      >
        {COLUMNS.map((list) => (
          <option key={list} value={list}>
            {list === task.list ? `in ${list}` : `move to ${list}`}
          </option>
        ))}
      </select>
    </p>
  );
}

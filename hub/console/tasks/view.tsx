import { useClient, useRpc } from "@monster-realtime/client/react";
import { useEffect, useRef } from "react";
import { BoardView } from "../board-view.ts";
import { useOrganization } from "../shell/organization.tsx";

/** The task boards of the organization, or of one project. */
export function TasksView({ argument }: { argument: string | null }) {
  const { organization } = useOrganization();
  const { data } = useRpc("projects.list", { organizationId: organization.id, limit: 200 });
  const projects = (data?.items ?? []).filter(
    ({ id, status }) => status === "active" && (argument === null || id === argument),
  );
  return (
    <main>
      {projects.map(({ id, name }) => (
        <section key={id} className="project" aria-label={name}>
          <h2>{name}</h2>
          <Board projectId={id} />
        </section>
      ))}
    </main>
  );
}

function Board({ projectId }: { projectId: string }) {
  const client = useClient();
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const board = new BoardView(client, projectId);
    place.current?.append(board.root);
    return () => {
      board.close();
      board.root.remove();
    };
  }, [client, projectId]);
  return <div ref={place} />;
}

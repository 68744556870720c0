import { createClient } from "@monster-realtime/client";
import { MonsterRealtimeProvider, usePresence, useRpc } from "@monster-realtime/client/react";

const client = createClient({ url: "http://localhost:4000", token: "t" });
function Members() {
  const { members } = usePresence("project:p:workstations");
  const { data } = useRpc("tasks.list", { projectId: "p" });
  return <p title={data?.items[0]?.title}>{members.map(({ meta }) => meta.status.toUpperCase())}</p>;
}
export const App = () => (
  <MonsterRealtimeProvider client={client}>
    <Members />
  </MonsterRealtimeProvider>
);

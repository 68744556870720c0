import { createClient } from "@monster-realtime/client";
import * as hooks from "@monster-realtime/client/react";
import { createElement } from "react";
import { renderToString } from "react-dom/server";

const client = createClient({ url: "http://localhost:4000", token: "t" });
client.connect().catch(() => undefined);
function Page() {
  const { state } = hooks.useConnection();
  const { members } = hooks.usePresence("project:p:workstations");
  const { publications } = hooks.useChannel("task:t", { limit: 5 });
  const { data } = hooks.useRpc("tasks.list", { projectId: "p" });
  return [state.name, members.length, publications.length, String(data)].join(" ");
}
console.log(renderToString(createElement(hooks.MonsterRealtimeProvider, { client }, createElement(Page))));
await client.close();

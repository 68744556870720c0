import { createClient, taskChannel } from "@monster-realtime/client";
import {
  MonsterRealtimeProvider,
  useChannel,
  useConnection,
  usePresence,
  usePublication,
  useRpc,
} from "@monster-realtime/client/react";
import { createElement } from "react";
import { renderToString } from "react-dom/server";
import { equal, is, throws } from "uvu/assert";
import { suite } from "../support/suite.ts";

const test = suite("hooks on a server");
const ID = "task_00000000000000000000000000";

function Page() {
  const channel = taskChannel(ID);
  const { state, isConnected } = useConnection();
  const followed = useChannel(channel, { limit: 5, history: 5 });
  const { members, synced } = usePresence(channel);
  const newest = usePublication(channel, "note");
  const { data, isLoading } = useRpc("tasks.get", { id: ID });
  const view = [
    state.name,
    isConnected,
    followed.state.name,
    followed.publications,
    members,
    synced,
    newest,
    data,
    isLoading,
  ];
  return createElement("p", { title: JSON.stringify(view) });
}

test("render the state before a connection, and subscribe to nothing", () => {
  const client = createClient({ url: "http://127.0.0.1:9", token: "svc_none" });
  const page = createElement(MonsterRealtimeProvider, { client }, createElement(Page));
  const [, title = ""] = /title="([^"]*)"/.exec(renderToString(page)) ?? [];
  equal(JSON.parse(title.replaceAll("&quot;", '"')), ["idle", false, "pending", [], [], false, null, null, true]);
  is(client.state.name, "idle");
});

test("throw an error that explains a missing provider", () => {
  throws(() => renderToString(createElement(Page)), /Wrap the page in <MonsterRealtimeProvider client=\{client\}>/);
});

test.run();

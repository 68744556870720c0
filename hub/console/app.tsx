import { type Client, type ConnectionState, createClient } from "@monster-realtime/client";
import { MonsterRealtimeProvider, useConnection } from "@monster-realtime/client/react";
import { type ComponentType, type ReactNode, useEffect, useState } from "react";
import { InspectView } from "./inspect/view.tsx";
import { FailureBoundary } from "./shell/failure-boundary.tsx";
import { ConnectionStatus, Header, type NavigationEntry } from "./shell/header.tsx";
import { Invitations } from "./shell/invitations.tsx";
import { OrganizationProvider, useOrganization } from "./shell/organization.tsx";
import { RefusedChanges } from "./shell/refused-changes.tsx";
import { go, HOME, hashOf, useRoute } from "./shell/route.ts";
import { sentenceOf } from "./shell/sentences.ts";
import { SessionSwap } from "./shell/session-swap.tsx";
import { SignIn } from "./shell/sign-in.tsx";
import { TasksView } from "./tasks/view.tsx";
import { WorkstationsView } from "./workstations/view.tsx";

/** A page of the console. */
interface View extends NavigationEntry {
  component: ComponentType<{ argument: string | null }>;
}

/** In the order of the navigation. The first one is the home page. */
const VIEWS: readonly View[] = [
  { id: "workstations", title: "Workstations", component: WorkstationsView },
  { id: "tasks", title: "Tasks", component: TasksView },
  { id: "inspect", title: "Channels", component: InspectView },
];

/** Takes the token from the address's hash, which browsers never send. The address is replaced with `instead`. */
function takeTokenFromAddress(instead = hashOf(HOME)): string | null {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token !== null) history.replaceState(null, "", instead);
  return token;
}

function connect(token: string): Client {
  // The hub serves the page, possibly below a path.
  const { href } = new URL(".", location.href);
  const client = createClient({ url: href, token, client: "console/1" });
  // Errors of the connection are shown by the client's state.
  client.on("error", () => undefined);
  client.connect().catch(() => undefined);
  return client;
}

export function App() {
  const [client, setClient] = useState<Client | null>(() => {
    const token = takeTokenFromAddress();
    return token === null ? null : connect(token);
  });
  const [problem, setProblem] = useState<string | null>(null);
  const [offered, setOffered] = useState<Client | null>(null);
  const answerOffer = (isTaken: boolean) => {
    if (isTaken) {
      setClient(offered);
      go(HOME);
    } else void offered?.close();
    setOffered(null);
  };
  // A page that is signed in may open an address with a token: ask the user, and keep the current view.
  useEffect(() => {
    const opened = (event: HashChangeEvent) => {
      const token = takeTokenFromAddress(client ? new URL(event.oldURL).hash || hashOf(HOME) : hashOf(HOME));
      if (token === null) return;
      if (!client) return setClient(connect(token));
      void offered?.close();
      setOffered(connect(token));
    };
    // Runs before the listeners that read the route.
    addEventListener("hashchange", opened, { capture: true });
    return () => removeEventListener("hashchange", opened, { capture: true });
  }, [client, offered]);
  useEffect(() => {
    const check = (state: ConnectionState) => {
      if (state.name !== "closed") return;
      setProblem(state.error ? sentenceOf(state.error) : null);
      setClient(null);
    };
    if (!client) return;
    check(client.state);
    const stop = client.on("state", check);
    return () => {
      stop();
      void client.close();
    };
  }, [client]);
  if (!client) return <SignIn problem={problem} onToken={(token) => setClient(connect(token))} />;
  return (
    <MonsterRealtimeProvider client={client}>
      {offered && (
        <SessionSwap
          current={client}
          offered={offered}
          onKeep={() => answerOffer(false)}
          onSwitch={() => answerOffer(true)}
        />
      )}
      <Invitations />
      <OrganizationProvider fallback={(message) => <Waiting problem={message} />}>
        <Header views={VIEWS} onSignOut={() => void client.close()} />
        <Disconnected />
        <RefusedChanges />
        <CurrentView />
      </OrganizationProvider>
    </MonsterRealtimeProvider>
  );
}

/** Shown before the first data. */
function Waiting({ problem }: { problem: string }) {
  return (
    <main className="sign-in">
      <ConnectionStatus />
      {problem !== "" && (
        <p id="problem" role="alert">
          {problem}
        </p>
      )}
      <Disconnected />
    </main>
  );
}

/** Without a connection, the shown data may be outdated. */
function Disconnected(): ReactNode {
  const { state } = useConnection();
  if (state.name !== "waiting") return null;
  return (
    <p className="banner" role="alert">
      {sentenceOf(state.error)} The page shows the last known data.
    </p>
  );
}

function CurrentView() {
  const { organization } = useOrganization();
  const { view, argument } = useRoute();
  const shown = VIEWS.find(({ id }) => id === view) ?? VIEWS[0];
  if (!shown) return null;
  const { component: Component } = shown;
  return (
    <FailureBoundary key={`${shown.id} ${organization.id}`}>
      <Component argument={argument} />
    </FailureBoundary>
  );
}

import { parseChannel, projectTasksChannel, projectWorkstationsChannel } from "@monster-realtime/client";
import { useRpc } from "@monster-realtime/client/react";
import { type FormEvent, useEffect, useState } from "react";
import { useOrganization } from "../shell/organization.tsx";
import { go } from "../shell/route.ts";

/** A field for a channel's name, with suggestions. */
export function ChannelForm({ channel }: { channel: string | null }) {
  const [name, setName] = useState(channel ?? "");
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => setName(channel ?? ""), [channel]);
  const known = useKnownChannels();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const asked = name.trim();
    const isChannel = parseChannel(asked) !== null;
    setProblem(
      isChannel
        ? null
        : "This is not a channel name. Names are workstation:…, task:…, project:…:workstations, project:…:tasks.",
    );
    if (isChannel) go({ view: "inspect", argument: asked });
  };
  return (
    <form className="channel-form" onSubmit={submit}>
      <input
        id="channel"
        list="channels"
        aria-label="Channel"
        placeholder="task:… , workstation:… , project:…:tasks ( / )"
        autoComplete="off"
        spellCheck={false}
        value={name}
        onChange={(event) => setName(event.target.value)}
      />
      <datalist id="channels">
        {known.map(({ value, label }) => (
          <option key={value} value={value}>
            {label}
          </option>
        ))}
      </datalist>
      <button type="submit">Watch</button>
      {problem !== null && (
        <p id="problem" role="alert">
          {problem}
        </p>
      )}
    </form>
  );
}

/** The projects' channels and, if the user may list them, all channels with subscribers. */
function useKnownChannels(): { value: string; label: string }[] {
  const { organization } = useOrganization();
  const organizationId = organization.id;
  const { data: projects } = useRpc("projects.list", { organizationId, limit: 200 });
  const { data: live } = useRpc("channels.list", { organizationId, limit: 200 });
  const ofProjects = (projects?.items ?? []).flatMap(({ id, name }) => [
    { value: projectTasksChannel(id), label: `${name}: tasks` },
    { value: projectWorkstationsChannel(id), label: `${name}: workstations` },
  ]);
  const subscribed = (live?.items ?? []).map(({ name, subscribers }) => ({
    value: name,
    label: `${subscribers} subscribed`,
  }));
  return [...new Map([...subscribed, ...ofProjects].map((one) => [one.value, one])).values()];
}

import { type Channel, parseChannel } from "@monster-realtime/client";
import { Help, useShortcuts } from "../shell/shortcuts.tsx";
import { ChannelForm } from "./channel-form.tsx";
import { ChannelTail } from "./channel-tail.tsx";

/** The live view of any channel that the user may read. */
export function InspectView({ argument }: { argument: string | null }) {
  const help = useShortcuts({ "/": ["another channel", () => document.getElementById("channel")?.focus()] });
  const channel = argument !== null && parseChannel(argument) ? (argument as Channel) : null;
  return (
    <main>
      <h1 className="for-readers">Channel inspector</h1>
      <ChannelForm channel={argument} />
      {channel ? (
        <ChannelTail key={channel} channel={channel} />
      ) : (
        <p className="empty">
          {argument === null ? "Choose a channel to watch." : `${argument} is not a channel name.`}
        </p>
      )}
      <Help shortcuts={help} />
    </main>
  );
}

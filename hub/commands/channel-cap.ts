import { HubError } from "../kernel/errors.ts";
import type { Services } from "./services.ts";

/** Throws `too_many_channels` if a connection that holds `held` channels may hold no other. `action`: for the message. */
export function refuseTooManyChannels(
  { limits }: Services,
  held: number,
  action: "subscribe to" | "be present in",
): void {
  const { channelsPerConnection: most } = limits;
  if (held < most) return;
  throw new HubError("too_many_channels", `A connection may ${action} ${most} channels. Leave some first.`);
}

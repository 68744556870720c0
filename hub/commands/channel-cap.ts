import { HubError } from "../errors.ts";
import type { Services } from "./services.ts";

/** Throws `too_many_channels` where a connection that holds `held` channels, as `told` says, may hold no other. */
export function refuseTooManyChannels(
  { limits }: Services,
  held: number,
  told: "subscribe to" | "be present in",
): void {
  const { channelsPerConnection: most } = limits;
  if (held < most) return;
  throw new HubError("too_many_channels", `A connection may ${told} ${most} channels. Leave some first.`);
}

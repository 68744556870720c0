import type { HubProcess } from "./faults.ts";
import { meta } from "./hub.ts";
import { RawClient } from "./raw-client.ts";

export interface JoinedWorkstation {
  client: RawClient;
  /** The hub's address. */
  url: string;
  id: string;
  channel: string;
}

/** The workstation of a hub in development mode, connected and present. */
export async function joinedWorkstation(hub: HubProcess): Promise<JoinedWorkstation> {
  const { url, workstationToken, workstationId: id } = await hub.development();
  const client = new RawClient(url, { token: workstationToken });
  await client.welcomed();
  const channel = `workstation:${id}`;
  await client.request("presence.join", { channel, meta: meta() });
  return { client, url, id, channel };
}

import { AttackLoad } from "./attack-load.ts";
import { ChangeLoad } from "./change-load.ts";
import { DispatchLoad } from "./dispatch-load.ts";
import { FairLoad } from "./fair-load.ts";
import { FanOutLoad } from "./fan-out-load.ts";
import { IdleLoad } from "./idle-load.ts";
import { JoinLoad } from "./join-load.ts";
import { LatencyLoad } from "./latency-load.ts";
import { QueryLoad } from "./query-load.ts";
import { RecoverLoad } from "./recover-load.ts";
import { UpdateLoad } from "./update-load.ts";
import { VictimLoad } from "./victim-load.ts";
import { ViewerLoad } from "./viewer-load.ts";

/** Every load by the name that its process is started with. */
export const LOADS = {
  attack: AttackLoad,
  change: ChangeLoad,
  dispatch: DispatchLoad,
  fair: FairLoad,
  "fan-out": FanOutLoad,
  idle: IdleLoad,
  join: JoinLoad,
  latency: LatencyLoad,
  query: QueryLoad,
  recover: RecoverLoad,
  update: UpdateLoad,
  victim: VictimLoad,
  viewer: ViewerLoad,
} as const;

export type LoadName = keyof typeof LOADS;
export type Loads = { [Name in LoadName]: InstanceType<(typeof LOADS)[Name]> };

export const isLoadName = (name: string): name is LoadName => Object.hasOwn(LOADS, name);

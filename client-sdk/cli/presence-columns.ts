import type { Channel, Member } from "../protocol/index.ts";
import { ago } from "./ago.ts";
import type { Colors, Column } from "./output.ts";
import type { WorkstationNames } from "./workstation-names.ts";

const STATUS_COLORS = { online: "green", busy: "yellow", offline: "dim", suspect: "red" } as const;

/**
 * The columns of a members table: the work of workstations, the meta of other members. Ages are relative to `nowMs`.
 */
export function presenceColumns(channel: Channel, names: WorkstationNames, nowMs: number): Column<Member>[] {
  const key: Column<Member> = { title: "MEMBER", text: (member) => member.key };
  const age: Column<Member> = { title: "SINCE", text: ({ joinedAt }) => ago(nowMs - joinedAt), align: "right" };
  if (channel.startsWith("task:")) {
    const state: Column<Member> = { title: "STATE", text: (member) => member.state, color: statusColor };
    return [key, state, age, { title: "META", text: ({ meta }) => JSON.stringify(meta) }];
  }
  return [
    key,
    { title: "NAME", text: (member) => names.of(member.key) },
    { title: "STATUS", text: statusOf, color: statusColor },
    { title: "TASKS", text: ({ meta }) => String(meta.currentTaskCount ?? ""), align: "right" },
    { title: "AGENTS", text: ({ meta }) => listed(meta.availableAgents) },
    { title: "DEV SERVER", text: ({ meta }) => String(meta.devServerPort ?? "") },
    age,
  ];
}

/** `suspect` takes precedence over the status that the workstation reported before. */
const statusOf = ({ state, meta }: Member): string => (state === "suspect" ? state : String(meta.status ?? ""));

function statusColor(colors: Colors, text: string): string {
  const name = STATUS_COLORS[text as keyof typeof STATUS_COLORS];
  return name ? colors[name](text) : text;
}

const listed = (value: unknown): string => (Array.isArray(value) ? value.join(", ") : "");

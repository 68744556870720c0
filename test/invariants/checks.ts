import type { RunLog, Seen, SubscriberLog } from "./log.ts";

/** The broken promises; empty if all were kept. */
export type Violation = string;

type Check = (log: RunLog) => Violation[];
type SeenPublication = Extract<Seen, { kind: "publication" }>;

/** Answers arrive within five seconds; the rest is a margin for a busy machine. */
const ANSWER_MS = 5_500;
/** After a right was lost. */
const REVOKED_MS = 5_000;
/** The number of publications that every channel's history holds. */
const KEPT = 200;
/** The margin for data in flight when a stream was lost. */
const IN_FLIGHT_MS = 1_000;

const publicationsOf = ({ seen }: SubscriberLog): SeenPublication[] =>
  seen.filter((entry): entry is SeenPublication => entry.kind === "publication");
const storedOf = (log: SubscriberLog) => publicationsOf(log).filter(({ ephemeral }) => !ephemeral);
const ours = ({ id }: { id: string }) => !id.startsWith("audit:");

/** 1. Offsets of stored publications grow by exactly one, except after a reported loss. */
const gapless: Check = ({ subscribers }) =>
  subscribers.flatMap(({ name, channel, seen }) => {
    let position: { epoch: string; offset: number } | null = null;
    return seen.flatMap((entry) => {
      if (entry.kind === "ended") position = null;
      if (entry.kind === "start") position = entry;
      if (entry.kind !== "publication" || entry.ephemeral) return [];
      const fits = position && position.epoch === entry.epoch && position.offset + 1 === entry.offset;
      const before = position;
      position = entry;
      return fits ? [] : [`1: ${name} on ${channel} got ${place(entry)} after ${before ? place(before) : "nothing"}`];
    });
  });

/** 2. A position holds one publication, for every subscriber. */
const onePlace: Check = ({ subscribers }) => {
  const known = new Map<string, string>();
  return subscribers.flatMap((log) =>
    storedOf(log).flatMap((entry) => {
      const key = `${log.channel} ${place(entry)}`;
      const content = `${entry.id} ${entry.type} ${entry.body}`;
      const first = known.get(key) ?? content;
      known.set(key, first);
      return first === content ? [] : [`2: ${key} is ${first} and, for ${log.name}, ${content}`];
    }),
  );
};

/** 3. An acknowledged publication reached every subscriber that was present. */
const acknowledged: Check = ({ subscribers, published }) =>
  subscribers.flatMap((log) => {
    const places = new Set(storedOf(log).map(place));
    const stretches = stretchesOf(log);
    return published
      .filter(({ channel, ephemeral, answer }) => {
        if (channel !== log.channel || ephemeral || !answer || "code" in answer) return false;
        return stretches.some((stretch) => covers(stretch, answer)) && !places.has(place(answer));
      })
      .map((lost) => `3: ${log.name} on ${log.channel} never got ${lost.id}, which was acknowledged`);
  });

/** 3 too: all subscribers have all of the last publications. */
const arrived: Check = ({ subscribers, final }) =>
  subscribers.flatMap((log) => {
    const last = final.last.get(log.channel);
    if (!last || log.seen.at(-1)?.kind === "ended" || reached(log, last)) return [];
    return [`3: ${log.name} on ${log.channel} did not reach ${place(last)}, only ${latest(log)}`];
  });

/** Whether the subscriber reached this position or a later one, also after a reported loss. */
function reached({ seen }: SubscriberLog, at: { epoch: string; offset: number }): boolean {
  const entry = seen.findLast((one) => "epoch" in one);
  return entry !== undefined && "epoch" in entry && entry.epoch === at.epoch && entry.offset >= at.offset;
}

function latest({ seen }: SubscriberLog): string {
  const entry = seen.at(-1);
  if (!entry) return "nothing";
  return "epoch" in entry ? `${place(entry)} (${entry.kind})` : entry.kind;
}

/** Positions without a reported loss between them: those after `from`, up to `to`. */
interface Stretch {
  epoch: string;
  from: number;
  to: number;
}

/** The positions that a subscriber received, one stretch between each two reported losses. */
function stretchesOf({ seen }: SubscriberLog): Stretch[] {
  const stretches: Stretch[] = [];
  for (const entry of seen) {
    if (!("epoch" in entry)) continue;
    const { epoch, offset } = entry;
    const last = stretches.at(-1);
    if (entry.kind === "start") stretches.push({ epoch, from: offset, to: offset });
    else if (last?.epoch === epoch) last.to = Math.max(last.to, offset);
  }
  return stretches;
}

const covers = ({ epoch, from, to }: Stretch, at: { epoch: string; offset: number }): boolean =>
  epoch === at.epoch && at.offset > from && at.offset <= to;

/** 3 too: no loss is reported while the stream continues and its history reaches back. */
const nothingLost: Check = ({ subscribers }) =>
  subscribers.flatMap(({ name, channel, seen }) =>
    seen
      .filter((entry) => entry.kind === "start" && entry.lost?.epoch === entry.epoch)
      .filter((entry) => entry.kind === "start" && entry.offset - (entry.lost?.offset ?? 0) <= KEPT)
      .map(() => `3: ${name} on ${channel} received a loss, but nothing was lost`),
  );

/** 4. Every received publication was sent. */
const sent: Check = ({ subscribers, published }) => {
  const known = new Map(published.map((one) => [`${one.channel} ${one.id}`, one.body]));
  return subscribers.flatMap((log) =>
    publicationsOf(log)
      .filter(ours)
      .filter(({ id, body }) => known.get(`${log.channel} ${id}`) !== body)
      .map(({ id, body }) => `4: ${log.name} on ${log.channel} got ${id} ${body}, which was never sent`),
  );
};

/** 5. One id, one offset, one delivery within an epoch. */
const once: Check = ({ subscribers }) =>
  subscribers.flatMap((log) => {
    const delivered = new Set<string>();
    return storedOf(log).flatMap(({ id, epoch }) => {
      const key = `${epoch} ${id}`;
      const again = delivered.has(key);
      delivered.add(key);
      return again ? [`5: ${log.name} on ${log.channel} got ${id} twice`] : [];
    });
  });

/** 6. A publisher's acknowledged order is the order of offsets. */
const ordered: Check = ({ published }) => {
  const last = new Map<string, { offset: number; turn: number }>();
  return [...published]
    .sort((a, b) => a.turn - b.turn)
    .flatMap((one) => {
      const { answer } = one;
      if (one.ephemeral || !answer || "code" in answer || answer.duplicate) return [];
      const key = `${one.publisher} ${one.channel} ${answer.epoch}`;
      const before = last.get(key);
      last.set(key, { offset: answer.offset, turn: one.turn });
      if (!before || before.offset < answer.offset) return [];
      return [`6: ${key}: publish ${one.turn} has offset ${answer.offset}, publish ${before.turn} ${before.offset}`];
    });
};

/** 7. After a loss of the streams no subscriber recovers in an earlier epoch. */
const newEpochs: Check = ({ subscribers, streamsLost }) =>
  streamsLost.flatMap((lostAt) =>
    subscribers.flatMap(({ name, channel, seen }) => {
      const gone = new Set(seen.flatMap((entry) => ("epoch" in entry && entry.at < lostAt ? [entry.epoch] : [])));
      return seen
        .filter((entry) => entry.kind === "recovered" && entry.at > lostAt + IN_FLIGHT_MS && gone.has(entry.epoch))
        .map(() => `7: ${name} on ${channel} recovered in an epoch that was lost`);
    }),
  );

/** 8. Nothing crosses organizations. */
const separate: Check = ({ subscribers, final }) => {
  const owners = new Map(final.workstations.map(({ id, organization }) => [`workstation:${id}`, organization]));
  return [
    ...subscribers.flatMap((log) =>
      publicationsOf(log)
        .filter(ours)
        .filter(({ body }) => !body.startsWith(`${log.organization} `))
        .map(({ body }) => `8: ${log.name} of ${log.organization} got ${body}`),
    ),
    ...final.rosters.flatMap(({ subscriber, organization, keys }) =>
      keys.filter((key) => owners.get(key) !== organization).map((key) => `8: ${subscriber} sees ${key}`),
    ),
  ];
};

/** 9. Nothing is delivered long after a right was lost. */
const revoked: Check = (log) =>
  log.revoked.flatMap(({ subscriber, at }) =>
    log.subscribers
      .filter(({ name }) => name === subscriber)
      .flatMap(({ channel, seen }) => {
        const back = seen.find((entry) => entry.kind === "start" && entry.at > at + REVOKED_MS)?.at ?? Infinity;
        return seen
          .filter((entry) => entry.kind === "publication" && entry.at > at + REVOKED_MS && entry.at < back)
          .map(() => `9: ${subscriber} on ${channel} still received publications after its right was lost`);
      }),
  );

/** 10 and 12. Rosters, rows and the workstations' last requests agree; a row's revision never decreases. */
const agreed: Check = ({ rows, final }) => {
  const present = ({ organization }: { organization: string }) =>
    final.workstations
      .filter(({ id, organization: own }) => own === organization && final.meant.get(id))
      .map(({ id }) => `workstation:${id}`)
      .sort();
  return [
    ...final.rosters
      .filter(({ current }) => !current)
      .map(({ subscriber }) => `10: ${subscriber} is disconnected, with an outdated roster`),
    ...final.rosters
      .filter((roster) => JSON.stringify([...roster.keys].sort()) !== JSON.stringify(present(roster)))
      .map((roster) => `10: ${roster.subscriber} sees ${roster.keys.sort()}, present are ${present(roster)}`),
    ...[...final.rows]
      .filter(([id, status]) => status !== (final.meant.get(id) ? "online" : "offline"))
      .map(
        ([id, status]) =>
          `12: the row of ${id} says ${status}, present: ${final.meant.get(id)}; its client is ${final.clients.get(id)}`,
      ),
    ...rows.flatMap(({ workstationId, revisions }) =>
      revisions.some((revision, index) => revision < (revisions[index - 1] ?? 0))
        ? [`12: the revision of ${workstationId} fell: ${revisions.join(" ")}`]
        : [],
    ),
  ];
};

/** 11. Joins and leaves of a member alternate. */
const alternating: Check = ({ subscribers }) =>
  subscribers.flatMap(({ name, channel, roster }) => {
    const present = new Set<string>();
    return roster.flatMap(({ kind, key }) => {
      const fits = (kind === "join") !== present.has(key);
      if (kind === "join") present.add(key);
      else present.delete(key);
      return fits ? [] : [`11: ${name} on ${channel} saw ${key} ${kind} twice`];
    });
  });

/** 13. Every request ends in time. */
const answered: Check = ({ requests }) =>
  requests.filter(({ ms }) => ms > ANSWER_MS).map(({ what, ms }) => `13: ${what} took ${Math.round(ms)} ms`);

/** 14. When all clients have left, the nodes hold nothing. */
const emptied: Check = ({ final: { leftover } }) =>
  leftover.connections === 0 && leftover.channels === 0 ? [] : [`14: left over are ${JSON.stringify(leftover)}`];

const CHECKS: readonly Check[] = [
  gapless,
  onePlace,
  acknowledged,
  arrived,
  nothingLost,
  sent,
  once,
  ordered,
  newEpochs,
  separate,
  revoked,
  agreed,
  alternating,
  answered,
  emptied,
];

/**
 * The state that is not settled yet. It is polled while clients in the same process reconnect, so it checks only
 * the current state, not the whole log.
 */
export const unsettled = (log: RunLog): Violation[] => [...arrived(log), ...agreed(log)];

/** Every promise that a run broke. */
export const violationsOf = (log: RunLog): Violation[] => CHECKS.flatMap((check) => check(log));

const place = ({ epoch, offset }: { epoch: string; offset: number }): string => `${epoch}/${offset}`;

/** One guard of presence, removed: the simulation must find out. */
export interface Mutation {
  name: string;
  file: string;
  /** A text that the file contains once. */
  find: string;
  replace: string;
}

const RULES = "hub/presence/membership.ts";
const RECORDS = "hub/presence/memory-records.ts";
const CHANGES = "hub/presence/member-changes.ts";
const PRESENCE = "hub/presence/node-presence.ts";
const CONNECTIONS = "hub/presence/local-connections.ts";
const EFFECTS = "hub/presence/effects.ts";
const TAKEOVER = "hub/presence/takeover.ts";
const LEASES = "hub/presence/leases.ts";
const HELD = "hub/presence/held.ts";
const SUSPECTS = "hub/presence/suspects.ts";
const PROJECTS = "hub/presence/project-rosters.ts";
const REPLICAS = "hub/presence/roster-replicas.ts";
const ROSTER = "hub/presence/roster.ts";
const FOLLOWER = "hub/kernel/channel-follower.ts";
const RECONCILER = "hub/presence/reconciler.ts";
/** Stands for the condition of an update in SQL. */
const ROWS = "test/simulation/rows.ts";

/** By the rules that they break. */
export const MUTATIONS: readonly Mutation[] = [
  // A ticket orders two connections.
  {
    name: "arrival-order",
    file: RULES,
    find: "  return isNewer(ticket, holder.ticket);",
    replace: "  return false;",
  },
  {
    name: "join-without-ticket",
    file: RULES,
    find: "  if (!ticket) return true;",
    replace: "  if (!ticket) return false;",
  },
  {
    name: "ticket-without-generation",
    file: RULES,
    find: "  return first.generation === second.generation ? second.number > first.number : second.generation > first.generation;",
    replace: "  return second.number > first.number;",
  },
  {
    name: "ticket-of-generation-0",
    file: CONNECTIONS,
    find: "    ticket.value = value.generation > 0 ? value : null;",
    replace: "    ticket.value = value;",
  },
  {
    name: "joins-again-without-asking",
    file: CONNECTIONS,
    find: '      throw new HubError("unavailable", ASK_AGAIN, { retryAfterMs: 0 });',
    replace: "      return this.#join(this.held.add(request));",
  },
  {
    name: "register-takes-over",
    file: RULES,
    find: '  if (!known && workstation && isOutrun(record, part)) return { status: "replaced" };',
    replace: "",
  },
  {
    name: "replaces-who-is-about-to-join",
    file: CONNECTIONS,
    find: "if (held.generation > 0) this.#replace(held);",
    replace: "this.#replace(held);",
  },
  {
    name: "any-owner-replaces",
    file: HELD,
    find: "request.connectionId !== owner.connectionId && isNewer(ticket, owner.ticket),",
    replace: "request.connectionId !== owner.connectionId,",
  },
  // The generation of the data.
  {
    name: "swap-in-every-generation",
    file: RECORDS,
    find: '    if (generation === 0 || generation !== this.#state.generation) return "lost";',
    replace: '    if (this.#state.generation === 0) return "lost";',
  },
  {
    name: "swap-before-the-first-generation",
    file: RECORDS,
    find: '    if (generation === 0 || generation !== this.#state.generation) return "lost";',
    replace: '    if (generation !== this.#state.generation) return "lost";',
  },
  {
    name: "reading-of-generation-0",
    file: CHANGES,
    find: "      if (reading.generation === 0 && known === null) {",
    replace: "      if (reading.generation < 0) {",
  },
  {
    name: "founding-token-not-checked",
    file: RECORDS,
    find: "    if (state.generation > 0 || state.founding !== founding) return;",
    replace: "    if (state.generation > 0) return;",
  },
  {
    name: "end-in-every-generation",
    file: CONNECTIONS,
    find: "        generation: tried || undefined,",
    replace: "",
  },
  {
    name: "end-in-the-generation-of-entry",
    file: CONNECTIONS,
    find: "    const { ending, tried } = held;",
    replace: "    const { ending, generation: tried } = held;",
  },
  {
    name: "takeover-in-every-generation",
    file: TAKEOVER,
    find: '        known,\n        generation,\n        command: (_, keeper) => ({ kind: "takeOver"',
    replace: '        known,\n        command: (_, keeper) => ({ kind: "takeOver"',
  },
  {
    name: "strike-in-every-generation",
    file: RECORDS,
    find: "    if (generation !== this.#state.generation) return;\n    const noted",
    replace: "    const noted",
  },
  {
    name: "retire-in-every-generation",
    file: RECORDS,
    find: "    if (generation !== this.#state.generation || this.#state.notes.has(incarnation)) return;",
    replace: "    if (this.#state.notes.has(incarnation)) return;",
  },
  {
    name: "retire-with-notes",
    file: RECORDS,
    find: "    if (generation !== this.#state.generation || this.#state.notes.has(incarnation)) return;",
    replace: "    if (generation !== this.#state.generation) return;",
  },
  {
    name: "row-without-fence",
    file: ROWS,
    find: "    if (!isNewer(row, change)) return row;",
    replace: "",
  },
  {
    name: "row-fenced-without-generation",
    file: ROWS,
    find: "    if (!isNewer(row, change)) return row;",
    replace: "    if (change.revision <= row.revision) return row;",
  },
  // After a loss of data nothing ends for the time of a lease.
  {
    name: "absence-of-young-data",
    file: PRESENCE,
    find: "    const isOld = (lease: NodeLease) => lease.ageMs >= settleMs;",
    replace: "    const isOld = (_lease: NodeLease) => settleMs >= 0;",
  },
  {
    name: "absence-without-renewal",
    file: PRESENCE,
    find: "    await Promise.all([...leases].map((lease) => this.#leases.renew(lease)));",
    replace: "    void leases;",
  },
  {
    name: "absence-of-the-held",
    file: PRESENCE,
    find: '      if (status !== "ok" || (await this.#enterAgain(channel))) return;',
    replace: '      if (status !== "ok") return;',
  },
  {
    name: "offline-right-after-a-loss",
    file: EFFECTS,
    find: "        ? this.#options.leaseMs - this.#options.leases.of(channel).sinceLossMs\n",
    replace: "        ? 0\n",
  },
  {
    name: "offline-late-without-a-look",
    file: EFFECTS,
    find: "        if (now.generation !== generation || isPresent(now.record)) return;",
    replace: "        if (now.generation !== generation) return;",
  },
  {
    name: "offline-late-in-another-generation",
    file: EFFECTS,
    find: "        if (now.generation !== generation || isPresent(now.record)) return;",
    replace: "        if (isPresent(now.record)) return;",
  },
  {
    name: "expires-right-after-a-loss",
    file: EFFECTS,
    find: '            return !this.#isAlone && retryMs.ms > 0 ? null : { kind: "expire" };',
    replace: '            return { kind: "expire" };',
  },
  {
    name: "sweeps-right-after-a-loss",
    file: LEASES,
    find: "    return reply.ageMs < leaseMs ? { ...reply, dead: [] } : reply;",
    replace: "    return reply;",
  },
  {
    name: "sweeps-right-after-an-outage",
    file: LEASES,
    find: "    const maySweep = sentAt - this.#takenAt >= leaseMs;",
    replace: "    const maySweep = true;",
  },
  {
    name: "sweeps-without-a-lease",
    file: RECORDS,
    find: "    const dead = held && maySweep ?",
    replace: "    const dead = maySweep ?",
  },
  // Note and swap belong together.
  {
    name: "no-note",
    file: LEASES,
    find: "    const generation = await this.#options.store.note(incarnation, channel);",
    replace: "    const generation = this.#generation;",
  },
  {
    name: "note-without-lease",
    file: RECORDS,
    find: "    if (!this.#isAlive(incarnation)) return 0;",
    replace: "",
  },
  {
    name: "note-of-another-incarnation",
    file: CHANGES,
    find: "    const incarnation = note?.incarnation ?? null;",
    replace: "    const incarnation = note?.lease.incarnation ?? null;",
  },
  {
    name: "swap-of-a-past-incarnation",
    file: CHANGES,
    find: "      const isPast = note && (note.lease.incarnation !== incarnation || reading.generation !== note.generation);",
    replace: "      const isPast = note && reading.generation !== note.generation;",
  },
  {
    name: "note-of-a-past-generation",
    file: CHANGES,
    find: "      const isPast = note && (note.lease.incarnation !== incarnation || reading.generation !== note.generation);",
    replace: "      const isPast = note && note.lease.incarnation !== incarnation;",
  },
  {
    name: "notes-outlive-the-lease",
    file: LEASES,
    find: "    this.#noted.clear();",
    replace: "",
  },
  {
    name: "note-late-for-a-new-lease",
    file: LEASES,
    find: "    if (generation === 0 || incarnation !== this.#incarnation) {",
    replace: "    if (generation === 0) {",
  },
  {
    name: "no-doubt",
    file: CHANGES,
    find: "    if (lease.incarnation === incarnation) lease.doubt();",
    replace: "",
  },
  {
    name: "strikes-the-suspect",
    file: EFFECTS,
    find: "    return this.suspects.has(channel) || this.projects.waits(channel);",
    replace: "    return this.projects.waits(channel);",
  },
  {
    name: "strikes-what-projects-wait-for",
    file: EFFECTS,
    find: "    return this.suspects.has(channel) || this.projects.waits(channel);",
    replace: "    return this.suspects.has(channel);",
  },
  {
    name: "strikes-the-held",
    file: PRESENCE,
    find: "    const isHeld = this.#connections.held.has(channel) || this.#effects.has(channel);",
    replace: "    const isHeld = this.#effects.has(channel);",
  },
  {
    name: "never-strikes",
    file: LEASES,
    find: "    this.#options.store.strike(this.part, this.#incarnation, [channel], generation).catch(() => undefined);",
    replace: "",
  },
  {
    name: "never-retires",
    file: TAKEOVER,
    find: "    await this.#options.store.retire(lease.part, dead, generation);",
    replace: "",
  },
  // A node never forgets a connection silently.
  {
    name: "end-before-entry-forgotten",
    file: CONNECTIONS,
    find: '    if (!held) return;\n    held.ending ??= { kind: "lose" };',
    replace: '    if (!held || held.generation === 0) return;\n    held.ending ??= { kind: "lose" };',
  },
  {
    name: "failed-join-not-undone",
    file: CONNECTIONS,
    find: '      held.ending ??= { kind: "lose" };\n      this.#owed.add(held);',
    replace: "",
  },
  {
    name: "joins-after-its-end",
    file: CONNECTIONS,
    find: "          if (held.ending || !this.held.isCurrent(held)) return null;\n          held.tried",
    replace: "          held.tried",
  },
  {
    name: "registers-after-its-end",
    file: CONNECTIONS,
    find: "      command: (reading, incarnation): Command | null => {\n        if (held.ending || !this.held.isCurrent(held)) return null;",
    replace: "      command: (reading, incarnation): Command | null => {",
  },
  {
    name: "registers-what-has-ended",
    file: CONNECTIONS,
    find: "    if (held.ending || held.generation === 0 || !this.held.isCurrent(held)) return;",
    replace: "    if (held.generation === 0) return;",
  },
  {
    name: "replaced-not-given-up",
    file: CONNECTIONS,
    find: '    held.ending = { kind: "lose" };\n    this.#options.background.run(\n      this.#inOrder(held, () => this.#end(held)),\n      channel,\n    );\n',
    replace: "",
  },
  {
    name: "failed-end-forgotten",
    file: CONNECTIONS,
    find: "    for (const held of this.#owed) this.#options.background.run(this.#endOwed(held), held.request.channel);\n",
    replace: "",
  },
  {
    name: "owed-end-of-who-joined-again",
    file: CONNECTIONS,
    find: "    if (!newest || newest === held) await this.#inOrder",
    replace: "    void newest;\n    await this.#inOrder",
  },
  {
    name: "gone-registers",
    file: RULES,
    find: '    return { status: "gone" };',
    replace: '    return { status: "nothing" };',
  },
  {
    name: "gone-not-given-up",
    file: CONNECTIONS,
    find: "      this.#forget(held);\n      this.#options.events.gaveUp(connectionId, channel);",
    replace: "      this.#forget(held);",
  },
  // Answers arrive out of order, or never.
  {
    name: "generation-of-entry-falls",
    file: HELD,
    find: "  held.generation = Math.max(held.generation, generation);",
    replace: "  held.generation = generation;",
  },
  {
    name: "not-one-after-the-other",
    file: CHANGES,
    find: "    const done = before ? before.then(work, work) : work();",
    replace: "    const done = work();",
  },
  {
    name: "unanswered-swap-forgotten",
    file: CHANGES,
    find: "    if (isNews || wasUnanswered) await this.#options.follow(outcome);",
    replace: "    void wasUnanswered;\n    if (isNews) await this.#options.follow(outcome);",
  },
  {
    name: "known-after-an-unanswered-swap",
    file: CHANGES,
    find: "    let known = this.#unanswered.has(idOf(channel, key)) ? null : (change.known ?? null);",
    replace: "    let known = change.known ?? null;",
  },
  {
    name: "known-twice",
    file: CONNECTIONS,
    find: "  ticket.known = null;\n",
    replace: "",
  },
  {
    name: "shown-in-another-revision",
    file: EFFECTS,
    find: '        command: (reading) => (reading.revision === revision ? { kind: "shown", revision } : null),',
    replace: '        command: () => ({ kind: "shown", revision }),',
  },
  {
    name: "shown-in-another-generation",
    file: EFFECTS,
    find: "        holds: false,\n        generation,\n        command: (reading) => (reading.revision",
    replace: "        holds: false,\n        command: (reading) => (reading.revision",
  },
  // Owners, leases, compare and swap, reconciliation.
  {
    name: "blind-swap",
    file: RECORDS,
    find: '    return (records.get(key)?.revision ?? 0) === expected ? "ok" : "conflict";',
    replace: '    return "ok";',
  },
  {
    name: "swap-without-lease",
    file: RECORDS,
    find: '    if (incarnation !== null && !this.#isAlive(incarnation)) return "cut_off";',
    replace: "",
  },
  {
    name: "anybody-leaves",
    file: RULES,
    find: "  const part = connectionOf(record, connectionId);",
    replace: "  const part = connectionOf(record, connectionId) ?? partsOf(record).at(-1);",
  },
  {
    name: "anybody-loses",
    file: RULES,
    find: '  const part = partsOf(record).find((one) => one.connectionId === connectionId);\n  if (!record || !part) return { status: "nothing" };',
    replace: '  const part = partsOf(record).at(-1);\n  if (!record || !part) return { status: "nothing" };',
  },
  {
    name: "the-suspect-cannot-leave",
    file: RULES,
    find: '  if (record?.state.kind === "suspect" && record.state.last.connectionId === connectionId) return record.state.last;\n',
    replace: "",
  },
  {
    name: "expires-early",
    file: RULES,
    find: '  return until > now ? { status: "early" } : left(record, last, reason, now);',
    replace: '  return until < 0 ? { status: "early" } : left(record, last, reason, now);',
  },
  {
    name: "no-keeper-takeover",
    file: RULES,
    find: '  if (record?.state.kind === "suspect" && record.state.keeper === dead)',
    replace: "  if (record === undefined)",
  },
  {
    name: "takes-over-the-living",
    file: RULES,
    find: "  const living = parts.filter(({ incarnation }) => incarnation !== dead);",
    replace: "  const living = parts.filter(() => false);",
  },
  {
    name: "no-takeover",
    file: PRESENCE,
    find: "    for (const incarnation of dead) this.#background.run(this.#takeover.run(lease, incarnation), incarnation);\n",
    replace: "    void dead;\n",
  },
  {
    name: "everybody-keeps-time",
    file: EFFECTS,
    find: '    if (record?.state.kind !== "suspect" || record.state.keeper !== lease.incarnation) {',
    replace: '    void lease;\n    if (record?.state.kind !== "suspect") {',
  },
  {
    name: "failed-expiry-forgotten",
    file: EFFECTS,
    find: "      this.suspects.add({ channel, key, presence: null }, RETRY_MS);",
    replace: "",
  },
  {
    name: "suspect-forgotten-when-it-expires",
    file: SUSPECTS,
    find: "setTimeout(() => this.#expire(suspect), leftMs)",
    replace: "setTimeout(() => (this.remove(suspect.channel, suspect.key), this.#expire(suspect)), leftMs)",
  },
  {
    name: "no-register",
    file: CONNECTIONS,
    find: "      if (this.#options.leases.of(held.request.channel) === lease) this.#registerElsewhere(held);\n",
    replace: "      void held;\n      void lease;\n",
  },
  {
    name: "no-register-after-a-join",
    file: CONNECTIONS,
    find: "      this.#registerElsewhere(held);\n      return outcome.reply.position;",
    replace: "      return outcome.reply.position;",
  },
  {
    name: "no-register-after-a-register",
    file: CONNECTIONS,
    find: '    if (status === "ok" || status === "kept") this.#registerElsewhere(held);',
    replace: "",
  },
  {
    name: "registers-without-projects",
    file: CONNECTIONS,
    find: "joinedAt: held.joinedAt, memberKey, workstation: workstation ?? null };",
    replace:
      "joinedAt: held.joinedAt, memberKey, workstation: workstation ? { ...workstation, projectIds: [] } : null };",
  },
  {
    name: "registers-without-meta",
    file: CONNECTIONS,
    find: "ticket: held.ticket, meta: held.meta, order: held.order };",
    replace: "ticket: held.ticket, meta: {}, order: held.order };",
  },
  {
    name: "registers-the-first-meta",
    file: CONNECTIONS,
    find: "ticket: held.ticket, meta: held.meta, order: held.order };",
    replace: "ticket: held.ticket, meta: held.request.meta, order: held.order };",
  },
  {
    name: "register-silent",
    file: RULES,
    find: "  if (isSeen) return ok(next);",
    replace: '  if (isSeen) return { status: "kept", next };',
  },
  {
    name: "lease-does-not-end-here",
    file: LEASES,
    find: "    return this.#options.now() - this.#renewedAt < this.#options.leaseMs;",
    replace: "    return this.#renewedAt > Number.NEGATIVE_INFINITY;",
  },
  {
    name: "lease-from-the-answer",
    file: LEASES,
    find: "    this.#renewedAt = sentAt;",
    replace: "    this.#renewedAt = now();",
  },
  {
    name: "ended-lease-renewed",
    file: RECORDS,
    find: "(take || (this.#isAlive(incarnation) && generation === state.generation));",
    replace: "(take || generation === state.generation);",
  },
  {
    name: "lease-of-a-past-generation-renewed",
    file: RECORDS,
    find: "(take || (this.#isAlive(incarnation) && generation === state.generation));",
    replace: "(take || this.#isAlive(incarnation));",
  },
  {
    name: "same-incarnation-again",
    file: LEASES,
    find: "    this.#round += 1;",
    replace: "    this.#round = 1;",
  },
  {
    name: "renewal-under-way-suffices",
    file: LEASES,
    find: "    await this.#renewing?.catch(() => undefined);\n",
    replace: "",
  },
  {
    name: "beats-after-the-lease",
    file: CONNECTIONS,
    find: "    if (!held?.presence || !lease.valid || held.incarnation !== lease.incarnation) return null;",
    replace: "    if (!held?.presence || held.incarnation !== lease.incarnation) return null;",
  },
  {
    name: "beats-under-another-lease",
    file: CONNECTIONS,
    find: "    if (!held?.presence || !lease.valid || held.incarnation !== lease.incarnation) return null;",
    replace: "    if (!held?.presence || !lease.valid) return null;",
  },
  {
    name: "no-floor",
    file: CHANGES,
    find: "        floor: Math.max(floor, this.#options.floorOf(channel, key)),",
    replace: "        floor,",
  },
  {
    name: "raise-does-not-raise",
    file: PRESENCE,
    find: '{ kind: "mint", only: null }, revision);',
    replace: '{ kind: "mint", only: null });',
  },
  {
    name: "raise-enters-nobody-again",
    file: PRESENCE,
    find: "    if (!partsOf(reading.record).some(({ connectionId }) => connectionId === owner)) await this.#enterAgain(channel);\n",
    replace: "    void owner;\n",
  },
  {
    name: "refused-rows-forgotten",
    file: RECONCILER,
    find: "      await this.#store.raise(workstationId, row);\n",
    replace: "      if (row.revision >= 0) return;\n",
  },
  {
    name: "no-row-taken-offline",
    file: RECONCILER,
    find: "    await this.#takeOffline();\n",
    replace: "",
  },
  {
    name: "no-row-brought-online",
    file: RECONCILER,
    find: "    await this.#bringOnline();\n",
    replace: "",
  },
  {
    name: "owner-not-heard",
    file: PRESENCE,
    find: "    if (owner) this.#connections.outrunBy(channel, owner);\n",
    replace: "    void owner;\n",
  },
  {
    name: "owner-not-looked-up-after-a-subscription",
    file: PRESENCE,
    find: "    const learned = this.#store.read(channel, channel).then((reading) => this.#connections.learn(channel, reading));",
    replace: "    const learned = this.#store.read(channel, channel);",
  },
  {
    name: "owner-not-learned",
    file: CONNECTIONS,
    find: '    if (record?.state.kind === "live") this.outrunBy(channel, { connectionId, ticket });\n',
    replace: "    void ticket;\n",
  },
  {
    name: "any-connection-updates",
    file: RULES,
    find: "  if (!record || !part) return { status: absence(record, connectionId) };\n  const others",
    replace: '  if (!record || !part) return { status: "kept" };\n  const others',
  },
  {
    name: "update-without-register",
    file: CONNECTIONS,
    find: '    if (outcome.status !== "not_joined") return outcome;\n    // Data may have been lost a moment ago.\n    await this.#register(held);\n    return update();',
    replace: "    return outcome;",
  },
  // Rosters of projects.
  {
    name: "older-state-shown",
    file: RECORDS,
    find: "    if (known && !isLater(known, state)) return;",
    replace: "",
  },
  {
    name: "shown-without-generation",
    file: RECORDS,
    find: "  return state.generation === known.generation ? state.revision > known.revision : state.generation > known.generation;",
    replace: "  return state.revision > known.revision;",
  },
  {
    name: "past-generation-shown",
    file: RECORDS,
    find: "    if (state.generation !== this.#state.generation) return;\n    const channel",
    replace: "    const channel",
  },
  {
    name: "former-projects-forgotten",
    file: RULES,
    find: "  const stale = [...new Set(before)].filter((id) => !projectIds.includes(id));",
    replace: "  const stale = [...new Set(before)].filter(() => false);",
  },
  {
    name: "former-projects-not-told",
    file: PROJECTS,
    find: '      ...workstation.stale.map((id) => this.#options.store.show(on(id), key, at, "revoked")),\n',
    replace: "",
  },
  {
    name: "stale-projects-replaced",
    file: RULES,
    find: "  const before = [...(record?.workstation?.projectIds ?? []), ...(record?.workstation?.stale ?? [])];",
    replace: "  const before = [...(record?.workstation?.projectIds ?? [])];",
  },
  {
    name: "failed-show-forgotten",
    file: PRESENCE,
    find: '    this.#background.run(this.#effects.projects.retry(), "project rosters");\n',
    replace: "",
  },
  {
    name: "older-state-waits",
    file: PROJECTS,
    find: "    if (!reading.record?.workstation || (before && !isOlder(before, reading))) return;",
    replace: "    if (!reading.record?.workstation) return;",
  },
  {
    name: "older-state-done",
    file: PROJECTS,
    find: "    if (this.#waiting.get(channel) !== reading) return;\n",
    replace: "",
  },
  {
    name: "leaving-not-shown-at-takeover",
    file: TAKEOVER,
    find: '    if (status === "nothing" && reading.record?.state.kind === "gone") await this.#options.show(channel, reading);\n',
    replace: "    void status;\n    void reading;\n",
  },
  {
    name: "rosters-of-other-parts-not-shown-again",
    file: PRESENCE,
    find: '      this.#background.run(this.#showAgain(lease), "project rosters");\n',
    replace: "",
  },
  {
    name: "drain-expires",
    file: PRESENCE,
    find: "    this.#effects.suspects.close();\n",
    replace: "",
  },
  {
    name: "drain-strikes",
    file: PRESENCE,
    find: "    if (!isHeld && !this.#onHold) this.#leases.release(channel);",
    replace: "    if (!isHeld) this.#leases.release(channel);",
  },
  {
    name: "drain-takes-over",
    file: TAKEOVER,
    find: "      if (this.#options.isOver()) return;\n",
    replace: "",
  },
  // Copies of rosters.
  {
    name: "watcher-before-its-snapshot",
    file: REPLICAS,
    find: "      await this.#catchUp(replica);\n      const snapshot = snapshotOf(replica);\n      if (replica.arriving.has(watcher)) replica.watchers.add(watcher);",
    replace:
      "      replica.watchers.add(watcher);\n      await this.#catchUp(replica);\n      const snapshot = snapshotOf(replica);",
  },
  {
    name: "pending-diff-behind-a-snapshot",
    file: REPLICAS,
    find: "  if (replica.roster.hasPending) replica.timer.run();\n",
    replace: "",
  },
  {
    name: "reset-not-told",
    file: REPLICAS,
    find: "    if (!isFirst) send(replica,",
    replace: "    if (isFirst && !isFirst) send(replica,",
  },
  {
    name: "nothing-read-after-a-subscription",
    file: REPLICAS,
    find: "    this.#replicas.get(channel)?.follower.catchUp();",
    replace: "    this.#replicas.get(channel);",
  },
  {
    name: "nothing-read-after-a-loss",
    file: REPLICAS,
    find: "      if (this.#options.leases.of(channel) === lease) follower.catchUp();",
    replace: "      void channel;\n      void follower;\n      void lease;",
  },
  {
    name: "hole-taken-for-read",
    file: REPLICAS,
    find: "    const isSame = position?.epoch === epoch && position.offset === version;",
    replace: "    const isSame = position?.epoch === epoch;",
  },
  {
    name: "roster-read-before-it-is-heard",
    file: REPLICAS,
    find: "    await this.#options.listen(channel);\n    const roster = await this.#read(channel);\n",
    replace: "    const roster = await this.#read(channel);\n    await this.#options.listen(channel);\n",
  },
  {
    name: "roster-of-young-data",
    file: REPLICAS,
    find: "    if (reading.ageMs < leaseMs && Number.isFinite(leaseMs)) await leases.renew(lease);\n    if (lease.sinceLossMs < settleMs) throw settling();",
    replace: "    void leaseMs;",
  },
  {
    name: "loss-not-declared",
    file: LEASES,
    find: "taken.founding, known > 0);",
    replace: "taken.founding, false);",
  },
  {
    name: "copy-not-caught-up",
    file: REPLICAS,
    find: "    await replica.follower.reach({ epoch, offset: version });",
    replace: "    void epoch;\n    void version;",
  },
  {
    name: "left-and-joined-again-in-one-diff",
    file: ROSTER,
    find: "    if (this.#leaves.delete(member.key)) this.#updates.set(member.key, member);\n    else this.#joins",
    replace: "    this.#joins",
  },
  {
    name: "joined-and-left-in-one-diff",
    file: ROSTER,
    find: "    if (this.#joins.delete(key)) return;",
    replace: "    this.#joins.delete(key);",
  },
  {
    name: "roster-read-while-it-settles",
    file: REPLICAS,
    find: "    if (lease.sinceLossMs < settleMs) throw settling();\n    const reading",
    replace: "    const reading",
  },
  {
    name: "forgotten-roster-comes-back-the-same",
    file: RECORDS,
    find: "    this.#state.epochs += 1;\n",
    replace: "",
  },
  {
    name: "heard-roster-forgotten",
    file: RECORDS,
    find: "        !this.#listeners.has(name) && ![...channel",
    replace: "        ![...channel",
  },
  // The follower of a channel.
  {
    name: "gap-not-noticed",
    file: FOLLOWER,
    find: "    if (epoch !== cursor.epoch || offset > next) return false;\n    // Older ones were read already; an older ephemeral one would be out of order.\n    if (offset === next)",
    replace: "    if (epoch !== cursor.epoch) return false;\n    if (offset >= next)",
  },
  {
    name: "epoch-not-noticed",
    file: FOLLOWER,
    find: "    if (epoch !== cursor.epoch || offset > next) return false;",
    replace: "    if (offset > next) return false;",
  },
  {
    name: "message-delivered-twice",
    file: FOLLOWER,
    find: "    if (offset === next) this.#deliver(message, { epoch, offset });",
    replace: "    this.#deliver(message, { epoch, offset });",
  },
  {
    name: "messages-lost-during-a-read",
    file: FOLLOWER,
    find: "    if (this.#reading || !this.#cursor) this.#hold({ message, judged: false });\n    else if (!this.#take",
    replace: "    if (this.#reading || !this.#cursor) return;\n    else if (!this.#take",
  },
  {
    name: "not-read-once-more",
    file: FOLLOWER,
    find: "    else if (this.#reading) this.#again = true;\n",
    replace: "    else if (this.#reading) return;\n",
  },
  {
    name: "held-gap-not-read",
    file: FOLLOWER,
    find: "        this.#hold({ message, judged });\n        this.#again = true;\n",
    replace: "",
  },
  {
    name: "failed-read-not-tried-again",
    file: FOLLOWER,
    find: "    this.#retry = setTimeout(() => this.#readNow(), this.#retryMs).unref();\n",
    replace: "",
  },
];

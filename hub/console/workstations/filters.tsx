import type { Project } from "@monster-realtime/client";
import type { RefObject } from "react";
import type { Counts } from "./overview.ts";
import { type Filters, isFiltering, NO_FILTERS, STATUS_NAMES, STATUSES, type Status } from "./rows.ts";

interface FilterBarProps {
  filters: Filters;
  projects: readonly Project[];
  agents: readonly string[];
  /** Null while unknown. */
  counts: Counts | null;
  shown: number;
  searchRef: RefObject<HTMLInputElement | null>;
  onChange(filters: Filters): void;
}

export function FilterBar({ filters, projects, agents, counts, shown, searchRef, onChange }: FilterBarProps) {
  const set = (change: Partial<Filters>) => onChange({ ...filters, ...change });
  const toggle = (status: Status) => {
    const statuses = new Set(filters.statuses);
    if (!statuses.delete(status)) statuses.add(status);
    set({ statuses });
  };
  return (
    <search className="filters">
      <input
        ref={searchRef}
        type="search"
        aria-label="Search workstations by name, host or id"
        placeholder="Search ( / )"
        value={filters.text}
        onChange={(event) => set({ text: event.target.value })}
      />
      <fieldset>
        <legend className="for-readers">Status</legend>
        {STATUSES.map((status) => (
          <button
            key={status}
            type="button"
            className="chip"
            data-status={status}
            aria-pressed={filters.statuses.has(status)}
            onClick={() => toggle(status)}
          >
            {STATUS_NAMES[status]} <b>{counts?.[status]}</b>
          </button>
        ))}
      </fieldset>
      <select
        aria-label="Project"
        value={filters.projectId ?? ""}
        onChange={(event) => set({ projectId: event.target.value || null })}
      >
        <option value="">All projects</option>
        {projects.map(({ id, name }) => (
          <option key={id} value={id}>
            {name}
          </option>
        ))}
      </select>
      <select
        aria-label="Agent"
        value={filters.agent ?? ""}
        onChange={(event) => set({ agent: event.target.value || null })}
      >
        <option value="">All agents</option>
        {agents.map((agent) => (
          <option key={agent}>{agent}</option>
        ))}
      </select>
      {isFiltering(filters) && (
        <button type="button" className="plain" onClick={() => onChange(NO_FILTERS)}>
          Clear
        </button>
      )}
      <p className="for-readers" role="status">
        {shown} workstations shown
      </p>
    </search>
  );
}

/** A workstation's meta of typical size; `count` distinguishes one update from the next. */
export const workstationMeta = (count: number) => ({
  status: count % 2 === 0 ? "online" : "busy",
  availableAgents: ["claude-code", "cursor"],
  activeProjects: [],
  currentTaskCount: count,
});

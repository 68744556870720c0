/** The hub's program, in which a signal causes an uncaught exception. */
process.on("SIGUSR2", () => {
  throw new Error("an exception for the test");
});

await import("../../hub/main.ts");

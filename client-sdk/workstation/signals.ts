const SIGNALS = ["SIGTERM", "SIGINT"] as const;

/**
 * Calls `received` at each SIGTERM and SIGINT, which then no longer end the process. Returns the function that stops
 * it.
 */
export function listenToSignals(received: () => void): () => void {
  for (const signal of SIGNALS) process.on(signal, received);
  return () => {
    for (const signal of SIGNALS) process.off(signal, received);
  };
}

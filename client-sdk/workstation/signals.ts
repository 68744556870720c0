const SIGNALS = ["SIGTERM", "SIGINT"] as const;

/** Calls `heard` at each SIGTERM and SIGINT, which end the process by themselves no more. Gives the function that ends that. */
export function listenToSignals(heard: () => void): () => void {
  for (const signal of SIGNALS) process.on(signal, heard);
  return () => {
    for (const signal of SIGNALS) process.off(signal, heard);
  };
}

import { taskChannel } from "@monster-realtime/client";
import { useClient, useConnection } from "@monster-realtime/client/react";
import { useEffect, useState } from "react";

const EVERY_MS = 5_000;
/** Nobody is subscribed to it, so that ending the subscription is a way to the hub and back, and nothing else. */
const NOWHERE = taskChannel("task_00000000000000000000000000");

/** Milliseconds to the hub and back, measured every five seconds; null while there is no connection. */
export function useLatencyMs(): number | null {
  const client = useClient();
  const { isConnected } = useConnection();
  const [latencyMs, setLatencyMs] = useState<number | null>(null);
  useEffect(() => {
    setLatencyMs(null);
    if (!isConnected) return;
    const measure = async () => {
      const begun = performance.now();
      try {
        await client.request("unsubscribe", { channel: NOWHERE });
        setLatencyMs(performance.now() - begun);
      } catch {
        // The connection's state tells of it.
        setLatencyMs(null);
      }
    };
    void measure();
    const timer = setInterval(() => void measure(), EVERY_MS);
    return () => clearInterval(timer);
  }, [client, isConnected]);
  return latencyMs;
}

import { taskChannel } from "@monster-realtime/client";
import { useClient, useConnection } from "@monster-realtime/client/react";
import { useEffect, useState } from "react";

const EVERY_MS = 5_000;
/** A channel without subscribers: an `unsubscribe` request for it is only a round trip to the hub. */
const NO_CHANNEL = taskChannel("task_00000000000000000000000000");

/** The round-trip time to the hub in milliseconds, measured every five seconds; null without a connection. */
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
        await client.request("unsubscribe", { channel: NO_CHANNEL });
        setLatencyMs(performance.now() - begun);
      } catch {
        // The connection's state shows the failure.
        setLatencyMs(null);
      }
    };
    void measure();
    const timer = setInterval(() => void measure(), EVERY_MS);
    return () => clearInterval(timer);
  }, [client, isConnected]);
  return latencyMs;
}

import { MemoryBroker } from "../../hub/broker/memory.ts";
import { brokerContract } from "../contract/broker.ts";

brokerContract("memory", async ({ historySize, historyTtlMs, positionTtlMs }) => {
  let now = 0;
  const retention = () => ({ size: historySize, ttlMs: historyTtlMs });
  const broker = new MemoryBroker({ retention, positionTtlMs, monotonicNow: () => now });
  const advance = async (ms: number) => {
    now += ms;
    broker.sweep();
  };
  return { broker, advance, close: () => broker.close() };
});

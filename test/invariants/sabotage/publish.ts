/** Splits a publish in two: the history has it immediately, the subscribers get it after a random delay. */
import type { Broker, StreamListener } from "../../../hub/broker/broker.ts";
import { MemoryBroker } from "../../../hub/broker/memory.ts";
import { RedisBroker } from "../../../hub/broker/redis.ts";

const MOST_LATE_MS = 8;

const late = (listener: StreamListener): StreamListener => ({
  publication: (...args) => void setTimeout(() => listener.publication(...args), Math.random() * MOST_LATE_MS),
  lost: (channel) => listener.lost(channel),
});

for (const { prototype } of [MemoryBroker, RedisBroker] as { prototype: Broker }[]) {
  const { subscribe } = prototype;
  prototype.subscribe = function (this: Broker, channel, listener) {
    return subscribe.call(this, channel, late(listener));
  };
}

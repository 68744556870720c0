/** Answers "recovered" without publications: the gap check must find it. */
import { MemoryBroker } from "../../../hub/broker/memory.ts";
import { RedisBroker } from "../../../hub/broker/redis.ts";

for (const { prototype } of [MemoryBroker, RedisBroker]) {
  const { recover } = prototype;
  prototype.recover = async function (this: MemoryBroker & RedisBroker, ...asked: Parameters<typeof recover>) {
    const recovery = await recover.apply(this, asked);
    return { ...recovery, publications: recovery.publications && [] };
  };
}

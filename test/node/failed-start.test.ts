import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { is, match } from "uvu/assert";
import { loadConfig } from "../../hub/config/config.ts";
import { createLogger } from "../../hub/kernel/log.ts";
import { startNode } from "../../hub/node/node.ts";
import { withDatabase } from "../support/database.ts";
import { withFolder } from "../support/faults.ts";
import { suite } from "../support/suite.ts";

const test = suite("a start that fails");

test("leaves neither a listener nor the lock when the port is in use, so that the next start serves", () =>
  withFolder((dataDir) =>
    withDatabase(async (database) => {
      const taken = createServer().listen(0, "127.0.0.1");
      await once(taken, "listening");
      const { port } = taken.address() as AddressInfo;
      const free = createServer().listen(0, "127.0.0.1");
      await once(free, "listening");
      const metricsPort = (free.address() as AddressInfo).port;
      await once(free.close(), "close");
      const env = { PORT: String(port), HOST: "127.0.0.1", DATA_DIR: dataDir, METRICS_PORT: String(metricsPort) };
      const start = () =>
        startNode({
          config: loadConfig(env),
          log: createLogger("silent"),
          store: { database, close: async () => undefined },
        });
      const failure = await start().catch((error: Error) => error.message);
      match(String(failure), "is in use");
      await once(taken.close(), "close");
      const node = await start();
      await node.serving;
      is(Object.keys(await node.readiness()).length, 0);
      await node.stop({ drain: false });
    }),
  ));

test.run();

import { is, ok } from "uvu/assert";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { Deployment, faultNaming, ready } from "./support/deployment.ts";
import { isReady } from "./support/ready-proxy.ts";

const test = suite("hubs without Redis on one database");

test(
  "two permanently running hubs change places once: the second takeover is refused, with the remedy, until the holder ends",
  () =>
    Deployment.with(async (deployment) => {
      const first = await deployment.start();
      const second = await deployment.start();
      is(await first.process.exited, 0, first.process.output);
      // The platform starts it again.
      const third = await deployment.launch();
      await faultNaming(third, "another hub without Redis", "REDIS_URL");
      is((await fetch(`http://127.0.0.1:${third.port}/healthz`)).status, 200);
      await until("the log reports it too", () => third.process.output.includes("REDIS_URL"));
      ok(await isReady(second.port));
      second.process.kill("SIGKILL");
      await second.process.exited;
      // It was refused, so it follows a minute after the holder's last proof.
      await ready(third, 90_000);
    }),
  180_000,
);

test(
  "a killed holder is succeeded by the next hub that starts, a paused one within six seconds, and it ends when it continues",
  () =>
    Deployment.with(async (deployment) => {
      const first = await deployment.start();
      const machine = await deployment.workstation();
      first.process.kill("SIGSTOP");
      const second = await deployment.launch();
      await ready(second);
      first.process.kill("SIGCONT");
      is(await first.process.exited, 0, first.process.output);
      await machine.client.connect();
      second.process.kill("SIGKILL");
      await second.process.exited;
      // A hub that was refused before would follow a minute after the last proof.
      await ready(await deployment.launch());
      is(await deployment.timesOffline(), 0);
    }),
  120_000,
);

test.run();

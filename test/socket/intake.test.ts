import { equal, is, ok } from "uvu/assert";
import { HubError } from "../../hub/kernel/errors.ts";
import { Intake, type IntakePolicy } from "../../hub/socket/intake.ts";
import type { EngineConnection } from "../../hub/socket/outbound.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("intake");

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

interface SetUp {
  bytesPerSecond?: number;
  deliver?: () => void;
  /** The answer of the principal's share. */
  share?: (bytes: number) => number;
}

function setUp({ bytesPerSecond = 1_000_000, deliver, share = () => 0 }: SetUp = {}) {
  const seen: string[] = [];
  const policy: IntakePolicy = {
    limits: { frameBytes: 1_000, packetsPerPost: 100, bytesPerSecond, requestsPerSecond: 1_000 },
    refuse: (_, error) => void seen.push(`refused ${error.code}`),
    report: (error, connectionId) => void seen.push(`${connectionId}: ${(error as Error).message}`),
  };
  const source = {
    pause: () => void seen.push("pause"),
    resume: () => void seen.push("resume"),
    limitFrames: (bytes: number) => void seen.push(`frames of ${bytes}`),
    deliver: (packet: unknown) => {
      deliver?.();
      seen.push(`packet ${packet}`);
    },
  };
  const intake = new Intake(policy);
  intake.readsFrom(source);
  intake.belongsTo({} as EngineConnection);
  const connection = {
    id: "c1",
    share: { spend: share },
    end: (error: HubError) => void seen.push(`ended ${error.code}`),
  };
  return { seen, source, intake, connection };
}

for (const admitted of [false, true]) {
  test(`an exception that a packet causes ends only its connection, ${admitted ? "after" : "before"} its admission`, () => {
    const { seen, source, intake, connection } = setUp({
      deliver: () => {
        throw new RangeError("Maximum call stack size exceeded");
      },
    });
    if (admitted) intake.admit(connection);
    seen.length = 0;
    intake.take(source, 1);
    const [who, how] = admitted ? ["c1", "ended"] : ["null", "refused"];
    equal(seen, [`${who}: Maximum call stack size exceeded`, "pause", `${how} internal`]);
  });
}

test("larger frames are read once the client is admitted, also from a transport that is added later", () => {
  const { seen, source, intake, connection } = setUp();
  intake.admit(connection);
  intake.readsFrom(source);
  equal(seen, ["frames of 16384", "frames of 16384", "frames of 1000", "frames of 1000"]);
});

test("a turn handles a bounded number of packets, and the others follow in order while reading pauses", async () => {
  await nextTurn();
  const { seen, source, intake, connection } = setUp();
  intake.admit(connection);
  seen.length = 0;
  for (let packet = 0; packet < 200; packet += 1) intake.take(source, packet);
  is(seen.filter((what) => what.startsWith("packet")).length, 64);
  is(seen.at(-1), "pause");
  await until("reading resumes", () => seen.at(-1) === "resume");
  equal(
    seen.filter((what) => what.startsWith("packet")),
    Array.from({ length: 200 }, (_, packet) => `packet ${packet}`),
  );
});

test("a connection that sends one packet is handled immediately, between connections that send thousands", async () => {
  await nextTurn();
  const busy = Array.from({ length: 20 }, () => setUp());
  for (const { intake, connection, source } of busy) {
    intake.admit(connection);
    for (let packet = 0; packet < 1_000; packet += 1) intake.take(source, packet);
  }
  const quiet = setUp();
  quiet.intake.admit(quiet.connection);
  const handledOf = ({ seen }: { seen: string[] }) => seen.filter((what) => what.startsWith("packet")).length;
  let before = 0;
  for (let packet = 0; packet < 50; packet += 1) {
    quiet.intake.take(quiet.source, packet);
    is(handledOf(quiet), packet + 1);
    const handled = busy.reduce((sum, one) => sum + handledOf(one), 0);
    ok(packet === 0 || handled - before <= 64, `${handled - before} packets of others in one turn`);
    before = handled;
    await nextTurn();
  }
  const counts = busy.map(handledOf);
  ok(Math.max(...counts) - Math.min(...counts) <= 72, `the connections alternate: ${counts}`);
  await until("all is handled", () => busy.every((one) => handledOf(one) === 1_000));
});

test("reading pauses when the budget is used up, and resumes when that is paid for", async () => {
  const { seen, intake, connection } = setUp({ bytesPerSecond: 10_000 });
  intake.admit(connection);
  seen.length = 0;
  intake.spend(12_000);
  equal(seen, ["pause"]);
  await until("reading resumes", () => seen.at(-1) === "resume");
});

test("reading resumes when all reasons to pause have ended, and a transport added in between waits too", async () => {
  const { seen, source, intake, connection } = setUp({ bytesPerSecond: 10_000 });
  intake.admit(connection);
  seen.length = 0;
  intake.spend(12_000);
  for (let packet = 0; packet < 70; packet += 1) intake.take(source, packet);
  const added: string[] = [];
  const other = { ...source, pause: () => void added.push("pause"), resume: () => void added.push("resume") };
  intake.readsFrom(other);
  equal(added, ["pause"]);
  await until("reading resumes", () => seen.at(-1) === "resume");
  is(seen.filter((what) => what === "resume").length, 1);
  is(seen.filter((what) => what.startsWith("packet")).length, 70);
  equal(added, ["pause", "resume"]);
});

test("a client that is not admitted may send 128 KiB in total", () => {
  const { seen, intake } = setUp();
  for (let chunk = 0; chunk < 4; chunk += 1) intake.spend(40_000);
  equal(
    seen.filter((what) => what.startsWith("refused")),
    ["refused bad_request"],
  );
});

test("frames cost more than their bytes, and count for the principal", () => {
  const shared: number[] = [];
  const share = (bytes: number) => {
    shared.push(bytes);
    return 0;
  };
  const { seen, intake, connection } = setUp({ bytesPerSecond: 10_000, share });
  intake.admit(connection);
  seen.length = 0;
  for (let frame = 0; frame < 5_000; frame += 1) intake.spendPacket();
  equal(seen, []);
  is(shared.length, 5_000);
  for (let frame = 0; frame < 10_000; frame += 1) intake.spendPacket();
  equal(seen, ["pause"]);
});

test("a pause of the connection becomes as long as the principal's", async () => {
  const shares = [0, 80];
  const { seen, intake, connection } = setUp({ bytesPerSecond: 10_000, share: () => shares.shift() ?? 0 });
  intake.admit(connection);
  seen.length = 0;
  const begun = performance.now();
  intake.spend(10_010);
  intake.spend(1);
  await until("reading resumes", () => seen.at(-1) === "resume");
  equal(seen, ["pause", "resume"]);
  ok(performance.now() - begun >= 79, "not before both are paid for");
});

test("a caller that waits for the waiting packets is called after the last of them, or immediately if none waits", async () => {
  await nextTurn();
  const { seen, source, intake, connection } = setUp();
  intake.admit(connection);
  intake.whenHandled(() => seen.push("idle"));
  is(seen.at(-1), "idle");
  for (let packet = 0; packet < 200; packet += 1) intake.take(source, packet);
  intake.whenHandled(() => seen.push("handled"));
  await until("all are handled", () => seen.at(-1) === "handled");
  is(seen.filter((what) => what.startsWith("packet")).length, 200);
});

test("waiting packets of a connection that broke the limits are dropped", async () => {
  await nextTurn();
  const { seen, source, intake, connection } = setUp();
  intake.admit(connection);
  for (let packet = 0; packet < 200; packet += 1) intake.take(source, packet);
  intake.violate(new HubError("bad_request", "x"));
  intake.take(source, "late");
  intake.whenHandled(() => seen.push("handled"));
  await until("the rest is dropped", () => seen.at(-1) === "handled");
  is(seen.filter((what) => what.startsWith("packet")).length, 64);
});

test("a transport that has closed is paused and resumed no longer", () => {
  const { seen, source, intake, connection } = setUp({ bytesPerSecond: 10_000 });
  intake.admit(connection);
  const other = { ...source, pause: () => void seen.push("other pauses") };
  intake.readsFrom(other);
  intake.readsNoLonger(source);
  seen.length = 0;
  intake.spend(12_000);
  equal(seen, ["other pauses"]);
});

test("a client that is not admitted is rejected once, however many packets it sends", () => {
  const { seen, source, intake } = setUp();
  for (let packet = 0; packet < 100; packet += 1) intake.take(source, packet);
  is(seen.filter((what) => what.startsWith("packet")).length, 8);
  is(seen.filter((what) => what.startsWith("refused")).length, 1);
});

test.run();

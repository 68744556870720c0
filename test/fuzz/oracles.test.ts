import { equal, is } from "uvu/assert";
import { suite } from "../support/suite.ts";
import { Answers } from "./answers.ts";
import { fragments } from "./inputs/frames.ts";
import type { Outcome } from "./run.ts";
import { faultsOf } from "./verdict.ts";

const test = suite("the checks of attacks");

function admitted(): Answers {
  const answers = new Answers(["secret"]);
  answers.received('42["welcome",{}]');
  return answers;
}

test("every event with an id expects its own answer, also invalid JSON", () => {
  const answers = admitted();
  for (const packet of ['425["publish",{}]', "425[", "42/,7x", '42["publish",{}]', "429/x"]) answers.sent(packet);
  answers.received("435[{}]");
  equal(answers.unanswered, [5, 7]);
  answers.received("435[{}]");
  answers.received("437[{}]");
  equal(answers.unanswered, []);
  is(answers.wrong, null);
});

test("the reason for an end replaces the answers, an end without one does not", () => {
  const answers = admitted();
  answers.sent("425[]");
  answers.sent("4nonsense");
  equal(answers.unanswered, [5]);
  answers.received('42["closing",{}]');
  equal(answers.unanswered, []);
});

test("no answer is expected before the client is accepted, or after it has left", () => {
  const early = new Answers([]);
  early.sent("425[]");
  equal(early.unanswered, []);
  const left = admitted();
  left.sent("425[]");
  left.sent("41");
  equal(left.unanswered, []);
});

test("a packet with forbidden text is wrong, and so is an answer to no event", () => {
  const leaked = admitted();
  leaked.received('431[{"title":"secret"}]');
  is(leaked.wrong, '431[{"title":"secret"}]');
  const doubled = admitted();
  doubled.sent("425[]");
  for (const _ of "12") doubled.received("435[{}]");
  is(doubled.wrong?.includes("event 5"), true);
});

test("memory that grows and connections that stay are faults of a run", () => {
  const held = { connections: 1, transports: 1, sockets: 2 };
  const flat = { fault: null, memory: Array(16).fill(40), heldBefore: held, heldAfter: held } as unknown as Outcome;
  equal(faultsOf(flat), []);
  is(faultsOf({ ...flat, memory: flat.memory.map((_, index) => 40 + index * 4) }).length, 1);
  is(faultsOf({ ...flat, heldAfter: { connections: 2, transports: 3, sockets: 5 } }).length, 3);
  equal(faultsOf({ ...flat, fault: "The hub ended." }), ["The hub ended."]);
});

test("the fragments of a packet are the packet", () => {
  for (const pieces of [1, 2, 5]) {
    const data = fragments("42[\u00e9]", pieces).filter(({ opcode }) => opcode < 8);
    is(Buffer.from(data.map(({ payload }) => payload).join(""), "latin1").toString(), "42[\u00e9]");
    equal(
      data.map(({ fin }) => fin),
      data.map((_, index) => index === data.length - 1),
    );
  }
});

test.run();

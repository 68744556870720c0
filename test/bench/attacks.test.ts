import { equal, match } from "uvu/assert";
import { type Attack, type Attacker, attackWith, missed } from "../../scripts/bench/attacks/attack.ts";
import { ATTACKS } from "../../scripts/bench/attacks/index.ts";
import { suite } from "../support/suite.ts";

const test = suite("an attack");

const ATTACKER: Attacker = {
  url: "http://127.0.0.1:9",
  localAddress: "127.0.0.1",
  userToken: "",
  workstationToken: "",
  workstationId: "",
  organizationId: "",
  projectId: "",
  remoteIssuer: "",
};

const attackOf = (strike: Attack["strike"]): Attack => ({
  name: "made-up",
  description: "",
  lanes: { test: 1, bench: 1 },
  observes: { bad_request: 2 },
  strike,
});

const struckBy = async (strike: Attack["strike"]) => {
  const attack = attackOf(strike);
  return missed(attack, await attackWith(attack, ATTACKER, { lanes: 2, strikes: 1 }));
};

test("happened if all lanes together made its required observations", async () => {
  equal(await struckBy(async ({ saw }) => saw("bad_request")), null);
});

test("did not happen if its strikes observed something else, or too little", async () => {
  match(String(await struckBy(async ({ saw }) => saw("status 404"))), /"bad_request" 0 of 2 times.*status 404/);
  match(String(await struckBy(async ({ saw }) => saw("bad_request", 0.5))), /1 of 2 times/);
});

test("did not happen if every strike was refused, and the first refusal is named", async () => {
  match(String(await struckBy(() => Promise.reject(new Error("no way in")))), /2 strikes were refused.*no way in/);
});

test("of the list never happens without a listening server", async () => {
  for (const attack of ATTACKS) {
    const struck = await attackWith(attack, ATTACKER, { lanes: 1, strikes: 1 });
    match(String(missed(attack, struck)), /did not happen/, attack.name);
  }
});

test.run();

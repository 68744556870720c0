import { equal, is, ok } from "uvu/assert";
import { createLogger } from "../../hub/kernel/log.ts";
import { addressNetwork, clientAddress } from "../../hub/socket/client-address.ts";
import { FailedHandshakes } from "../../hub/socket/failed-handshakes.ts";
import { suite } from "../support/suite.ts";

const test = suite("failed handshakes");

const WRONG_TOKEN = { code: "unauthenticated", temporary: false } as const;
const failuresOf = (perSecond: number, log = createLogger("silent")) =>
  new FailedHandshakes({ perSecond, trustProxy: 0, log });

test("a network that fails ten seconds' worth at once is rejected, then admitted at its rate", () => {
  const limits = failuresOf(2);
  for (let failure = 0; failure < 20; failure += 1) {
    is(limits.refusedForMs("a", 1_000), 0);
    limits.failed("a", 1_000, WRONG_TOKEN);
  }
  is(limits.refusedForMs("a", 1_000), 500);
  is(limits.refusedForMs("b", 1_000), 0, "another network");
  is(limits.refusedForMs("a", 1_500), 0);
  limits.failed("a", 1_500, WRONG_TOKEN);
  is(limits.refusedForMs("a", 1_500), 500);
  is(limits.refusedForMs("a", 60_000), 0);
});

test("failures that may be the hub's own weigh a tenth, and those of a draining hub weigh nothing", () => {
  const limits = failuresOf(2);
  const attempts = (refusal: { code: "unavailable" | "draining"; temporary: true }) => {
    let attempt = 0;
    for (; attempt < 1_000 && limits.refusedForMs(refusal.code, 0) === 0; attempt += 1) {
      limits.failed(refusal.code, 0, refusal);
    }
    return attempt;
  };
  ok(Math.abs(attempts({ code: "unavailable", temporary: true }) - 191) <= 1);
  is(attempts({ code: "draining", temporary: true }), 1_000);
});

test("the number of networks is bounded", () => {
  const limits = failuresOf(1);
  for (let failure = 0; failure < 10; failure += 1) limits.failed("first", 0, WRONG_TOKEN);
  is(limits.refusedForMs("first", 0), 1_000);
  for (let network = 0; network < 10_000; network += 1) limits.failed(String(network), 0, WRONG_TOKEN);
  is(limits.refusedForMs("first", 0), 0, "forgotten");
});

test("addresses count by their network: an IPv6 customer has a /64", () => {
  const networks = ["192.0.2.7", "::ffff:192.0.2.7", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::1", "2001:db8::1", "::1"];
  equal(networks.map(addressNetwork), [
    "192.0.2.7",
    "192.0.2.7",
    "2001:db8:1:2::/64",
    "2001:db8:1:2::/64",
    "2001:db8:0:0::/64",
    "0:0:0:0::/64",
  ]);
});

test("the client's address is the one that the outermost trusted proxy saw", () => {
  const headers = { "x-forwarded-for": "203.0.113.9, 198.51.100.2, 192.0.2.1" };
  equal(
    [0, 1, 2, 3, 4].map((proxies) => clientAddress("127.0.0.1", headers, proxies)),
    ["127.0.0.1", "192.0.2.1", "198.51.100.2", "203.0.113.9", "127.0.0.1"],
  );
  is(clientAddress("127.0.0.1", { "x-forwarded-for": "unknown" }, 1), "127.0.0.1");
});

test.run();

import { is } from "uvu/assert";
import { SilentClients } from "../../hub/socket/silent-clients.ts";
import { suite } from "../support/suite.ts";

const test = suite("silent clients");

test("thousands may connect at once, and those silent for a second make room", () => {
  const silent = new SilentClients<number>();
  for (let client = 0; client < 5_000; client += 1) is(silent.add(client, "a", 1_000 + client / 10), null);
  is(silent.add(5_000, "a", 2_600), 0);
  is(silent.add(5_001, "a", 2_600), 1);
  is(silent.add(5_002, "b", 2_600), null);
});

test("a client that sent its CONNECT makes no room", () => {
  const silent = new SilentClients<number>();
  for (let client = 0; client < 256; client += 1) silent.add(client, "a", 0);
  silent.remove(0, "a");
  is(silent.add(256, "a", 5_000), null);
  is(silent.add(257, "a", 5_000), 1);
});

test.run();

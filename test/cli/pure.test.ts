import { equal, is, match, not, throws } from "uvu/assert";
import { typeMatcher } from "../../client-sdk/cli/channels/glob.ts";
import { parseSince } from "../../client-sdk/cli/channels/past.ts";
import { RenewableToken } from "../../client-sdk/cli/connection/renewable-token.ts";
import { cutTo, harmless, nearest, oneLine } from "../../client-sdk/cli/format/text.ts";
import { ago, durationMs } from "../../client-sdk/cli/format/times.ts";
import { suite } from "../support/suite.ts";

const test = suite("pure parts of the command line");

test("parses durations only with their units", () => {
  const typed = ["500ms", "1.5s", "10m", "2h", "1d", "10", "-1s", "1w", ""];
  equal(typed.map(durationMs), [500, 1_500, 600_000, 7_200_000, 86_400_000, null, null, null, null]);
});

test("formats durations in at most two units", () => {
  const lengths = [0, 59_999, 60_000, 3_661_000, 90_000_000, -5];
  equal(lengths.map(ago), ["0s", "59s", "1m", "1h 1m", "1d 1h", "0s"]);
});

test("parses the start of a range", () => {
  equal(parseSince("10m", 1_000_000), { at: 400_000 });
  equal(parseSince("1234", 0), { offset: 1234 });
  equal(parseSince("all", 0), { offset: 0 });
  equal(parseSince("2026-01-31T12:00:00Z", 0), { at: Date.UTC(2026, 0, 31, 12) });
  for (const typed of ["", "yesterday", "-5", "2026-13-99"]) throws(() => parseSince(typed, 0), /is not valid/);
});

test("matches types by patterns, with dots taken literally", () => {
  const matches = (pattern: string, type: string) => typeMatcher([pattern])({ type });
  equal(
    [matches("task:*", "task:assign"), matches("a.b", "aXb"), matches("no?e", "note"), matches("task", "task:assign")],
    [true, false, true, false],
  );
  is(typeMatcher([])({ type: "any" }), true);
});

test("suggests similar names only", () => {
  const names = ["tasks.get", "tasks.list", "projects.get"];
  equal(nearest("task.get", names, 1), ["tasks.get"]);
  equal(nearest("something.else", names), []);
});

test("escapes control characters of foreign text", () => {
  is(harmless("\u001b[2Jtext\u009b1m\r\n"), "\\x1b[2Jtext\\x9b1m\\x0d\\x0a");
  is(oneLine(undefined), "null");
});

test("cuts lines by their width in cells, and resets their colors", () => {
  const cut = (line: string) => cutTo(line, 4);
  equal(["abc", "abcdef", "日本語", ""].map(cut), ["abc", "abcd", "日本", ""]);
  equal(cut("\u001b[1mab\u001b[22mcd"), "\u001b[1mab\u001b[22mcd");
  equal(cut("\u001b[31mabcdef\u001b[39m"), "\u001b[31mabcd\u001b[0m");
});

test("uses a token renewed in its context, and rejects an expired one", async () => {
  const address = { url: "http://hub", token: "old", context: "prod" };
  let kept = address;
  const token = new RenewableToken(address, async () => kept);
  equal([await token.read(), await token.read()], ["old", "old"]);
  token.expired();
  const refusal = await token.read().catch((error: unknown) => error);
  equal([(refusal as { code: string }).code, (refusal as { temporary: boolean }).temporary], ["token_expired", false]);
  kept = { ...address, token: "new" };
  is(await token.read(), "new");
  match(
    token.warning(60_000),
    "expires in 60 s. Pipe a new one into `monster-realtime context add prod --token-stdin`",
  );
});

test("sends a personal access token again after its warning", async () => {
  const address = { url: "http://hub", token: "pat_12345678", context: null };
  const token = new RenewableToken(address, async () => address);
  await token.read();
  token.expired();
  equal([await token.read(), token.isPersonal], ["pat_12345678", true]);
});

test("ignores the token of another address, and unreadable contexts", async () => {
  const address = { url: "http://hub", token: "old", context: null };
  const elsewhere = new RenewableToken(address, async () => ({ ...address, url: "http://other", token: "other" }));
  const unreadable = new RenewableToken(address, () => Promise.reject(new Error("gone")));
  for (const token of [elsewhere, unreadable]) equal([await token.read(), await token.read()], ["old", "old"]);
  not.match(elsewhere.warning(1_000), "context add");
});

test.run();

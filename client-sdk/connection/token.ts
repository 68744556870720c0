/** Returns the application's token without surrounding whitespace. Throws `wrong(why)` for anything else. */
export function readToken(given: unknown, wrong: (why: string) => Error): string {
  // The reason never includes the value: it may be a token or contain one.
  if (typeof given !== "string") throw wrong(`it is ${given === null ? given : typeof given}`);
  const token = given.trim();
  if (!/^\S+$/.test(token)) throw wrong(token ? "it is split by whitespace" : "it is empty");
  return token;
}

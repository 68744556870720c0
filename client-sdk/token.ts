/** The token that an application gave, without the whitespace around it. Throws `wrong(why)` for anything else. */
export function readToken(given: unknown, wrong: (why: string) => Error): string {
  // Never what was given: it may be a token, or hold one.
  if (typeof given !== "string") throw wrong(`it is ${given === null ? given : typeof given}`);
  const token = given.trim();
  if (!/^\S+$/.test(token)) throw wrong(token ? "it is split by whitespace" : "it is empty");
  return token;
}

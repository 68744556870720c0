const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const TIME_LENGTH = 10;
const RANDOM_LENGTH = 16;

/** Returns a ULID: 48 bits of `now` (ms) and 80 random bits as 26 characters that sort by time. */
export function ulid(now: number = Date.now()): string {
  let time = "";
  for (let rest = now, place = 0; place < TIME_LENGTH; place++, rest = Math.floor(rest / 32)) {
    time = ALPHABET.charAt(rest % 32) + time;
  }
  const random = crypto.getRandomValues(new Uint8Array(RANDOM_LENGTH));
  return time + Array.from(random, (byte) => ALPHABET.charAt(byte % 32)).join("");
}

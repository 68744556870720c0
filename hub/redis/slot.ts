export const SLOTS = 16_384;
/** CRC16 of the XMODEM kind, as the specification of Redis Cluster requires. */
const POLYNOMIAL = 0x1021;

/** The slot of a key: of its hash tag, the text in the first braces, or else of the whole key. */
export function slotOf(key: string): number {
  const open = key.indexOf("{");
  const close = key.indexOf("}", open + 1);
  const hashed = open >= 0 && close > open + 1 ? key.slice(open + 1, close) : key;
  return crc16(Buffer.from(hashed)) % SLOTS;
}

const ATTEMPTS = 200_000;

/** A hash tag that begins with `base` and whose slot is `wanted`: the same one in every call. */
export function tagOf(base: string, wanted: (slot: number) => boolean): string {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const tag = `${base}.${attempt}`;
    if (wanted(slotOf(`{${tag}}`))) return tag;
  }
  throw new Error(`No slot is wanted for a tag that begins with ${base}`);
}

function crc16(bytes: Buffer): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x8000 ? (crc << 1) ^ POLYNOMIAL : crc << 1;
  }
  return crc & 0xffff;
}

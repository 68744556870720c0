import type { IncomingMessage } from "node:http";
import { badRequest, HubError } from "../kernel/errors.ts";
import { jsonTooComplex } from "../kernel/json-limits.ts";
import { refuseUnsafeJson } from "../kernel/validation.ts";

/** How large a body may be, and how long it may pause. */
export interface BodyLimits {
  maxBytes: number;
  stallMs: number;
}

/** The caller hung up before its body was complete: there is no recipient for an answer. */
export class HungUp extends Error {}

const JSON_TYPE = /^application\/json\s*(?:;\s*charset\s*=\s*("?)utf-8\1\s*)?$/i;
/** A byte order mark is not JSON either. */
const UTF_8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The request's JSON body; an empty one is `{}`. Throws `bad_request`, `payload_too_large`, `timeout`, `HungUp`. */
export async function readJson(request: IncomingMessage, limits: BodyLimits): Promise<unknown> {
  refuseOtherEncodings(request);
  const body = await read(request, limits);
  if (body.byteLength === 0) return {};
  const value = parse(decode(body));
  refuseUnsafeJson(value, "body");
  return value;
}

function refuseOtherEncodings({ headers }: IncomingMessage): void {
  const type = headers["content-type"];
  if (type !== undefined && !JSON_TYPE.test(type))
    throw badRequest("content-type", "must be application/json in UTF-8");
  const encoding = headers["content-encoding"] ?? "identity";
  if (encoding.toLowerCase() !== "identity") throw badRequest("content-encoding", "must be identity: send plain JSON");
}

async function read(request: IncomingMessage, { maxBytes, stallMs }: BodyLimits): Promise<Buffer> {
  if (Number(request.headers["content-length"] ?? 0) > maxBytes) throw tooLarge(maxBytes);
  // An iterator that destroys the request would destroy its socket, and with it the answer.
  const chunks = request.iterator({ destroyOnReturn: false }) as AsyncIterableIterator<Buffer>;
  const body: Buffer[] = [];
  let size = 0;
  let timer: NodeJS.Timeout | undefined;
  const stalled = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new HubError("timeout", "The body paused for too long. Send it without a pause.")),
      stallMs,
    );
  });
  try {
    for (;;) {
      const { done, value } = await Promise.race([next(chunks), stalled]);
      if (done) return Buffer.concat(body);
      timer?.refresh();
      size += value.byteLength;
      if (size > maxBytes) throw tooLarge(maxBytes);
      body.push(value);
    }
  } finally {
    clearTimeout(timer);
  }
}

async function next(chunks: AsyncIterator<Buffer>): Promise<IteratorResult<Buffer>> {
  try {
    return await chunks.next();
  } catch (error) {
    throw new HungUp("The body ended midway.", { cause: error });
  }
}

function tooLarge(maxBytes: number): HubError {
  return new HubError("payload_too_large", `The body may have ${maxBytes} bytes. Send less.`);
}

function decode(body: Buffer): string {
  try {
    return UTF_8.decode(body);
  } catch (error) {
    if (error instanceof TypeError) throw badRequest("body", "is not UTF-8");
    throw error;
  }
}

function parse(text: string): unknown {
  const tooComplex = jsonTooComplex(text);
  if (tooComplex !== null) throw badRequest("body", tooComplex);
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) throw badRequest("body", `is not JSON: ${error.message}`);
    throw error;
  }
}

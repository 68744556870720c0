import type { IncomingMessage } from "node:http";
import { badRequest, HubError } from "../errors.ts";
import { refuseUnsafeJson } from "../validation.ts";

/** The request's JSON body; an empty one is `{}`. Throws `bad_request`, `payload_too_large`. */
export async function readJson(request: IncomingMessage, maxBytes: number): Promise<unknown> {
  const contentType = request.headers["content-type"];
  if (contentType !== undefined && !/^application\/json\b/i.test(contentType)) {
    throw badRequest("content-type", "must be application/json");
  }
  const text = await readText(request, maxBytes);
  if (text === "") return {};
  const value = parse(text);
  refuseUnsafeJson(value, "body");
  return value;
}

async function readText(request: IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.byteLength;
    if (size > maxBytes) throw new HubError("payload_too_large", `The body may have ${maxBytes} bytes. Send less.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw badRequest("body", `is not JSON: ${error.message}`);
  }
}

import { Agent, request } from "node:http";
import type { Striker } from "./attack.ts";
import { SOCKET_PATH, sawIn } from "./raw-peer.ts";

const AGENT = new Agent({ keepAlive: false });
const ANSWER_LIMIT_MS = 2_000;

export interface Answer {
  status: number;
  body: string;
}

export interface AskOptions {
  body?: string;
  token?: string;
}

/** One HTTP request from the attacker's address. */
export function ask(striker: Striker, path: string, { body, token }: AskOptions = {}): Promise<Answer> {
  const { url, localAddress, saw } = striker;
  const method = body === undefined ? "GET" : "POST";
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const options = { method, localAddress, headers, agent: AGENT, timeout: ANSWER_LIMIT_MS };
  return new Promise((resolve, reject) => {
    const asked = request(`${url}${path}`, options, (response) => {
      const status = response.statusCode ?? 0;
      saw(`status ${status}`);
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () => {
        sawIn(striker, text);
        resolve({ status, body: text });
      });
      response.on("error", reject);
    });
    asked.on("timeout", () => asked.destroy(new Error("no answer in two seconds")));
    asked.on("error", reject);
    asked.end(body);
  });
}

/** Opens a session by polling, and resolves with its id. Rejects if the hub opens none. */
export async function openSession(striker: Striker): Promise<string> {
  const { status, body } = await ask(striker, `${SOCKET_PATH}&transport=polling`);
  if (status !== 200) throw new Error(`no session: status ${status}`);
  return (JSON.parse(body.slice(1)) as { sid: string }).sid;
}

export const post = (striker: Striker, sid: string, body: string): Promise<Answer> =>
  ask(striker, `${SOCKET_PATH}&transport=polling&sid=${sid}`, { body });

/** Opens a session by polling, posts the bodies on it sequentially, and polls the hub's answers unless it refused a body. */
export async function poll(striker: Striker, ...bodies: string[]): Promise<void> {
  const sid = await openSession(striker);
  for (const body of bodies) if ((await post(striker, sid, body)).status !== 200) return;
  await ask(striker, `${SOCKET_PATH}&transport=polling&sid=${sid}`);
}

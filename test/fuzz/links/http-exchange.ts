import { connect, type Socket } from "node:net";
import type { Answers } from "../answers.ts";

const MAX_ANSWER_CHARACTERS = 100_000;

/** Writes `text`, one byte per character, to a separate TCP connection. The response is checked like a packet. */
export function exchangeHttp(url: string, text: string, answers: Answers): Socket {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  let received = "";
  socket.setEncoding("latin1");
  socket.on("data", (chunk) => {
    received = (received + chunk).slice(-MAX_ANSWER_CHARACTERS);
    answers.received(received);
  });
  // The hub ends connections without valid HTTP.
  socket.on("error", () => undefined);
  socket.write(text, "latin1");
  return socket;
}

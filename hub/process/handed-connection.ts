import type { ChildProcess } from "node:child_process";

/** A message by which node:cluster passes a connection to a process. The process gets no other before it has answered. */
interface Handing {
  act?: unknown;
  seq?: unknown;
}
interface Handle {
  close?(): void;
}

/**
 * Ends the connection that was passed to a process which died before it accepted it. node:cluster forgets it, so its client
 * would wait until the supervisor ends. This reads node:cluster's own messages, and does nothing if they change.
 */
export function endHandedConnection(child: ChildProcess): void {
  let handed: { seq: unknown; handle: Handle } | null = null;
  const send = child.send;
  child.send = ((message: Handing, handle?: Handle, ...others: unknown[]) => {
    if (message.act === "newconn" && handle) handed = { seq: message.seq, handle };
    return Reflect.apply(send, child, [message, handle, ...others]);
  }) as typeof send;
  child.on("internalMessage", ({ ack }: { ack?: unknown }) => {
    if (handed?.seq === ack) handed = null;
  });
  child.once("exit", () => handed?.handle.close?.());
}

import type { ChildProcess } from "node:child_process";

/** As node:cluster hands a connection to a process, which takes no other before it has answered. */
interface Handing {
  act?: unknown;
  seq?: unknown;
}
interface Handle {
  close?(): void;
}

/**
 * Ends the connection that a process had been handed, but had not taken, when it died. node:cluster forgets it: its client
 * would wait for as long as the supervisor lives. It reads node:cluster's own messages, and does nothing should they change.
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

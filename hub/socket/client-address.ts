import type { IncomingHttpHeaders } from "node:http";
import { isIP, isIPv6 } from "node:net";

/**
 * The address of the client, as the outermost of `trustProxy` proxies saw it. `direct` is the address of the connection
 * itself, which counts without proxies and where the header names no address.
 */
export function clientAddress(direct: string, headers: IncomingHttpHeaders, trustProxy: number): string {
  if (trustProxy === 0) return direct;
  const hops = String(headers["x-forwarded-for"] ?? "").split(",");
  const claimed = hops.at(-trustProxy)?.trim() ?? "";
  return isIP(claimed) ? claimed : direct;
}

/** Bits of an IPv6 address that one customer of a network gets: limits of an address are limits of these. */
const IPV6_GROUPS = 4;

/** What limits per address count by: the address, of IPv6 its /64 network. */
export function addressNetwork(address: string): string {
  if (!isIPv6(address) || address.startsWith("::ffff:")) return address.replace(/^::ffff:/, "");
  const [head = "", tail = ""] = address.split("::");
  const [before, after] = [head, tail].map((part) => part.split(":").filter(Boolean));
  const missing = 8 - (before?.length ?? 0) - (after?.length ?? 0);
  const groups = address.includes("::") ? [...(before ?? []), ...Array(missing).fill("0"), ...(after ?? [])] : before;
  return `${(groups ?? []).slice(0, IPV6_GROUPS).join(":")}::/64`;
}

import type { IncomingHttpHeaders } from "node:http";
import { isIP, isIPv6 } from "node:net";

/**
 * The client's address, as the outermost of `trustProxy` proxies saw it. `direct` is the address of the connection itself,
 * which is used without proxies and if the header names no address.
 */
export function clientAddress(direct: string, headers: IncomingHttpHeaders, trustProxy: number): string {
  if (trustProxy === 0) return direct;
  const hops = String(headers["x-forwarded-for"] ?? "").split(",");
  const claimed = hops.at(-trustProxy)?.trim() ?? "";
  return isIP(claimed) ? claimed : direct;
}

/** Groups of an IPv6 address that one customer of a network gets: limits per address apply to these networks. */
const IPV6_GROUPS = 4;

/** The key of limits per address: the address, or for IPv6 its /64 network. */
export function addressNetwork(address: string): string {
  if (!isIPv6(address) || address.startsWith("::ffff:")) return address.replace(/^::ffff:/, "");
  const [head = "", tail = ""] = address.split("::");
  const [before, after] = [head, tail].map((part) => part.split(":").filter(Boolean));
  const missing = 8 - (before?.length ?? 0) - (after?.length ?? 0);
  const groups = address.includes("::") ? [...(before ?? []), ...Array(missing).fill("0"), ...(after ?? [])] : before;
  return `${(groups ?? []).slice(0, IPV6_GROUPS).join(":")}::/64`;
}

import { feedCheck, removalsCheck } from "./background-work.ts";
import type { Check } from "./check.ts";
import { protocolCheck, signInCheck } from "./handshake.ts";
import { httpCheck, readinessCheck, webSocketCheck } from "./http.ts";
import { nameCheck, tcpCheck, tlsCheck } from "./network.ts";
import { clockCheck, latencyCheck, rightsCheck } from "./session.ts";
import { tokenCheck } from "./token.ts";

/** All checks, from the network to the hub. */
export const CHECKS: readonly Check[] = [
  nameCheck,
  tcpCheck,
  tlsCheck,
  httpCheck,
  readinessCheck,
  webSocketCheck,
  tokenCheck,
  protocolCheck,
  signInCheck,
  clockCheck,
  latencyCheck,
  rightsCheck,
  feedCheck,
  removalsCheck,
];

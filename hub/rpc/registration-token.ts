import { createHash, randomBytes } from "node:crypto";

export interface RegistrationToken {
  /** `wst_` and 43 characters. Returned once and never stored. */
  token: string;
  /** SHA-256 in hex, as stored in the workstation's row. */
  digest: string;
}

export function mintRegistrationToken(): RegistrationToken {
  const token = `wst_${randomBytes(32).toString("base64url")}`;
  return { token, digest: createHash("sha256").update(token).digest("hex") };
}

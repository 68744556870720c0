/** Parameter names that clients use for tokens, in lower case and without `_` and `-`. */
const TOKEN_NAMES: ReadonlySet<string> = new Set([
  "token",
  "accesstoken",
  "apitoken",
  "authtoken",
  "bearertoken",
  "idtoken",
  "refreshtoken",
  "sessiontoken",
  "apikey",
  "auth",
  "authorization",
  "bearer",
  "jwt",
  "pat",
  "secret",
]);

/** The start of a token, anywhere in a value. The header and the payload of a JWT are JSON objects in base64url. */
const TOKEN = /\b(?:(?:wst|svc|pat)_[A-Za-z0-9_-]{8}|eyJ[A-Za-z0-9_-]{8,300}\.eyJ)/;

/** Whether a query contains a token, by a parameter's name or the form of a value. Query strings end up in logs. */
export function queryHasToken(parameters: Iterable<readonly [name: string, value: string]>): boolean {
  for (const [name, value] of parameters) {
    if (TOKEN_NAMES.has(name.toLowerCase().replaceAll(/[_-]/g, "")) || TOKEN.test(value)) return true;
  }
  return false;
}

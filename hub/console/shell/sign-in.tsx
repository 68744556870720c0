import { type FormEvent, useState } from "react";

interface SignInProps {
  /** Why the session before ended, or null. */
  problem: string | null;
  onToken(token: string): void;
}

export function SignIn({ problem, onToken }: SignInProps) {
  const [token, setToken] = useState("");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (token.trim() !== "") onToken(token.trim());
  };
  return (
    <main className="sign-in">
      <form id="sign-in" onSubmit={submit}>
        <h1>Monster Realtime</h1>
        <p className="hint">Workstations, tasks and channels, live.</p>
        {problem !== null && (
          <p id="problem" role="alert">
            {problem}
          </p>
        )}
        <label htmlFor="token">Token</label>
        <input
          id="token"
          type="password"
          autoComplete="off"
          // biome-ignore lint/a11y/noAutofocus: there is nothing else to do here.
          autoFocus
          required
          spellCheck={false}
          placeholder="of a user, a service or a workstation"
          value={token}
          onChange={(event) => setToken(event.target.value)}
        />
        <button type="submit">Sign in</button>
        <p className="hint">
          It stays in this page's memory: a reload forgets it. <code>npm start</code> prints an address that carries
          one.
        </p>
      </form>
    </main>
  );
}

import { type FormEvent, useState } from "react";

interface SignInProps {
  /** Why the previous session ended, or null. */
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
          // biome-ignore lint/a11y/noAutofocus: it is the only field of the page.
          autoFocus
          required
          spellCheck={false}
          placeholder="a user's, service's or workstation's token"
          value={token}
          onChange={(event) => setToken(event.target.value)}
        />
        <button type="submit">Sign in</button>
        <p className="hint">
          It is kept only in this page's memory and lost on reload. <code>npm start</code> prints an address with a
          token.
        </p>
      </form>
    </main>
  );
}

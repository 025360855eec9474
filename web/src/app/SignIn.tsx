import { type FormEvent, useState } from 'react';
import { useSignIn } from '../api/session';
import { Button } from '../ui/Button';
import { Failure } from '../ui/State';

/** Asks for a key. The browser keeps a session for it, never the key. */
export function SignIn() {
  const [key, setKey] = useState('');
  const signIn = useSignIn();
  const submit = (e: FormEvent) => {
    e.preventDefault();
    signIn.mutate(key);
  };
  return (
    <main className="sign-in">
      <form onSubmit={submit} className="stack">
        <h1>slipway</h1>
        <label htmlFor="key">API key</label>
        <input
          id="key"
          className="input mono"
          type="password"
          autoComplete="current-password"
          // biome-ignore lint/a11y/noAutofocus: it is all there is on this page
          autoFocus
          placeholder="slw_…"
          value={key}
          onChange={(e) => setKey(e.target.value)}
        />
        {signIn.error && <Failure error={signIn.error} />}
        <Button kind="primary" type="submit" disabled={key.trim() === '' || signIn.isPending}>
          Sign in
        </Button>
        <p className="muted">
          The first start of a server prints its admin key. More are made under Settings, or with <code>POST /api/v1/keys</code>.
        </p>
      </form>
    </main>
  );
}

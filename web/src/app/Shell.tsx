// The frame around all pages: where one can go, whether it is live, who is signed in.
import { useQuery } from '@tanstack/react-query';
import { Link, Outlet, useNavigate } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { ApiError } from '../api/client';
import { useLiveStream } from '../api/live';
import { type Session, sessionQuery, useSignOut } from '../api/session';
import { Button } from '../ui/Button';
import { Dialog } from '../ui/Dialog';
import { Icon } from '../ui/Icon';
import { Item, Menu } from '../ui/Menu';
import { Failure, Skeleton } from '../ui/State';
import { type Theme, useTheme, useUtc } from '../ui/settings';
import { Toasts } from '../ui/toast';
import { KEYS, useGlobalKeys } from './keys';
import { LiveMark } from './LiveMark';
import { PLACES } from './nav';
import { Palette } from './Palette';
import { SignIn } from './SignIn';

/** Lets nobody further who is not signed in. */
export function Shell() {
  const session = useQuery(sessionQuery);
  const refused = session.error instanceof ApiError && session.error.status === 401;
  if (refused) return <SignIn />;
  if (session.data) return <Frame session={session.data} />;
  if (session.error)
    return (
      <main className="alone">
        <Failure error={session.error} retry={() => void session.refetch()} />
      </main>
    );
  return (
    <main className="alone">
      <Skeleton />
    </main>
  );
}

function Frame({ session }: { session: Session }) {
  const [palette, setPalette] = useState(false);
  const [help, setHelp] = useState(false);
  const navigate = useNavigate();
  useLiveStream();
  const actions = useMemo(
    () => ({
      palette: () => setPalette((open) => !open),
      help: () => setHelp(true),
      go: (letter: string) => {
        const place = PLACES.find((p) => p.letter === letter);
        if (place) void navigate({ to: place.to });
      },
    }),
    [navigate],
  );
  useGlobalKeys(actions);
  return (
    <div className="shell">
      <a className="skip" href="#main">
        To the content
      </a>
      <aside className="side">
        <Link to="/" className="brand">
          <img src="/favicon.svg" alt="" width="20" height="20" />
          slipway
        </Link>
        <nav aria-label="Places">
          {PLACES.map(({ to, name, icon }) => (
            <Link
              key={to}
              to={to}
              className="place"
              activeOptions={{ exact: to === '/' }}
              activeProps={{ 'aria-current': 'page' }}
            >
              <Icon name={icon} />
              <span>{name}</span>
            </Link>
          ))}
        </nav>
        <div className="side-end">
          <Button kind="quiet" className="item" icon="search" onClick={() => setPalette(true)}>
            <span className="grow">Jump to</span>
            <kbd>Ctrl K</kbd>
          </Button>
          <Account session={session} onHelp={() => setHelp(true)} />
          <LiveMark />
        </div>
      </aside>
      <main id="main" className="main" tabIndex={-1}>
        <Outlet />
      </main>
      {palette && <Palette onClose={() => setPalette(false)} />}
      {help && (
        <Dialog title="Keys" onClose={() => setHelp(false)}>
          <dl className="keys">
            {KEYS.map(([key, what]) => (
              <div key={key}>
                <dt>
                  <kbd>{key}</kbd>
                </dt>
                <dd>{what}</dd>
              </div>
            ))}
          </dl>
        </Dialog>
      )}
      <Toasts />
    </div>
  );
}

const THEMES: Theme[] = ['system', 'light', 'dark'];

function Account({ session, onHelp }: { session: Session; onHelp: () => void }) {
  const [theme, setTheme] = useTheme();
  const [utc, setUtc] = useUtc();
  const signOut = useSignOut();
  const name = session.principal === 'local' ? 'This machine' : session.principal.replace('key:', 'key ');
  return (
    <Menu
      label="Account and display"
      kind="quiet"
      text={
        <>
          <Icon name="key" />
          <span className="grow cut">{name}</span>
        </>
      }
    >
      {(close) => (
        <>
          <p className="muted pad">
            {session.role} in {session.workspace}
          </p>
          <div className="choice" role="group" aria-label="Theme">
            {THEMES.map((one) => (
              <Button key={one} kind="quiet" icon={one} aria-pressed={theme === one} onClick={() => setTheme(one)}>
                {one}
              </Button>
            ))}
          </div>
          <Item checked={utc} onSelect={() => setUtc(!utc)}>
            Times in UTC
          </Item>
          <Item
            icon="table"
            onSelect={() => {
              close();
              onHelp();
            }}
          >
            Keys
          </Item>
          <a className="button quiet item" href="/docs">
            <Icon name="book" />
            API reference
          </a>
          {session.principal !== 'local' && (
            <Item icon="out" onSelect={() => signOut.mutate()}>
              Sign out
            </Item>
          )}
        </>
      )}
    </Menu>
  );
}

// What stands where data is not: not yet, not at all, or not because something failed.
import type { ReactNode } from 'react';
import { ApiError } from '../api/client';
import { Button } from './Button';
import { Copy } from './Copy';
import { Icon, type IconName } from './Icon';

/** Says what would be here, and how to get there. */
export function Empty({ icon, title, children }: { icon?: IconName; title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      {icon && <Icon name={icon} size={24} />}
      <h2>{title}</h2>
      {children}
    </div>
  );
}

/** Grey lines in place of what is on its way. */
export function Skeleton({ lines = 4 }: { lines?: number }) {
  return (
    <div className="skeleton" role="status" aria-label="loading">
      {Array.from({ length: lines }, (_, i) => (
        <div key={i} className={`bar w${i % 4}`} />
      ))}
    </div>
  );
}

/** A failure: what happened, its stable code, and the id under which the server's log knows it. */
export function Failure({ error, retry }: { error: unknown; retry?: () => void }) {
  const known = error instanceof ApiError ? error : undefined;
  const message = error instanceof Error ? error.message : String(error);
  return (
    <div className="failure" role="alert">
      <Icon name="warning" />
      <div className="grow stack">
        <div>{message.charAt(0).toUpperCase() + message.slice(1)}</div>
        {known && (
          <div className="muted row wrap">
            <code>{known.code}</code>
            {known.requestId && (
              <span className="row">
                request <code>{known.requestId}</code>
                <Copy text={known.requestId} label="Copy request id" />
              </span>
            )}
          </div>
        )}
      </div>
      {retry && (
        <Button icon="reset" onClick={retry}>
          Try again
        </Button>
      )}
    </div>
  );
}

interface Asked<T> {
  data: T | undefined;
  error: unknown;
  isPending: boolean;
  refetch: () => unknown;
}

/** Shows an answer, or what stands in its place. Old data stays while new data fails. */
export function Loaded<T>({ of, lines, children }: { of: Asked<T>; lines?: number; children: (data: T) => ReactNode }) {
  if (of.data !== undefined) return children(of.data);
  if (of.error) return <Failure error={of.error} retry={() => void of.refetch()} />;
  return <Skeleton lines={lines} />;
}

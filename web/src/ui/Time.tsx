import { useSyncExternalStore } from 'react';
import { absolute, ago, duration, short, toNumber, type Value } from './format';
import { useUtc } from './settings';

// one clock for all that is relative, so that a table of times is one timer
let now = Date.now();
const listeners = new Set<() => void>();
setInterval(() => {
  now = Date.now();
  for (const listener of listeners) listener();
}, 1000);

export function useNow(): number {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
    () => now,
  );
}

/** A moment: relative, and absolute on hover. */
export function Time({ at }: { at: string | number }) {
  const ms = typeof at === 'number' ? at : Date.parse(at);
  const current = useNow();
  const [utc] = useUtc();
  return (
    <time dateTime={new Date(ms).toISOString()} title={absolute(ms, utc)}>
      {ago(ms, current)}
    </time>
  );
}

/** How long something took, or has taken until now. */
export function Duration({ from, to }: { from: string; to?: string | null }) {
  return to ? duration(Date.parse(to) - Date.parse(from)) : <Running from={from} />;
}

function Running({ from }: { from: string }) {
  return <>{duration(Math.max(0, useNow() - Date.parse(from)))}</>;
}

/** A number of four digits, with all of them on hover. */
export function Num({ value }: { value: Value | null | undefined }) {
  if (value === null || value === undefined) return <span className="muted">–</span>;
  const number = toNumber(value);
  return <span title={String(value)}>{short(number)}</span>;
}

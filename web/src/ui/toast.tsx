// Short messages at the edge of the page. What can be taken back has an undo, and waits longer.
import { useSyncExternalStore } from 'react';
import { Button, IconButton } from './Button';

interface Toast {
  id: number;
  text: string;
  tone: 'ok' | 'bad';
  undo?: () => void;
}

let toasts: Toast[] = [];
let next = 1;
const listeners = new Set<() => void>();

function set(changed: Toast[]) {
  toasts = changed;
  for (const listener of listeners) listener();
}

export function dismiss(id: number) {
  set(toasts.filter((toast) => toast.id !== id));
}

/** Shows a message; with `undo`, for ten seconds instead of five. */
export function toast(text: string, options: { tone?: 'ok' | 'bad'; undo?: () => void } = {}) {
  const id = next++;
  set([...toasts.slice(-3), { id, text, tone: options.tone ?? 'ok', undo: options.undo }]);
  setTimeout(() => dismiss(id), options.undo ? 10_000 : 5000);
}

/** Shows what went wrong. */
export function complain(error: unknown) {
  toast(error instanceof Error ? error.message : String(error), { tone: 'bad' });
}

export function Toasts() {
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
    () => toasts,
  );
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map(({ id, text, tone, undo }) => (
        <div key={id} className={`toast ${tone}`}>
          <span className="grow">{text}</span>
          {undo && (
            <Button
              onClick={() => {
                undo();
                dismiss(id);
              }}
            >
              Undo
            </Button>
          )}
          <IconButton icon="close" label="Dismiss" onClick={() => dismiss(id)} />
        </div>
      ))}
    </div>
  );
}

// Keys that work everywhere. None of them destroys anything, and none works while somebody types.
import { useEffect, useRef } from 'react';

export const KEYS: [string, string][] = [
  ['Ctrl K', 'jump to anything'],
  ['/', 'focus the filter'],
  ['?', 'list the keys'],
  ['g then h r q d m y o s', 'go to Home, Runs, Queue, Data sets, Models, Deployments, Monitoring, Settings'],
  ['↑ ↓ ← →', 'move in a table or along a chart'],
  ['Space', 'select the row; with Shift, all rows up to it'],
  ['Enter', 'open the row; on a column head, sort by it'],
  ['Ctrl Home, Ctrl End', 'first and last row'],
  ['+ − 0', 'in a chart: zoom in at the cursor, out, and back to all'],
  ['Esc', 'close what is open'],
];

function types(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName));
}

interface Actions {
  palette: () => void;
  help: () => void;
  go: (letter: string) => void;
}

export function useGlobalKeys(actions: Actions) {
  const pending = useRef(0);
  useEffect(() => {
    const down = (e: KeyboardEvent) => {
      if ((e.ctrlKey || e.metaKey) && e.key.toLowerCase() === 'k') {
        e.preventDefault();
        actions.palette();
        return;
      }
      if (e.ctrlKey || e.metaKey || e.altKey || types(e.target) || document.querySelector('dialog[open]')) return;
      if (e.key === '?') actions.help();
      else if (e.key === '/') {
        const filter = document.querySelector<HTMLElement>('[data-filter]');
        if (!filter) return;
        e.preventDefault();
        filter.focus();
      } else if (e.key === 'g') pending.current = Date.now();
      else if (Date.now() - pending.current < 1000) {
        pending.current = 0;
        actions.go(e.key);
      }
    };
    addEventListener('keydown', down);
    return () => removeEventListener('keydown', down);
  }, [actions]);
}

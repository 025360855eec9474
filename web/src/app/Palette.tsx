// Ctrl-K: jump to a place, a model, a data set, an experiment or a run by a part of its name or by its id.
import { useQuery } from '@tanstack/react-query';
import { useRouter } from '@tanstack/react-router';
import { type KeyboardEvent, useId, useMemo, useState } from 'react';
import { api, must } from '../api/client';
import { Dialog } from '../ui/Dialog';
import { Icon, type IconName } from '../ui/Icon';
import { PLACES } from './nav';

interface Target {
  href: string;
  name: string;
  kind: string;
  icon: IconName;
}

const encode = encodeURIComponent;

/** Everything with a name. A thousand of each is what one looks through by name; a run is found by its id as well. */
async function targets(signal: AbortSignal): Promise<Target[]> {
  const query = { page_size: 1000 };
  const recent = { page_size: 100 };
  const [models, datasets, experiments, runs] = await Promise.all([
    must(api.GET('/api/v1/models', { params: { query }, signal })),
    must(api.GET('/api/v1/datasets', { params: { query }, signal })),
    must(api.GET('/api/v1/experiments', { params: { query }, signal })),
    must(api.GET('/api/v1/runs', { params: { query: recent }, signal })),
  ]);
  return [
    ...models.items.map(({ name }): Target => ({ href: `/models/${encode(name)}`, name, kind: 'model', icon: 'models' })),
    ...datasets.items.map(
      ({ name }): Target => ({ href: `/datasets/${encode(name)}`, name, kind: 'data set', icon: 'datasets' }),
    ),
    ...experiments.items.map(
      ({ name, experiment_id }): Target => ({
        href: `/runs?experiment=${encode(experiment_id)}`,
        name,
        kind: 'experiment',
        icon: 'folder',
      }),
    ),
    ...runs.items.map(({ run_name, run_id }): Target => ({ href: `/runs/${run_id}`, name: run_name, kind: 'run', icon: 'runs' })),
  ];
}

/** Ranks by where the words are found: at the start, at the start of a word, anywhere; all words must be. */
export function rank(name: string, text: string): number {
  const low = name.toLowerCase();
  let sum = 0;
  for (const word of text.toLowerCase().split(/\s+/).filter(Boolean)) {
    const at = low.indexOf(word);
    if (at < 0) return 0;
    sum += at === 0 ? 4 : /[\s_\-./]/.test(low.charAt(at - 1)) ? 3 : 1;
  }
  return sum + 1 / (1 + name.length);
}

export function Palette({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  const id = useId();
  const router = useRouter();
  const named = useQuery({ queryKey: ['palette'], queryFn: ({ signal }) => targets(signal), staleTime: 10_000 });
  const found = useMemo(() => {
    const places = PLACES.map(({ to, name, icon }): Target => ({ href: to, name, kind: 'page', icon }));
    const all = [...places, ...(named.data ?? [])];
    if (text.trim() === '') return places;
    const ranked = all.map((target) => ({ target, score: rank(target.name, text) })).filter(({ score }) => score > 0);
    ranked.sort((a, b) => b.score - a.score);
    const best = ranked.slice(0, 20).map(({ target }) => target);
    const runId = text.trim();
    if (/^[0-9a-f]{32}$/.test(runId)) best.unshift({ href: `/runs/${runId}`, name: runId, kind: 'run', icon: 'runs' });
    return best;
  }, [text, named.data]);

  const open = (target: Target | undefined) => {
    if (!target) return;
    onClose();
    router.history.push(target.href);
  };
  const keys = (e: KeyboardEvent) => {
    if (e.key === 'ArrowDown') setAt(Math.min(at + 1, found.length - 1));
    else if (e.key === 'ArrowUp') setAt(Math.max(at - 1, 0));
    else if (e.key === 'Enter') open(found[at]);
    else return;
    e.preventDefault();
  };
  return (
    <Dialog title="Jump to" onClose={onClose} className="palette">
      <input
        autoFocus
        className="input"
        role="combobox"
        aria-expanded="true"
        aria-controls={id}
        aria-activedescendant={found[at] ? `${id}-${at}` : undefined}
        aria-label="Name or run id"
        placeholder="Page, model, data set, experiment, run or run id"
        value={text}
        onChange={(e) => {
          setText(e.target.value);
          setAt(0);
        }}
        onKeyDown={keys}
      />
      <div id={id} role="listbox" aria-label="Matches" className="matches">
        {found.map((target, i) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the input above hears the keys
          <div
            key={target.href}
            id={`${id}-${i}`}
            role="option"
            aria-selected={i === at}
            className="match row"
            onClick={() => open(target)}
          >
            <Icon name={target.icon} />
            <span className="grow cut">{target.name}</span>
            <span className="muted">{target.kind}</span>
          </div>
        ))}
      </div>
      {found.length === 0 && <p className="muted pad">Nothing of that name.</p>}
    </Dialog>
  );
}

// What the stream of events means for the cache: each kind of event names the answers that it makes stale.
import { useEffect, useSyncExternalStore } from 'react';
import { queries } from './query';
import { type Event, Stream } from './stream';

/** Answers by the noun of an event. A key stands for all that begin with it. */
function touched({ entity, entity_id, kind }: Event): unknown[][] {
  const always = [['events']];
  switch (entity) {
    case 'run':
      return [...always, ['runs'], ['run', entity_id]];
    case 'experiment':
      return [...always, ['experiments'], ['runs']];
    case 'job':
      return [...always, ['jobs'], ['job', entity_id], ['runs'], ['workers']];
    case 'dataset':
    case 'dataset_version':
      return [...always, ['datasets'], ['dataset']];
    case 'api_key':
      return [...always, ['keys']];
    default:
      // models, versions, aliases, monitors and reports are addressed by the model's name, alone or with more
      return [
        ...always,
        ['models'],
        ['model'],
        ...(kind.startsWith('drift') || kind.startsWith('monitor') ? [['monitor'], ['monitors']] : []),
      ];
  }
}

const waiting = new Map<string, unknown[]>();
let _timer: ReturnType<typeof setTimeout> | undefined;

/** Makes answers stale, at most four times a second however many events come. */
function stale(keys: unknown[][]) {
  for (const key of keys) waiting.set(JSON.stringify(key), key);
  _timer ??= setTimeout(() => {
    _timer = undefined;
    for (const key of waiting.values()) void queries.invalidateQueries({ queryKey: key });
    waiting.clear();
  }, 250);
}

const listeners = new Set<(event: Event) => void>();
const watchers = new Map<symbol, string[]>();
const logListeners = new Set<(runId: string) => void>();
let stream: Stream | undefined;

/** Begins to listen; the shell does so when somebody is signed in. */
export function useLiveStream() {
  useEffect(() => {
    const made = new Stream(
      (event) => {
        stale(touched(event));
        for (const listener of listeners) listener(event);
      },
      (run) => {
        for (const listener of logListeners) listener(run);
      },
    );
    stream = made;
    made.start();
    notify();
    return () => {
      made.stop();
      stream = undefined;
    };
  }, []);
}

const marks = new Set<() => void>();
const NONE = { mark: 'connecting' as const, heard: 0 };

function notify() {
  for (const listener of marks) listener();
  stream?.subscribe(() => {
    for (const listener of marks) listener();
  });
}

/** How the stream does: for the mark in the shell. */
export function useMark() {
  return useSyncExternalStore(
    (listener) => {
      marks.add(listener);
      return () => marks.delete(listener);
    },
    () => stream?.read() ?? NONE,
  );
}

/** Calls back for each event. */
export function useEvents(listener: (event: Event) => void) {
  useEffect(() => {
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
    };
  }, [listener]);
}

/** Calls back when points were logged to one of `runs`, which are watched as long as the caller is shown. */
export function useLogged(runs: string[], listener: (runId: string) => void) {
  const text = runs.join(',');
  useEffect(() => {
    const id = Symbol();
    const names = text === '' ? [] : text.split(',');
    const heard = (run: string) => {
      if (names.includes(run)) listener(run);
    };
    watchers.set(id, names);
    logListeners.add(heard);
    stream?.watch([...watchers.values()].flat());
    return () => {
      watchers.delete(id);
      logListeners.delete(heard);
      stream?.watch([...watchers.values()].flat());
    };
  }, [text, listener]);
}

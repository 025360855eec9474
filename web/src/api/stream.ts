// One stream of events per browser. Of all tabs the one that holds the lock keeps the connection and tells the others over a
// channel; when it closes, the next one takes up where the events ended. Where the stream fails, the list is polled.
import { api, must, type Schemas } from './client';
import { follow, type Message } from './sse';

export type Event = Schemas['Event'];
export type Mark = 'connecting' | 'live' | 'polling';

interface State {
  mark: Mark;
  /** When the server was last heard, be it by a heartbeat. */
  heard: number;
}

type Word =
  | { type: 'event'; event: Event }
  | { type: 'logged'; run: string }
  | { type: 'mark'; state: State; seq: number | null }
  | { type: 'watch'; tab: string; runs: string[] }
  | { type: 'leader' };

const POLL_MS = 10_000;
const FAILURES_BEFORE_POLLING = 3;
/** Runs that the server watches for one stream at most. */
const MAX_WATCHED = 50;

export class Stream {
  private channel = new BroadcastChannel('slipway.live');
  private tab = Math.random().toString(36).slice(2);
  private seq: number | null = null;
  private failures = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private isLeader = false;
  private watched = new Map<string, string[]>();
  private state: State = { mark: 'connecting', heard: Date.now() };
  private changed = new Set<() => void>();
  private release: (() => void) | undefined;
  private line = new AbortController();
  private stopped = false;

  constructor(
    private onEvent: (event: Event) => void,
    private onLogged: (run: string) => void,
  ) {
    this.channel.onmessage = ({ data }: MessageEvent<Word>) => this.hear(data);
  }

  start() {
    const lead = () =>
      new Promise<void>((resolve) => {
        this.release = resolve;
        this.isLeader = true;
        this.tell({ type: 'leader' });
        void this.connect();
      });
    // where there are no locks (plain http on another host) every tab leads for itself
    if (navigator.locks) void navigator.locks.request('slipway.live', () => (this.stopped ? undefined : lead()));
    else void lead();
    addEventListener('pagehide', () => this.tell({ type: 'watch', tab: this.tab, runs: [] }));
  }

  stop() {
    this.tell({ type: 'watch', tab: this.tab, runs: [] });
    this.stopped = true;
    this.line.abort();
    clearTimeout(this.timer);
    this.release?.();
    this.channel.close();
  }

  /** Names the runs whose points this tab wants to hear of. */
  watch(runs: string[]) {
    this.tell({ type: 'watch', tab: this.tab, runs });
    this.note(this.tab, runs);
  }

  subscribe = (listener: () => void) => {
    this.changed.add(listener);
    return () => {
      this.changed.delete(listener);
    };
  };

  read = () => this.state;

  private tell(word: Word) {
    if (!this.stopped) this.channel.postMessage(word);
  }

  private hear(word: Word) {
    if (word.type === 'event') this.take(word.event);
    else if (word.type === 'logged') this.onLogged(word.run);
    else if (word.type === 'watch') this.note(word.tab, word.runs);
    else if (word.type === 'leader') this.tell({ type: 'watch', tab: this.tab, runs: this.watched.get(this.tab) ?? [] });
    else {
      this.seq ??= word.seq;
      this.set(word.state);
    }
  }

  private note(tab: string, runs: string[]) {
    const before = this.wanted();
    if (runs.length > 0) this.watched.set(tab, runs);
    else this.watched.delete(tab);
    if (this.isLeader && this.wanted() !== before && this.state.mark === 'live') void this.connect();
  }

  private wanted(): string {
    return [...new Set([...this.watched.values()].flat())].sort().slice(0, MAX_WATCHED).join(',');
  }

  private take(event: Event) {
    if (this.seq !== null && event.seq <= this.seq) return;
    this.seq = event.seq;
    this.onEvent(event);
  }

  private receive(message: Message) {
    this.set({ mark: 'live', heard: Date.now() });
    if (message.data === '') return;
    if (message.name === 'run.logged') {
      const { run_id } = JSON.parse(message.data) as { run_id: string };
      this.onLogged(run_id);
      this.tell({ type: 'logged', run: run_id });
    } else {
      const event = JSON.parse(message.data) as Event;
      this.take(event);
      this.tell({ type: 'event', event });
    }
  }

  private async connect() {
    this.line.abort();
    clearTimeout(this.timer);
    const line = new AbortController();
    this.line = line;
    const query = new URLSearchParams();
    if (this.seq !== null) query.set('after', String(this.seq));
    const runs = this.wanted();
    if (runs) query.set('watch', runs);
    const opened = () => {
      this.failures = 0;
      this.mark('live');
    };
    try {
      await follow(`/api/v1/events/stream?${query}`, line.signal, opened, (message) => this.receive(message));
    } catch {
      // the mark says so, and what follows is the same as after a stream that ended
    }
    if (line.signal.aborted) return;
    this.failures += 1;
    const fails = this.failures >= FAILURES_BEFORE_POLLING;
    this.mark(fails ? 'polling' : 'connecting');
    const again = () => void (fails ? this.poll() : this.connect());
    this.timer = setTimeout(again, fails ? POLL_MS : 500 * this.failures);
  }

  private async poll() {
    const query = { after: this.seq ?? 0, limit: 1000 };
    try {
      const { items } = await must(api.GET('/api/v1/events', { params: { query } }));
      for (const event of items) {
        this.take(event);
        this.tell({ type: 'event', event });
      }
      for (const run of this.wanted().split(',').filter(Boolean)) this.onLogged(run);
      this.state = { ...this.state, heard: Date.now() };
    } catch {
      // nothing was heard, and the mark shows since when
    }
    if (!this.stopped) void this.connect();
  }

  private mark(mark: Mark) {
    this.set({ mark, heard: mark === 'live' ? Date.now() : this.state.heard });
    this.tell({ type: 'mark', state: this.state, seq: this.seq });
  }

  private set(state: State) {
    this.state = state;
    for (const listener of this.changed) listener();
  }
}

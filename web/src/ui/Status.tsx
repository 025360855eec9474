// Status is icon, word and colour together, never colour alone.
import { Icon, type IconName } from './Icon';

type Tone = 'ok' | 'run' | 'warn' | 'bad' | 'off';

const KNOWN: Record<string, [Tone, IconName, string]> = {
  SCHEDULED: ['off', 'clock', 'queued'],
  PENDING: ['off', 'clock', 'queued'],
  RUNNING: ['run', 'play', 'running'],
  FINISHED: ['ok', 'done', 'finished'],
  SUCCEEDED: ['ok', 'done', 'succeeded'],
  READY: ['ok', 'done', 'ready'],
  FAILED: ['bad', 'failed', 'failed'],
  FAILED_REGISTRATION: ['bad', 'failed', 'registration failed'],
  PENDING_REGISTRATION: ['run', 'clock', 'registering'],
  TIMEOUT: ['bad', 'clock', 'timed out'],
  KILLED: ['off', 'stop', 'killed'],
  CANCELED: ['off', 'stop', 'cancelled'],
  QUARANTINED: ['bad', 'warning', 'quarantined'],
  DEPRECATED: ['warn', 'warning', 'deprecated'],
  ARCHIVED: ['off', 'folder', 'archived'],
  DELETED: ['off', 'trash', 'deleted'],
  DRIFT: ['warn', 'drift', 'drifting'],
  DRIFTING: ['warn', 'drift', 'drifting'],
  OK: ['ok', 'done', 'ok'],
};

export function Status({ state, word }: { state: string; word?: string }) {
  const [tone, icon, known] = KNOWN[state.toUpperCase()] ?? ['off', 'more', state.toLowerCase().replaceAll('_', ' ')];
  return (
    <span className={`status ${tone}`}>
      <Icon name={icon} size={12} />
      {word ?? known}
    </span>
  );
}

/** A word in a box: an alias, a kind, a stage. */
export function Chip({ children, tone = 'off', title }: { children: React.ReactNode; tone?: Tone; title?: string }) {
  return (
    <span className={`chip ${tone}`} title={title}>
      {children}
    </span>
  );
}

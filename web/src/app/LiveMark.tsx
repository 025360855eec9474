import { useMark } from '../api/live';
import { duration } from '../ui/format';
import { useNow } from '../ui/Time';

/** The server sends a heartbeat every 15 seconds; what is silent for longer is not live. */
const SILENT_MS = 20_000;

/** Says whether what is on the page is what is on the server. */
export function LiveMark() {
  const { mark, heard } = useMark();
  const now = useNow();
  const silent = now - heard;
  const live = mark === 'live' && silent < SILENT_MS;
  const words = live
    ? 'live'
    : heard === 0
      ? 'connecting'
      : `stale ${duration(Math.max(1000, Math.round(silent / 1000) * 1000))}`;
  const help = live
    ? 'What changes on the server shows here at once'
    : mark === 'polling'
      ? 'The stream of events does not hold; looked up every 10 seconds'
      : 'The stream of events is being taken up again';
  return (
    <span className={`live ${live ? 'on' : 'off'}`} title={help}>
      <span className="dot" />
      {words}
    </span>
  );
}

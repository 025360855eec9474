import { Link } from '@tanstack/react-router';
import { Empty, Failure } from '../ui/State';

/** A page that failed as a whole. */
export function Broken({ error, reset }: { error: unknown; reset: () => void }) {
  return (
    <div className="page">
      <Failure error={error} retry={reset} />
    </div>
  );
}

export function NotFound() {
  return (
    <div className="page">
      <Empty icon="search" title="There is nothing at this address">
        <p>
          Go <Link to="/">home</Link>, or press <kbd>Ctrl K</kbd> to jump to anything.
        </p>
      </Empty>
    </div>
  );
}

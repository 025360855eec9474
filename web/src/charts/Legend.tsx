import { short } from '../ui/format';
import { dashOf, variableOf } from './palette';
import { nearest, type Series } from './series';

interface Props {
  series: Series[];
  cursor: number | null;
  xText: (x: number) => string;
  focus: string | null;
  onFocus?: (id: string | null) => void;
}

/** Names that are shown at once; the others are there by focus, table and export. */
const SHOWN = 12;

/** Who is who, and the values at the cursor, or the last ones. */
export function Legend({ series, cursor, xText, focus, onFocus }: Props) {
  const lead = series[0];
  const at = lead && cursor !== null ? nearest(lead.to, cursor) : -1;
  const focused = series.find((one) => one.id === focus);
  const shown = focused && series.indexOf(focused) >= SHOWN ? [focused, ...series.slice(0, SHOWN - 1)] : series.slice(0, SHOWN);
  return (
    <div className="legend">
      {series.length > 0 && <span className="muted legend-x">{lead && at >= 0 ? xText(lead.to[at] ?? 0) : 'last'}</span>}
      {shown.map((one) => {
        const i = cursor === null ? one.to.length - 1 : nearest(one.to, cursor);
        const value = i < 0 ? '–' : short(one.last[i] ?? Number.NaN);
        return (
          <button
            key={one.id}
            type="button"
            className="legend-item"
            aria-pressed={focus === one.id}
            title={one.name}
            onClick={() => onFocus?.(focus === one.id ? null : one.id)}
          >
            <Key slot={one.slot} />
            <span className="cut">{one.name}</span>
            <span className="legend-value">{value}</span>
          </button>
        );
      })}
      {series.length > shown.length && <span className="muted">and {series.length - shown.length} more</span>}
    </div>
  );
}

/** The stroke of a series: colour and dashes. */
export function Key({ slot }: { slot: number }) {
  return (
    <svg className="key" width="16" height="8" aria-hidden="true">
      <line
        x1="0"
        y1="4"
        x2="16"
        y2="4"
        stroke={`var(${variableOf(slot)})`}
        strokeWidth="2.5"
        strokeDasharray={dashOf(slot).join(' ')}
      />
    </svg>
  );
}

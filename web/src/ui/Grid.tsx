// The one table: rows and columns are virtual, the head stays, pinned columns stay, arrows move a cursor. It never asks for rows
// itself: `row(i)` gives what is there, `onRange` says what is looked at.
import { useVirtualizer } from '@tanstack/react-virtual';
import { type KeyboardEvent, type ReactNode, useEffect, useId, useMemo, useRef, useState } from 'react';
import { Icon } from './Icon';

export interface Column<R> {
  id: string;
  head: string;
  /** Pixels; 120 when absent. */
  width?: number;
  align?: 'right';
  /** Stays at the left edge. */
  pinned?: boolean;
  sortable?: boolean;
  /** The first sortable column takes what is left of the width. */
  grow?: boolean;
  cell: (row: R) => ReactNode;
}

export interface Sort {
  by: string;
  desc: boolean;
}

interface Props<R> {
  label: string;
  columns: Column<R>[];
  count: number;
  row: (index: number) => R | undefined;
  rowKey?: (row: R) => string;
  sort?: Sort;
  onSort?: (sort: Sort) => void;
  selected?: ReadonlySet<string>;
  /** Turns rows `from` to `to` on or off. */
  onSelect?: (from: number, to: number, on: boolean) => void;
  onOpen?: (row: R, aside: boolean) => void;
  onRange?: (first: number, last: number) => void;
  /** Rows that are shown without a scrollbar of their own, when there are few. */
  fit?: boolean;
  tall?: boolean;
}

const HEAD = 30;
const MARK = 30;

/** The positions of columns: pinned ones first. */
function layout<R>(columns: Column<R>[], room: number, mark: number) {
  const ordered = [...columns.filter((c) => c.pinned), ...columns.filter((c) => !c.pinned)];
  const fixed = ordered.reduce((sum, c) => sum + (c.width ?? 120), mark);
  const spare = Math.max(0, room - fixed);
  let left = mark;
  const placed = ordered.map((column) => {
    const width = (column.width ?? 120) + (column.grow ? spare : 0);
    const at = { column, left, width };
    left += width;
    return at;
  });
  return { placed, width: Math.max(left, room) };
}

export function Grid<R>(props: Props<R>) {
  const { label, columns, count, row, rowKey, sort, onSort, selected, onSelect, onOpen, onRange, fit, tall } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const id = useId();
  const height = tall ? 36 : 28;
  const mark = onSelect ? MARK : 0;
  const [view, setView] = useState({ left: 0, width: 0 });
  const [cursor, setCursor] = useState({ row: 0, col: 0 });
  const [focused, setFocused] = useState(false);
  const anchor = useRef<number | null>(null);

  const { placed, width } = useMemo(() => layout(columns, view.width, mark), [columns, view.width, mark]);
  const rows = useVirtualizer({
    count,
    getScrollElement: () => scroller.current,
    estimateSize: () => height,
    overscan: 12,
    scrollPaddingStart: HEAD,
    paddingStart: HEAD,
  });
  const items = rows.getVirtualItems();
  const first = items[0]?.index ?? 0;
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => onRange?.(first, last), [onRange, first, last]);

  useEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const measure = () => setView({ left: element.scrollLeft, width: element.clientWidth });
    const watch = new ResizeObserver(measure);
    watch.observe(element);
    return () => watch.disconnect();
  }, []);

  const shown = placed.filter(
    ({ column, left, width: w }) => column.pinned || (left + w > view.left - 200 && left < view.left + view.width + 200),
  );

  const at = Math.min(cursor.row, count);
  const col = Math.min(cursor.col, placed.length - 1);
  const go = (toRow: number, toCol: number) => {
    const next = { row: Math.max(0, Math.min(count, toRow)), col: Math.max(0, Math.min(placed.length - 1, toCol)) };
    setCursor(next);
    if (next.row > 0) rows.scrollToIndex(next.row - 1);
    const target = placed[next.col];
    const element = scroller.current;
    if (target && element && !target.column.pinned) {
      const pinned = placed.filter((p) => p.column.pinned).reduce((sum, p) => sum + p.width, mark);
      if (target.left < element.scrollLeft + pinned) element.scrollLeft = target.left - pinned;
      else if (target.left + target.width > element.scrollLeft + element.clientWidth)
        element.scrollLeft = target.left + target.width - element.clientWidth;
    }
    return next;
  };

  const choose = (index: number, range: boolean) => {
    const item = row(index);
    if (!onSelect || !item || !rowKey) return;
    const from = range && anchor.current !== null ? anchor.current : index;
    onSelect(Math.min(from, index), Math.max(from, index), range || !selected?.has(rowKey(item)));
    anchor.current = index;
  };

  const keys = (e: KeyboardEvent<HTMLDivElement>) => {
    if (e.altKey || e.target !== e.currentTarget) return;
    const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 300) / height) - 2);
    const sorted = at === 0 ? placed[col]?.column : undefined;
    const item = at > 0 ? row(at - 1) : undefined;
    if ((e.ctrlKey || e.metaKey) && !['Home', 'End', 'Enter'].includes(e.key)) return;
    const far = e.ctrlKey || e.metaKey;
    const to: Record<string, [number, number]> = {
      ArrowDown: [at + 1, col],
      ArrowUp: [at - 1, col],
      ArrowRight: [at, col + 1],
      ArrowLeft: [at, col - 1],
      PageDown: [at + page, col],
      PageUp: [at - page, col],
      Home: far ? [1, col] : [at, 0],
      End: far ? [count, col] : [at, placed.length - 1],
    };
    const target = to[e.key];
    if (target) {
      const next = go(...target);
      if (e.shiftKey && next.row !== at && next.row > 0) choose(next.row - 1, true);
    } else if (e.key === ' ' && at > 0) choose(at - 1, e.shiftKey);
    else if (e.key === 'Enter' && sorted?.sortable) turn(sorted);
    else if (e.key === 'Enter' && item) onOpen?.(item, far);
    else return;
    e.preventDefault();
  };

  const turn = (column: Column<R>) => onSort?.({ by: column.id, desc: sort?.by === column.id ? !sort.desc : true });
  const cellId = (r: number, c: number) => `${id}-${r}-${c}`;

  return (
    <div
      ref={scroller}
      className={`grid ${fit ? 'fit' : ''}`}
      role="grid"
      aria-label={label}
      aria-rowcount={count + 1}
      aria-colcount={placed.length}
      aria-multiselectable={onSelect ? true : undefined}
      aria-activedescendant={focused ? cellId(at, col) : undefined}
      tabIndex={0}
      onKeyDown={keys}
      onFocus={(e) => e.target === e.currentTarget && setFocused(true)}
      onBlur={() => setFocused(false)}
      onScroll={(e) => setView({ left: e.currentTarget.scrollLeft, width: e.currentTarget.clientWidth })}
      style={fit ? { height: Math.min(count, 12) * height + HEAD + 2 } : undefined}
    >
      <div role="presentation" style={{ height: rows.getTotalSize(), width, position: 'relative' }}>
        <div role="row" aria-rowindex={1} className="grid-row grid-head" style={{ width, height: HEAD }}>
          {mark > 0 && <span role="presentation" className="grid-mark" />}
          {shown.map(({ column, left, width: w }) => {
            const c = placed.findIndex((p) => p.column === column);
            const by = sort?.by === column.id ? (sort.desc ? 'descending' : 'ascending') : undefined;
            return (
              // biome-ignore lint/a11y/useKeyWithClickEvents: the grid hears the keys for the cell under its cursor
              <div
                key={column.id}
                id={cellId(0, c)}
                role="columnheader"
                aria-colindex={c + 1}
                aria-sort={column.sortable ? (by ?? 'none') : undefined}
                className={`cell ${column.align === 'right' ? 'num' : ''} ${column.pinned ? 'pinned' : ''} ${column.sortable ? 'sortable' : ''} ${focused && at === 0 && c === col ? 'cursor' : ''}`}
                style={{ left, width: w }}
                title={column.head}
                onClick={() => column.sortable && turn(column)}
              >
                <span className="cut">{column.head}</span>
                {by && <Icon name={by === 'descending' ? 'down' : 'up'} size={12} />}
              </div>
            );
          })}
        </div>
        {items.map((item) => {
          const value = row(item.index);
          const isSelected = value !== undefined && rowKey !== undefined && (selected?.has(rowKey(value)) ?? false);
          const isCursor = focused && at === item.index + 1;
          return (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the grid hears the keys for the row under its cursor
            <div
              key={item.index}
              role="row"
              aria-rowindex={item.index + 2}
              aria-selected={onSelect ? isSelected : undefined}
              className={`grid-row ${isSelected ? 'selected' : ''} ${isCursor ? 'cursor-row' : ''} ${onOpen ? 'opens' : ''}`}
              style={{ width, height, transform: `translateY(${item.start}px)` }}
              onClick={(e) => {
                if (e.target instanceof Element && e.target.closest('a, button, input')) return;
                setCursor({ row: item.index + 1, col });
                if (value && onOpen) onOpen(value, e.ctrlKey || e.metaKey);
              }}
            >
              {mark > 0 && (
                // biome-ignore lint/a11y/noStaticElementInteractions: Space does the same for the row under the cursor
                <span
                  role="presentation"
                  className="grid-mark"
                  onClick={(e) => {
                    e.stopPropagation();
                    choose(item.index, e.shiftKey);
                  }}
                >
                  <span className={`box ${isSelected ? 'on' : ''}`}>{isSelected && <Icon name="check" size={12} />}</span>
                </span>
              )}
              {shown.map(({ column, left, width: w }) => {
                const c = placed.findIndex((p) => p.column === column);
                return (
                  <div
                    key={column.id}
                    id={isCursor ? cellId(item.index + 1, c) : undefined}
                    role="gridcell"
                    aria-colindex={c + 1}
                    className={`cell cut ${column.align === 'right' ? 'num' : ''} ${column.pinned ? 'pinned' : ''} ${isCursor && c === col ? 'cursor' : ''}`}
                    style={{ left, width: w }}
                  >
                    {value === undefined ? <span className="bar" /> : column.cell(value)}
                  </div>
                );
              })}
            </div>
          );
        })}
      </div>
    </div>
  );
}

/** A grid of rows that are all there. */
export function ListGrid<R>({ rows, ...rest }: Omit<Props<R>, 'count' | 'row'> & { rows: R[] }) {
  return <Grid {...rest} count={rows.length} row={(i) => rows[i]} />;
}

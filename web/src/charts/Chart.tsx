// The one chart for all curves: a figure with a name and a summary, zoom by dragging or by keys, a cursor for mouse and arrows, a
// legend that reads values at the cursor, the same numbers as a table, and files of what is shown.
import { type KeyboardEvent, useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from 'react';
import 'uplot/dist/uPlot.min.css';
import './chart.css';
import { IconButton } from '../ui/Button';
import { absolute, count as counted, duration, short } from '../ui/format';
import { Item, Menu } from '../ui/Menu';
import { useTheme, useUtc } from '../ui/settings';
import { ChartTable } from './ChartTable';
import { save, toCsv, toPng, toSvg } from './export';
import { Legend } from './Legend';
import { colours } from './palette';
import { Plot, type View } from './plot';
import { extent, heights, isReduced, nearest, type Range, type Series } from './series';

export type Axis = 'step' | 'time' | 'relative';

interface Props {
  title: string;
  series: Series[];
  axis?: Axis;
  /** What of the x axis is shown; all when absent. */
  zoom?: Range;
  onZoom: (range: Range | undefined) => void;
  logX?: boolean;
  logY?: boolean;
  smoothing?: number;
  focus?: string | null;
  onFocus?: (id: string | null) => void;
  height?: number;
  /** Grey out what is about to be replaced. */
  stale?: boolean;
  onRemove?: () => void;
}

export function Chart(props: Props) {
  const {
    title,
    series,
    axis = 'step',
    zoom,
    onZoom,
    logX = false,
    logY = false,
    smoothing = 0,
    focus = null,
    onFocus,
    height = 240,
  } = props;
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot | null>(null);
  const zoomed = useRef(onZoom);
  zoomed.current = onZoom;
  const [cursor, setCursor] = useState<number | null>(null);
  const [table, setTable] = useState(false);
  const [theme] = useTheme();
  const [utc] = useUtc();
  const id = useId();

  const view = useMemo<View>(() => {
    const all = extent(series) ?? [0, 1];
    const low = logX && (zoom ?? all)[0] <= 0 ? Math.max(1, firstPositive(series)) : (zoom ?? all)[0];
    const x: Range = [low, Math.max((zoom ?? all)[1], low + 1e-9)];
    return { series, x, y: heights(series, x, logY), logX, logY, smoothing, focus, time: axis === 'time' };
  }, [series, zoom, logX, logY, smoothing, focus, axis]);

  const latest = useRef(view);
  latest.current = view;
  const kind = `${logX}${logY}${axis}`;
  // a plot has its kinds of axes for life; everything else is shown to it
  // biome-ignore lint/correctness/useExhaustiveDependencies: `kind` stands for what must make a new plot
  useLayoutEffect(() => {
    const element = holder.current;
    if (!element || table) return;
    const made = new Plot(element, latest.current, element.clientWidth, height, {
      onCursor: setCursor,
      onZoom: (range) => zoomed.current(range ?? undefined),
    });
    plot.current = made;
    const watch = new ResizeObserver(() => made.resize(element.clientWidth, height));
    watch.observe(element);
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const redraw = () => made.redraw();
    dark.addEventListener('change', redraw);
    return () => {
      watch.disconnect();
      dark.removeEventListener('change', redraw);
      made.destroy();
      plot.current = null;
    };
  }, [kind, height, table]);

  // at most once per frame, however often data comes
  useEffect(() => {
    const frame = requestAnimationFrame(() => plot.current?.show(view));
    return () => cancelAnimationFrame(frame);
  }, [view]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another theme is another drawing
  useEffect(() => plot.current?.redraw(), [theme]);

  const xText = (x: number) =>
    axis === 'time' ? absolute(x, utc) : axis === 'relative' ? duration(x) : short(Math.round(x * 1000) / 1000);
  const points = series.reduce((sum, one) => sum + one.total, 0);
  const shown = series.reduce((sum, one) => sum + one.to.length, 0);
  const reduced = isReduced(series);

  const move = (to: number | null) => {
    setCursor(to);
    plot.current?.point(to);
  };
  const scale = (factor: number) => {
    const [low, high] = view.x;
    const middle = cursor ?? (low + high) / 2;
    const all = extent(series);
    if (!all) return;
    const next: Range = [middle - (middle - low) * factor, middle + (high - middle) * factor];
    onZoom(next[0] <= all[0] && next[1] >= all[1] ? undefined : [Math.max(next[0], all[0]), Math.min(next[1], all[1])]);
  };
  const keys = (e: KeyboardEvent) => {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const lead = series.find((one) => one.id === focus) ?? series[0];
    if (!lead) return;
    const at = cursor === null ? -1 : nearest(lead.to, cursor);
    const jump = e.shiftKey ? Math.max(1, Math.floor(lead.to.length / 20)) : 1;
    const to = { ArrowRight: at + jump, ArrowLeft: at < 0 ? lead.to.length - 1 : at - jump, Home: 0, End: lead.to.length - 1 }[
      e.key
    ];
    if (to !== undefined) move(lead.to[Math.max(0, Math.min(lead.to.length - 1, to))] ?? null);
    else if (e.key === '+' || e.key === '=') scale(0.5);
    else if (e.key === '-') scale(2);
    else if (e.key === '0') onZoom(undefined);
    else if (e.key === 'Escape' && cursor !== null) move(null);
    else if ((e.key === 'ArrowDown' || e.key === 'ArrowUp') && onFocus) {
      const index = series.findIndex((one) => one.id === focus) + (e.key === 'ArrowDown' ? 1 : -1);
      onFocus(series[index]?.id ?? null);
    } else return;
    e.preventDefault();
  };

  const svg = () =>
    toSvg({
      title,
      series,
      x: view.x,
      y: view.y,
      logX,
      logY,
      smoothing,
      colours: colours(holder.current ?? document.body),
      xLabel: xText,
    });
  const name = title.replace(/[^\w.-]+/g, '_');

  return (
    <figure className={`chart ${props.stale ? 'stale' : ''}`} aria-labelledby={`${id}-name`}>
      <figcaption className="row">
        <h3 id={`${id}-name`} className="cut grow" title={title}>
          {title}
        </h3>
        {reduced && (
          <span
            className="muted small"
            title="Each step of the curve stands for several points; the band spans them. Zoom in for more."
          >
            {counted(shown)} of {counted(points)} points
          </span>
        )}
        {zoom && <IconButton icon="reset" label={`Show all of ${title}`} onClick={() => onZoom(undefined)} />}
        <IconButton
          icon="table"
          label={`${table ? 'Chart' : 'Table'} of ${title}`}
          aria-pressed={table}
          onClick={() => setTable(!table)}
        />
        <Menu label={`Export ${title}`} kind="quiet" align="right" text={<span className="small">Export</span>}>
          {(close) => (
            <>
              <Item
                icon="download"
                onSelect={() => {
                  close();
                  void toPng(svg()).then((blob) => blob && save(`${name}.png`, blob));
                }}
              >
                PNG
              </Item>
              <Item
                icon="download"
                onSelect={() => {
                  close();
                  save(`${name}.svg`, svg(), 'image/svg+xml');
                }}
              >
                SVG
              </Item>
              <Item
                icon="download"
                onSelect={() => {
                  close();
                  save(`${name}.csv`, toCsv(series), 'text/csv');
                }}
              >
                CSV
              </Item>
            </>
          )}
        </Menu>
        {props.onRemove && <IconButton icon="close" label={`Take ${title} away`} onClick={props.onRemove} />}
      </figcaption>
      {table ? (
        <ChartTable title={title} series={series} xText={xText} height={height} />
      ) : (
        <div
          ref={holder}
          className="plot"
          role="application"
          aria-roledescription="chart"
          aria-label={summary(title, series, xText)}
          tabIndex={0}
          style={{ height }}
          onKeyDown={keys}
          onDoubleClick={() => onZoom(undefined)}
        />
      )}
      <Legend series={series} cursor={cursor} xText={xText} focus={focus} onFocus={onFocus} />
      <span className="sr" role="status">
        {cursor === null ? '' : spoken(series, cursor, xText, focus)}
      </span>
    </figure>
  );
}

function firstPositive(series: Series[]): number {
  return Math.min(
    ...series.flatMap(({ to }) =>
      Array.from(to.subarray(0, 1024))
        .filter((x) => x > 0)
        .slice(0, 1),
    ),
    Number.MAX_SAFE_INTEGER,
  );
}

function summary(title: string, series: Series[], xText: (x: number) => string): string {
  const x = extent(series);
  const [low, high] = heights(series, x ?? [0, 1], false);
  const span = x ? `from ${xText(x[0])} to ${xText(x[1])}, values about ${short(low)} to ${short(high)}` : 'no points yet';
  return `${title}: ${series.length} ${series.length === 1 ? 'series' : 'series'}, ${span}. Arrow keys move along it, plus and minus zoom.`;
}

function spoken(series: Series[], cursor: number, xText: (x: number) => string, focus: string | null): string {
  const one = series.find((s) => s.id === focus) ?? series[0];
  const i = one ? nearest(one.to, cursor) : -1;
  return one && i >= 0 ? `${one.name} at ${xText(one.to[i] ?? 0)}: ${short(one.last[i] ?? Number.NaN)}` : '';
}

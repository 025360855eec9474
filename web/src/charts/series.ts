// What a chart draws: series of buckets, as columns of numbers. A bucket of one point is that point.

export interface Series {
  /** Tells series apart, across redraws and exports. */
  id: string;
  name: string;
  /** Index into the palette, fixed for as long as the series is shown anywhere. */
  slot: number;
  /** Where each bucket begins and ends on the x axis. */
  from: Float64Array;
  to: Float64Array;
  min: Float64Array;
  max: Float64Array;
  /** Value of the last point of each bucket: what the line goes through. */
  last: Float64Array;
  count: Float64Array;
  /** Points that the server has. */
  total: number;
}

export type Range = [number, number];

/** The first bucket that ends at or after `x`. */
export function firstAt(to: Float64Array, x: number): number {
  let low = 0;
  let high = to.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((to[middle] ?? 0) < x) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The bucket whose end is nearest to `x`; -1 when there is none. */
export function nearest(to: Float64Array, x: number): number {
  const after = firstAt(to, x);
  if (after >= to.length) return to.length - 1;
  if (after === 0) return 0;
  return Math.abs((to[after - 1] ?? 0) - x) <= Math.abs((to[after] ?? 0) - x) ? after - 1 : after;
}

/** From the first to the last x of all series. */
export function extent(series: Series[]): Range | undefined {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const { from, to } of series) {
    if (to.length === 0) continue;
    low = Math.min(low, from[0] ?? low);
    high = Math.max(high, to[to.length - 1] ?? high);
  }
  if (low > high) return undefined;
  return low === high ? [low - 1, high + 1] : [low, high];
}

/** From the smallest to the largest value that `x` shows; positive ones only for a logarithmic axis. */
export function heights(series: Series[], x: Range, log: boolean): Range {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const one of series) {
    const end = Math.min(firstAt(one.to, x[1]) + 1, one.to.length);
    for (let i = firstAt(one.to, x[0]); i < end; i++) {
      const min = one.min[i] ?? Number.NaN;
      const max = one.max[i] ?? Number.NaN;
      const last = one.last[i] ?? Number.NaN;
      for (const value of [min, max, last]) {
        if (!Number.isFinite(value) || (log && value <= 0)) continue;
        if (value < low) low = value;
        if (value > high) high = value;
      }
    }
  }
  if (low > high) return log ? [0.1, 10] : [0, 1];
  if (log) {
    const [a, b] = [10 ** Math.floor(Math.log10(low)), 10 ** Math.ceil(Math.log10(high))];
    return a === b ? [a / 10, b * 10] : [a, b];
  }
  if (low === high) return low === 0 ? [-1, 1] : [low - Math.abs(low) * 0.1, high + Math.abs(high) * 0.1];
  const pad = (high - low) * 0.05;
  return [low - pad, high + pad];
}

/** "2,000 of 1.2M points": said whenever not every point is drawn as itself. */
export function isReduced(series: Series[]): boolean {
  return series.some(({ count }) => count.some((points) => points > 1));
}

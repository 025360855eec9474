// Numbers and times as people read them. Whatever is shortened has its full form on hover and in what is copied.

/** What JSON has no number for arrives as text. */
export type Value = number | 'NaN' | 'Infinity' | '-Infinity';

export function toNumber(value: Value): number {
  return typeof value === 'number' ? value : Number(value);
}

/** Four significant digits: `0.0123`, `1,234`, `1.235e+8`. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? '∞' : '−∞';
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e7 || size < 1e-4)
    return value
      .toExponential(3)
      .replace(/\.?0+e/, 'e')
      .replace('-', '−');
  if (Number.isInteger(value)) return value.toLocaleString('en-US').replace('-', '−');
  const text = size >= 1000 ? Math.round(value).toLocaleString('en-US') : String(Number(value.toPrecision(4)));
  return text.replace('-', '−');
}

/** A count: `999`, `1,234`, `12.3k`, `1.2M`. */
export function count(value: number): string {
  if (value < 10_000) return value.toLocaleString('en-US');
  if (value < 1_000_000) return `${Number((value / 1000).toPrecision(3))}k`;
  return `${Number((value / 1_000_000).toPrecision(3))}M`;
}

export function bytes(value: number): string {
  if (value < 1024) return `${value} B`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  const power = Math.min(Math.floor(Math.log(value) / Math.log(1024)), units.length);
  return `${Number((value / 1024 ** power).toPrecision(3))} ${units[power - 1]}`;
}

/** A duration: `340 ms`, `4.2 s`, `3 m 20 s`, `2 h 5 m`, `3 d 4 h`. */
export function duration(ms: number): string {
  if (ms < 0) return '0 s';
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 10) return `${Number(seconds.toFixed(1))} s`;
  const pairs: [number, string, number, string][] = [
    [60, 's', 1, 's'],
    [3600, 'm', 60, 's'],
    [86_400, 'h', 3600, 'm'],
    [Number.POSITIVE_INFINITY, 'd', 86_400, 'h'],
  ];
  for (const [below, unit, small, smallUnit] of pairs) {
    if (seconds >= below) continue;
    if (unit === 's') return `${Math.floor(seconds)} s`;
    const big = { m: 60, h: 3600, d: 86_400 }[unit as 'm' | 'h' | 'd'];
    const rest = Math.floor((seconds % big) / small);
    return `${Math.floor(seconds / big)} ${unit}${rest > 0 ? ` ${rest} ${smallUnit}` : ''}`;
  }
  return '';
}

/** How long ago, in one unit: `now`, `12 s ago`, `3 m ago`, `5 h ago`, `2 d ago`; later than a month, the date. */
export function ago(at: number, now: number): string {
  const seconds = Math.round((now - at) / 1000);
  if (seconds < -1) return `in ${duration(at - now)}`;
  if (seconds < 2) return 'now';
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  if (seconds < 30 * 86_400) return `${Math.floor(seconds / 86_400)} d ago`;
  return absolute(at, true).slice(0, 10);
}

/** `2026-01-02 03:04:05`, with `UTC` where it is. */
export function absolute(at: number, utc: boolean): string {
  const date = new Date(at);
  if (utc) return `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
  const pad = (n: number) => String(n).padStart(2, '0');
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
  return `${day} ${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
}

/** The first eight characters: enough to tell ids apart by eye. */
export function shortId(id: string): string {
  return id.length > 12 ? id.slice(-8) : id;
}

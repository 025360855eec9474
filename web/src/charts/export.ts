// A chart as a file: what is on the screen as PNG or SVG, all that was loaded as CSV.
import { short } from '../ui/format';
import { dashOf } from './palette';
import { firstAt, type Range, type Series } from './series';
import { smooth } from './smooth';
import { decades, ticks } from './ticks';

export interface Picture {
  title: string;
  series: Series[];
  x: Range;
  y: Range;
  logX: boolean;
  logY: boolean;
  smoothing: number;
  colours: { of: (slot: number) => string; line: string; text: string; muted: string; bg: string };
  xLabel: (x: number) => string;
}

const text = (value: string) => value.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

function scale([low, high]: Range, log: boolean, from: number, to: number): (value: number) => number {
  const f = log ? Math.log10 : (v: number) => v;
  const [a, b] = [f(low), f(high)];
  return (value) => from + ((f(value) - a) / (b - a)) * (to - from);
}

/** Draws a chart as SVG text, legend included. */
export function toSvg(picture: Picture): string {
  const { series, colours } = picture;
  const [width, plot] = [960, 420];
  const [left, top, right] = [64, 36, 16];
  const height = top + plot + 40 + series.length * 18 + 12;
  const x = scale(picture.x, picture.logX, left, width - right);
  const y = scale(picture.y, picture.logY, top + plot, top);
  const out: string[] = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="${colours.bg}"/>`,
    `<text x="${left}" y="22" font-size="14" font-weight="600" fill="${colours.text}">${text(picture.title)}</text>`,
  ];
  const grid = (log: boolean, [low, high]: Range, wanted: number) => (log ? decades(low, high) : ticks(low, high, wanted));
  for (const v of grid(picture.logY, picture.y, 6)) {
    out.push(`<path d="M${left} ${y(v).toFixed(1)}H${width - right}" stroke="${colours.line}"/>`);
    out.push(
      `<text x="${left - 6}" y="${(y(v) + 4).toFixed(1)}" text-anchor="end" fill="${colours.muted}">${text(short(v))}</text>`,
    );
  }
  for (const v of grid(picture.logX, picture.x, 8))
    out.push(
      `<text x="${x(v).toFixed(1)}" y="${top + plot + 18}" text-anchor="middle" fill="${colours.muted}">${text(picture.xLabel(v))}</text>`,
    );
  out.push(
    `<clipPath id="c"><rect x="${left}" y="${top}" width="${width - left - right}" height="${plot}"/></clipPath><g clip-path="url(#c)" fill="none">`,
  );
  for (const one of series) {
    const values = smooth(one.last, picture.smoothing);
    const end = Math.min(one.to.length, firstAt(one.to, picture.x[1]) + 2);
    let path = '';
    let down = false;
    for (let i = Math.max(0, firstAt(one.to, picture.x[0]) - 1); i < end; i++) {
      const at = y(values[i] ?? Number.NaN);
      if (Number.isFinite(at)) path += `${down ? 'L' : 'M'}${x(one.to[i] ?? 0).toFixed(1)} ${at.toFixed(1)}`;
      down = Number.isFinite(at);
    }
    const dash = dashOf(one.slot).join(' ');
    out.push(`<path d="${path}" stroke="${colours.of(one.slot)}" stroke-width="1.5"${dash && ` stroke-dasharray="${dash}"`}/>`);
  }
  out.push('</g>');
  series.forEach((one, i) => {
    const at = top + plot + 44 + i * 18;
    out.push(
      `<path d="M${left} ${at - 4}h20" stroke="${colours.of(one.slot)}" stroke-width="2" stroke-dasharray="${dashOf(one.slot).join(' ')}"/>`,
    );
    out.push(`<text x="${left + 28}" y="${at}" fill="${colours.text}">${text(one.name)}</text>`);
  });
  out.push('</svg>');
  return out.join('\n');
}

const field = (value: string | number) => {
  // what begins like a formula is none: spreadsheets run them
  const plain = typeof value === 'string' && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\n\r]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
};

/** Writes every bucket as a line. */
export function toCsv(series: Series[]): string {
  const lines = ['series,from,to,min,max,last,count'];
  for (const one of series)
    for (let i = 0; i < one.to.length; i++)
      lines.push(
        [one.name, one.from[i], one.to[i], one.min[i], one.max[i], one.last[i], one.count[i]]
          .map((v) => field(v ?? ''))
          .join(','),
      );
  return `${lines.join('\n')}\n`;
}

/** Paints SVG text and hands it out as PNG. */
export async function toPng(svg: string): Promise<Blob | null> {
  const image = new Image();
  image.src = URL.createObjectURL(new Blob([svg], { type: 'image/svg+xml' }));
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = image.width * 2;
  canvas.height = image.height * 2;
  canvas.getContext('2d')?.drawImage(image, 0, 0, canvas.width, canvas.height);
  URL.revokeObjectURL(image.src);
  return new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));
}

export function save(name: string, content: Blob | string, type = 'text/plain') {
  const url = URL.createObjectURL(typeof content === 'string' ? new Blob([content], { type }) : content);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

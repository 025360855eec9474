// Draws series on a canvas: the span of each bucket as a faint band, the line through last values, marks for what is no number.
import { dashOf } from './palette';
import { firstAt, type Range, type Series } from './series';
import { smooth } from './smooth';

export interface Look {
  /** 0 to just below 1. */
  smoothing: number;
  /** The series that the others fade for. */
  focus: string | null;
  colour: (slot: number) => string;
}

type Place = (value: number) => number;

/** Where on the canvas, in its own pixels. */
export interface Field {
  x: Place;
  y: Place;
  window: Range;
  left: number;
  top: number;
  width: number;
  height: number;
  ratio: number;
}

function line(context: CanvasRenderingContext2D, series: Series, values: Float64Array, field: Field, from: number, to: number) {
  let down = false;
  context.beginPath();
  for (let i = from; i < to; i++) {
    const y = field.y(values[i] ?? Number.NaN);
    if (!Number.isFinite(y)) {
      down = false;
      continue;
    }
    const x = field.x(series.to[i] ?? 0);
    if (down) context.lineTo(x, y);
    else context.moveTo(x, y);
    down = true;
  }
  context.stroke();
}

function band(context: CanvasRenderingContext2D, series: Series, field: Field, from: number, to: number) {
  context.beginPath();
  for (let i = from; i < to; i++) {
    if ((series.count[i] ?? 0) < 2) continue;
    const high = field.y(series.max[i] ?? Number.NaN);
    const low = field.y(series.min[i] ?? Number.NaN);
    if (!Number.isFinite(high) || !Number.isFinite(low)) continue;
    const left = field.x(series.from[i] ?? 0);
    context.rect(left, high, Math.max(field.ratio, field.x(series.to[i] ?? 0) - left), Math.max(field.ratio, low - high));
  }
  context.fill();
}

/** Crosses at the lower edge where a value is NaN, at the upper where it is infinite. */
function marks(context: CanvasRenderingContext2D, series: Series, field: Field, from: number, to: number) {
  const size = 3 * field.ratio;
  context.beginPath();
  for (let i = from; i < to; i++) {
    const value = series.last[i] ?? 0;
    if (Number.isFinite(value)) continue;
    const x = field.x(series.to[i] ?? 0);
    const y = value === Number.POSITIVE_INFINITY ? field.top + size * 2 : field.top + field.height - size * 2;
    context.moveTo(x - size, y - size);
    context.lineTo(x + size, y + size);
    context.moveTo(x + size, y - size);
    context.lineTo(x - size, y + size);
  }
  context.stroke();
}

export function draw(context: CanvasRenderingContext2D, all: Series[], field: Field, look: Look) {
  context.save();
  context.beginPath();
  context.rect(field.left, field.top, field.width, field.height);
  context.clip();
  context.lineJoin = 'round';
  // the focused one is drawn last, over the others
  const ordered = [...all].sort((a, b) => Number(a.id === look.focus) - Number(b.id === look.focus));
  for (const series of ordered) {
    const from = Math.max(0, firstAt(series.to, field.window[0]) - 1);
    const to = Math.min(series.to.length, firstAt(series.to, field.window[1]) + 2);
    const faded = look.focus !== null && look.focus !== series.id;
    const colour = look.colour(series.slot);
    context.strokeStyle = colour;
    context.fillStyle = colour;
    context.lineWidth = (series.id === look.focus ? 2 : 1.25) * field.ratio;
    const smoothed = smooth(series.last, look.smoothing);
    context.globalAlpha = faded ? 0.04 : 0.16;
    band(context, series, field, from, to);
    context.setLineDash(dashOf(series.slot).map((length) => length * field.ratio));
    if (smoothed !== series.last) {
      context.globalAlpha = faded ? 0.08 : 0.3;
      line(context, series, series.last, field, from, to);
    }
    context.globalAlpha = faded ? 0.25 : 1;
    line(context, series, smoothed, field, from, to);
    context.setLineDash([]);
    marks(context, series, field, from, to);
    if (to - from === 1 && series.to.length === 1) {
      context.beginPath();
      context.arc(field.x(series.to[0] ?? 0), field.y(series.last[0] ?? 0), 3 * field.ratio, 0, 7);
      context.fill();
    }
  }
  context.restore();
}

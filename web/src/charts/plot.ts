// uPlot's part in a chart: axes, grid, selection and crosshair. The series are ours to draw, each with its own x, so nothing has to
// be joined; uPlot is given the corners of the picture as its data.
import uPlot from 'uplot';
import { short } from '../ui/format';
import { draw, type Field } from './draw';
import { colours } from './palette';
import type { Range, Series } from './series';

export interface View {
  series: Series[];
  x: Range;
  y: Range;
  logX: boolean;
  logY: boolean;
  smoothing: number;
  focus: string | null;
  /** x is milliseconds. */
  time: boolean;
}

export interface Heard {
  onCursor: (x: number | null) => void;
  onZoom: (range: Range | null) => void;
}

/** One plot in an element. `show` redraws it; what is on the screen is always what was shown last. */
export class Plot {
  private plot: uPlot;
  private view: View;

  constructor(element: HTMLElement, view: View, width: number, height: number, heard: Heard) {
    this.view = view;
    this.plot = new uPlot(this.options(element, width, height, heard), this.corners(), element);
  }

  private corners(): uPlot.AlignedData {
    return [[...this.view.x], [...this.view.y]];
  }

  private options(element: HTMLElement, width: number, height: number, heard: Heard): uPlot.Options {
    const { logX, logY, time } = this.view;
    const theme = () => colours(element);
    const axis: uPlot.Axis = {
      stroke: () => theme().muted,
      grid: { stroke: () => theme().line, width: 1 },
      ticks: { show: false },
      font: '11px system-ui, sans-serif',
      gap: 6,
    };
    const numbers = (_: uPlot, splits: number[]) => splits.map((v) => (v === null ? '' : short(v)));
    return {
      width,
      height,
      padding: [8, 12, 0, 0],
      legend: { show: false },
      focus: { alpha: 1 },
      cursor: { points: { show: false }, drag: { x: true, y: false, setScale: false }, bind: { dblclick: () => null } },
      scales: {
        x: { time, distr: logX ? 3 : 1, range: () => this.view.x },
        y: { distr: logY ? 3 : 1, range: () => this.view.y },
      },
      axes: [
        { ...axis, size: 28, values: time ? undefined : numbers },
        { ...axis, size: 56, values: numbers },
      ],
      series: [{}, { paths: () => null, points: { show: false } }],
      ms: 1,
      hooks: {
        draw: [(plot) => this.paint(plot, theme().of)],
        setCursor: [(plot) => heard.onCursor((plot.cursor.left ?? -1) < 0 ? null : plot.posToVal(plot.cursor.left ?? 0, 'x'))],
        setSelect: [
          (plot) => {
            if (plot.select.width < 4) return;
            const left = plot.posToVal(plot.select.left, 'x');
            const right = plot.posToVal(plot.select.left + plot.select.width, 'x');
            plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
            heard.onZoom([left, right]);
          },
        ],
      },
    };
  }

  private paint(plot: uPlot, colour: (slot: number) => string) {
    const { left, top, width, height } = plot.bbox;
    const field: Field = {
      x: (value) => plot.valToPos(value, 'x', true),
      y: (value) => plot.valToPos(value, 'y', true),
      window: this.view.x,
      left,
      top,
      width,
      height,
      ratio: devicePixelRatio,
    };
    draw(plot.ctx, this.view.series, field, { smoothing: this.view.smoothing, focus: this.view.focus, colour });
  }

  show(view: View) {
    this.view = view;
    this.plot.setData(this.corners());
  }

  resize(width: number, height: number) {
    this.plot.setSize({ width, height });
  }

  /** Puts the crosshair at a value, or takes it away. */
  point(x: number | null) {
    const left = x === null ? -10 : this.plot.valToPos(x, 'x');
    this.plot.setCursor({ left, top: x === null ? -10 : 20 });
  }

  redraw() {
    this.plot.redraw(false, true);
  }

  destroy() {
    this.plot.destroy();
  }
}

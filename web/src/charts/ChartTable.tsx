import { useMemo } from 'react';
import { Grid } from '../ui/Grid';
import { Num } from '../ui/Time';
import type { Series } from './series';

interface Line {
  name: string;
  series: Series;
  at: number;
}

/** The numbers of a chart, one line per bucket. */
export function ChartTable({
  title,
  series,
  xText,
  height,
}: {
  title: string;
  series: Series[];
  xText: (x: number) => string;
  height: number;
}) {
  const starts = useMemo(() => {
    let sum = 0;
    return series.map((one) => {
      const start = sum;
      sum += one.to.length;
      return { one, start };
    });
  }, [series]);
  const total = series.reduce((sum, one) => sum + one.to.length, 0);
  const line = (index: number): Line | undefined => {
    const part = starts.findLast(({ start, one }) => start <= index && one.to.length > 0);
    return part && { name: part.one.name, series: part.one, at: index - part.start };
  };
  return (
    <div className="chart-table" style={{ height }}>
      <Grid<Line>
        label={`Values of ${title}`}
        count={total}
        row={line}
        columns={[
          { id: 'name', head: 'Series', width: 160, grow: true, cell: ({ name }) => name },
          { id: 'x', head: 'x', align: 'right', cell: ({ series, at }) => xText(series.to[at] ?? 0) },
          { id: 'last', head: 'Value', align: 'right', width: 96, cell: ({ series, at }) => <Num value={series.last[at]} /> },
          { id: 'min', head: 'Lowest', align: 'right', width: 96, cell: ({ series, at }) => <Num value={series.min[at]} /> },
          { id: 'max', head: 'Highest', align: 'right', width: 96, cell: ({ series, at }) => <Num value={series.max[at]} /> },
          { id: 'count', head: 'Points', align: 'right', width: 72, cell: ({ series, at }) => series.count[at] },
        ]}
      />
    </div>
  );
}

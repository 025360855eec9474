// Icons, drawn on a grid of 16 with strokes in the colour of the text around them. They repeat what a word says, so they are hidden
// from screen readers.
const PATHS = {
  home: 'M2.5 7.5 8 2.8l5.5 4.7M4 6.5v6.7h8V6.5',
  runs: 'M2.5 13.5V2.5M2.5 13.5h11M4.5 10.5l2.8-3.5 2.2 2 3.5-5',
  models: 'M8 2 13.5 5v6L8 14 2.5 11V5zM2.5 5 8 8l5.5-3M8 8v6',
  deployments: 'M2.5 3h11v4h-11zM2.5 9h11v4h-11zM5 5h.01M5 11h.01',
  monitoring: 'M1.5 8.5h3l1.5-4.5 3 8.5 2-5.5 1 1.5h2.5',
  datasets: 'M2.5 4c0-2 11-2 11 0s-11 2-11 0zM2.5 4v8c0 2 11 2 11 0V4M2.5 8c0 2 11 2 11 0',
  queue: 'M2.5 4h11M2.5 8h11M2.5 12h7',
  settings:
    'M2 4.5h6M11.5 4.5H14M2 11.5h2.5M8 11.5h6M9.8 6.2a1.7 1.7 0 1 0 0-3.4 1.7 1.7 0 0 0 0 3.4zM6.2 13.2a1.7 1.7 0 1 0 0-3.4 1.7 1.7 0 0 0 0 3.4z',
  search: 'M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zM10.7 10.7 14 14',
  close: 'M3.5 3.5l9 9M12.5 3.5l-9 9',
  check: 'M3 8.5l3.3 3.3L13 4.8',
  down: 'M4 6l4 4 4-4',
  up: 'M4 10l4-4 4 4',
  right: 'M6 4l4 4-4 4',
  copy: 'M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3',
  download: 'M8 2.5v7.5M4.8 7 8 10.2 11.2 7M2.5 13.5h11',
  table: 'M2.5 3h11v10h-11zM2.5 6.3h11M2.5 9.7h11M6.5 3v10',
  pin: 'M6 2.5h4l-.5 4 2 2.5h-7l2-2.5zM8 9v4.5',
  columns: 'M2.5 3h11v10h-11zM6.2 3v10M9.8 3v10',
  plus: 'M8 3v10M3 8h10',
  trash: 'M3 4.5h10M6.5 4.5v-2h3v2M4.5 4.5l.6 9h5.8l.6-9M6.7 7v4M9.3 7v4',
  warning: 'M8 2.5 14.2 13.3H1.8zM8 6.5v3M8 11.5h.01',
  clock: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 4.5V8l2.3 1.5',
  play: 'M5 3.5v9l7-4.5z',
  stop: 'M4 4h8v8H4z',
  failed: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM5.8 5.8l4.4 4.4M10.2 5.8l-4.4 4.4',
  done: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM5.3 8.2l2 2 3.5-4',
  drift: 'M2 10c2 0 2.5-5 4.5-5s2.5 6 4.5 6 1.5-3 3-3',
  light:
    'M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM8 1.5v1.5M8 13v1.5M1.5 8H3M13 8h1.5M3.4 3.4l1 1M11.6 11.6l1 1M12.6 3.4l-1 1M4.4 11.6l-1 1',
  dark: 'M13 9.8A5.5 5.5 0 0 1 6.2 3 5.5 5.5 0 1 0 13 9.8z',
  system: 'M2 3h12v8H2zM6 13.5h4M8 11v2.5',
  key: 'M5.5 13a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM7.7 8l5-5M10.5 5.2l2 2',
  more: 'M3.5 8h.01M8 8h.01M12.5 8h.01',
  reset: 'M3 8a5 5 0 1 0 1.6-3.7M3 2.5v3h3',
  file: 'M4 2h5l3 3v9H4zM9 2v3h3',
  folder: 'M2 4h4.5l1.5 1.5h6V13H2z',
  tag: 'M2.5 2.5h5.5l5.5 5.5-5.5 5.5L2.5 8zM5.5 5.5h.01',
  branch:
    'M4.5 5v6M4.5 5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3zM4.5 14a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3zM11.5 6.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3zM11.5 6.5c0 3-7 1.5-7 4.5',
  out: 'M9.5 2.5h4v11h-4M2.5 8h7M6.5 5l3 3-3 3',
  sort: 'M5 3v10M2.8 10.8 5 13l2.2-2.2M11 13V3M8.8 5.2 11 3l2.2 2.2',
  filter: 'M2 3.5h12L9.5 8.8v4.2l-3 .8V8.8z',
  book: 'M8 4c-1.5-1-3.5-1.5-5.5-1.2v9.4c2-.3 4 .2 5.5 1.3 1.5-1.1 3.5-1.6 5.5-1.3V2.8C11.5 2.5 9.5 3 8 4zM8 4v9.5',
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg
      className="icon"
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.4"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}

// Colours of series. The first eight differ in colour, the next in dashes. A run has the same slot wherever it is shown: the slot
// follows from the order in which runs are chosen, or from the id where there is no order.

export const COLOURS = 8;
export const DASHES: number[][] = [[], [6, 3], [2, 3], [8, 3, 2, 3]];

/** The slot of something that stands alone. */
export function slotOf(id: string): number {
  let hash = 0;
  for (let i = 0; i < id.length; i++) hash = (hash * 31 + id.charCodeAt(i)) >>> 0;
  return hash % COLOURS;
}

export function dashOf(slot: number): number[] {
  return DASHES[Math.floor(slot / COLOURS) % DASHES.length] ?? [];
}

export function variableOf(slot: number): string {
  return `--s${(slot % COLOURS) + 1}`;
}

/** Reads the colours of the theme in force. */
export function colours(element: Element): {
  of: (slot: number) => string;
  line: string;
  text: string;
  muted: string;
  bg: string;
} {
  const style = getComputedStyle(element);
  const read = (name: string) => style.getPropertyValue(name).trim();
  const series = Array.from({ length: COLOURS }, (_, i) => read(`--s${i + 1}`));
  return {
    of: (slot) => series[slot % COLOURS] ?? '#888888',
    line: read('--line'),
    text: read('--text'),
    muted: read('--muted'),
    bg: read('--raised'),
  };
}

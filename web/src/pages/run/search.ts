export type RunTab = 'overview' | 'metrics' | 'artifacts';

export interface RunSearch {
  tab?: RunTab;
}

export function runSearch(raw: Record<string, unknown>): RunSearch {
  return { tab: raw.tab === 'metrics' || raw.tab === 'artifacts' ? raw.tab : undefined };
}

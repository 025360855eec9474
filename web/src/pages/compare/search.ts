export interface CompareSearch {
  runs?: string[];
}

export function compareSearch(raw: Record<string, unknown>): CompareSearch {
  const runs = Array.isArray(raw.runs) ? raw.runs.map(String) : typeof raw.runs === 'string' ? raw.runs.split(',') : [];
  return { runs: runs.length > 0 ? runs.slice(0, 100) : undefined };
}

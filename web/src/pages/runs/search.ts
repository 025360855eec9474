export interface RunsSearch {
  experiment?: string;
}

export function runsSearch(raw: Record<string, unknown>): RunsSearch {
  return { experiment: raw.experiment === undefined ? undefined : String(raw.experiment) };
}

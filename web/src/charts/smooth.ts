// Smoothing as TensorBoard does it: an exponential average without the bias of its start. Values that are no numbers are passed
// over, and a series that never changes is left alone.

/** Smooths `values`; `weight` is 0 (not at all) to just below 1. */
export function smooth(values: Float64Array, weight: number): Float64Array {
  const first = values.find((value) => Number.isFinite(value));
  if (weight <= 0 || first === undefined || values.every((value) => value === first || !Number.isFinite(value))) return values;
  const out = new Float64Array(values.length);
  let average = 0;
  let seen = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? Number.NaN;
    if (!Number.isFinite(value)) {
      out[i] = value;
      continue;
    }
    seen += 1;
    average = average * weight + (1 - weight) * value;
    out[i] = average / (1 - weight ** seen);
  }
  return out;
}

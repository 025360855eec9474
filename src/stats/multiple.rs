//! Many tests at once.

/// Returns the Benjamini-Hochberg adjusted p-values (1995), in the order given: rejecting those at most `q` keeps the expected
/// share of false rejections at most `q` for independent or positively dependent tests.
pub fn benjamini_hochberg(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_unstable_by(|&i, &j| p_values[j].total_cmp(&p_values[i]));
    let mut adjusted = vec![1.0; p_values.len()];
    let mut smallest = 1.0_f64;
    for (above, &index) in order.iter().enumerate() {
        let rank = p_values.len() - above;
        smallest = smallest.min(p_values[index] * p_values.len() as f64 / rank as f64);
        adjusted[index] = smallest;
    }
    adjusted
}

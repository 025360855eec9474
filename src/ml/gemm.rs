//! Products of small dense matrices, row-major, in 4 × 16 tiles held in registers.
//!
//! Every element is its start value plus the products in order of the inner index, whatever the tile or the vector width.
//! Widths are padded to [`LANES`] with zeros by the caller, so there are no ragged edges.

use super::kernel::Kernel;

/// Widths of stored matrices are multiples of this.
pub(crate) const LANES: usize = 8;
/// Heights of the left operand's blocks are multiples of this.
pub(crate) const ROWS: usize = 4;

/// Rounds a width up to whole vectors.
pub(crate) const fn padded(width: usize) -> usize {
    width.next_multiple_of(LANES)
}

/// What an element holds before the products are added.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Start<'a> {
    Zero,
    /// The same row for every row.
    Row(&'a [f32]),
    /// What is there.
    Sum,
}

/// The left operand.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Left<'a> {
    /// `a[i, p]` stands at `i * stride + p`.
    Plain(&'a [f32], usize),
    /// `a[i, p]` stands at `p * stride + i`: the transpose of what is stored.
    Transposed(&'a [f32], usize),
}

/// `c[m, n] = start + a[m, k] · b[k, n]`, `b` and `c` stored with `n` values per row; `m` a multiple of [`ROWS`], `n` of
/// [`LANES`].
pub(crate) struct Gemm<'a> {
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) k: usize,
    pub(crate) a: Left<'a>,
    pub(crate) b: &'a [f32],
    pub(crate) c: &'a mut [f32],
    pub(crate) start: Start<'a>,
}

impl Kernel for Gemm<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { m, n, k, a, b, c, start } = self;
        assert!(m % ROWS == 0 && n % LANES == 0 && b.len() >= k * n && c.len() >= m * n);
        let b = &b[..k * n];
        for i in (0..m).step_by(ROWS) {
            let c = &mut c[i * n..(i + ROWS) * n];
            let mut j = 0;
            while j + 2 * LANES <= n {
                tile::<{ 2 * LANES }>(i, j, k, n, a, b, c, start);
                j += 2 * LANES;
            }
            if j < n {
                tile::<LANES>(i, j, k, n, a, b, c, start);
            }
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "a tile is the whole product seen through a window")]
#[inline(always)]
fn tile<const W: usize>(i: usize, j: usize, k: usize, n: usize, a: Left<'_>, b: &[f32], c: &mut [f32], start: Start<'_>) {
    let mut sums = [[0.0f32; W]; ROWS];
    for (r, sum) in sums.iter_mut().enumerate() {
        match start {
            Start::Zero => {}
            Start::Row(row) => sum.copy_from_slice(&row[j..j + W]),
            Start::Sum => sum.copy_from_slice(&c[r * n + j..r * n + j + W]),
        }
    }
    let b_rows = b.chunks_exact(n);
    match a {
        Left::Plain(a, stride) => {
            let rows: [&[f32]; ROWS] = std::array::from_fn(|r| &a[(i + r) * stride..][..k]);
            for (p, b_row) in b_rows.enumerate() {
                add_products(&mut sums, std::array::from_fn(|r| rows[r][p]), &b_row[j..j + W]);
            }
        }
        Left::Transposed(a, stride) => {
            for (a_row, b_row) in a.chunks_exact(stride).zip(b_rows) {
                let column = &a_row[i..i + ROWS];
                add_products(&mut sums, std::array::from_fn(|r| column[r]), &b_row[j..j + W]);
            }
        }
    }
    for (r, sum) in sums.iter().enumerate() {
        c[r * n + j..r * n + j + W].copy_from_slice(sum);
    }
}

#[inline(always)]
fn add_products<const W: usize>(sums: &mut [[f32; W]; ROWS], a: [f32; ROWS], b: &[f32]) {
    for (sum, a) in sums.iter_mut().zip(a) {
        for (s, &b) in sum.iter_mut().zip(b) {
            *s += a * b;
        }
    }
}

/// Writes the transpose of `from[rows, columns]` to `to[columns, rows]`.
pub(crate) struct Transpose<'a> {
    pub(crate) from: &'a [f32],
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) to: &'a mut [f32],
}

impl Kernel for Transpose<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { from, rows, columns, to } = self;
        let (from, to) = (&from[..rows * columns], &mut to[..rows * columns]);
        for i in (0..rows).step_by(LANES) {
            for j in (0..columns).step_by(LANES) {
                for c in j..j + LANES {
                    let to: &mut [f32] = &mut to[c * rows + i..][..LANES];
                    for (r, to) in to.iter_mut().enumerate() {
                        *to = from[(i + r) * columns + c];
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::kernel;
    use proptest::prelude::*;

    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        (0..count as u32).map(|i| ((i * 7919 + seed * 104_729) % 1009) as f32 / 504.5 - 1.0).collect()
    }

    proptest! {
        #[test]
        fn every_element_is_the_sum_in_order(m in 1usize..5, n in 1usize..8, k in 0usize..40, mode in 0..6) {
            let (m, n) = (m * ROWS, n * LANES);
            let (a, b, bias, old) = (numbers(m * k, 1), numbers(k * n, 2), numbers(n, 3), numbers(m * n, 4));
            let (start, transposed) = ([Start::Zero, Start::Row(&bias), Start::Sum][mode as usize / 2], mode % 2 == 1);
            let left = if transposed { Left::Transposed(&a, m) } else { Left::Plain(&a, k) };
            let mut c = old.clone();
            kernel::run(Gemm { m, n, k, a: left, b: &b, c: &mut c, start });
            let mut baseline = old.clone();
            Gemm { m, n, k, a: left, b: &b, c: &mut baseline, start }.run();
            for i in 0..m {
                for j in 0..n {
                    let mut want = match start { Start::Zero => 0.0, Start::Row(row) => row[j], Start::Sum => old[i * n + j] };
                    for p in 0..k {
                        want += b[p * n + j] * if transposed { a[p * m + i] } else { a[i * k + p] };
                    }
                    prop_assert_eq!(c[i * n + j].to_bits(), want.to_bits());
                    prop_assert_eq!(baseline[i * n + j].to_bits(), want.to_bits());
                }
            }
        }
    }

    #[test]
    fn transposes() {
        let from = numbers(16 * 24, 5);
        let mut to = vec![0.0; from.len()];
        kernel::run(Transpose { from: &from, rows: 16, columns: 24, to: &mut to });
        for i in 0..16 {
            for j in 0..24 {
                assert_eq!(to[j * 16 + i], from[i * 24 + j]);
            }
        }
    }
}

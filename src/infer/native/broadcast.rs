//! Shapes of element-wise operators, by the rules of numpy.

use crate::infer::engine::{EngineError, ErrorCode};

/// Returns the common shape of two.
pub(super) fn shape(a: &[usize], b: &[usize]) -> Result<Vec<usize>, EngineError> {
    let rank = a.len().max(b.len());
    let axis = |shape: &[usize], place: usize| if place + shape.len() >= rank { shape[place + shape.len() - rank] } else { 1 };
    (0..rank)
        .map(|place| match (axis(a, place), axis(b, place)) {
            (x, y) if x == y => Ok(x),
            (1, y) => Ok(y),
            (x, 1) => Ok(x),
            _ => Err(EngineError::new(ErrorCode::RunFailed, format!("shapes {a:?} and {b:?} do not go together"))),
        })
        .collect()
}

/// Applies `f` to each pair of elements; `out` is the common shape.
pub(super) fn zip<A, B, R>(a: (&[A], &[usize]), b: (&[B], &[usize]), out: &[usize], f: impl Fn(&A, &B) -> R) -> Vec<R> {
    if a.1 == b.1 {
        return a.0.iter().zip(b.0).map(|(x, y)| f(x, y)).collect();
    }
    if let [y] = b.0 {
        return a.0.iter().map(|x| f(x, y)).collect();
    }
    // the usual case: a row for each row
    if a.0.len() == out.iter().product::<usize>() && is_row(b.1, out) {
        return a.0.chunks_exact(b.0.len().max(1)).flat_map(|row| row.iter().zip(b.0)).map(|(x, y)| f(x, y)).collect();
    }
    let (sa, sb) = (strides(a.1, out.len()), strides(b.1, out.len()));
    indices(out).map(|index| f(&a.0[offset(&index, &sa)], &b.0[offset(&index, &sb)])).collect()
}

fn is_row(shape: &[usize], out: &[usize]) -> bool {
    let lead = shape.iter().rev().skip(1).all(|axis| *axis == 1);
    lead && shape.last() == out.last() && !shape.is_empty()
}

/// Steps per axis, 0 where an axis of one element is repeated.
pub(super) fn strides(shape: &[usize], rank: usize) -> Vec<usize> {
    let mut strides = vec![0; rank];
    let mut step = 1;
    for (place, axis) in shape.iter().enumerate().rev() {
        strides[place + rank - shape.len()] = if *axis == 1 { 0 } else { step };
        step *= axis;
    }
    strides
}

pub(super) fn offset(index: &[usize], strides: &[usize]) -> usize {
    index.iter().zip(strides).map(|(i, s)| i * s).sum()
}

/// Lists all indices of a shape in row-major order.
pub(super) fn indices(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> {
    let total: usize = shape.iter().product();
    let shape = shape.to_vec();
    (0..total).map(move |mut flat| {
        let mut index = vec![0; shape.len()];
        for (place, axis) in shape.iter().enumerate().rev() {
            index[place] = flat % axis;
            flat /= axis;
        }
        index
    })
}

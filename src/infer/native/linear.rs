//! Matrix products.

use super::attributes::Attributes;
use super::plan::{Kernel, elements, failed, need, one};
use crate::infer::engine::{EngineError, Limits};
use crate::infer::tensor::{Tensor, TensorData};

pub(super) fn kernel(node: Attributes<'_>, _: i64, limits: Limits) -> Result<Option<Kernel>, EngineError> {
    if !matches!(node.0.domain.as_str(), "" | "ai.onnx") {
        return Ok(None);
    }
    Ok(Some(match node.0.op_type.as_str() {
        "Gemm" => {
            let (alpha, beta) = (node.float("alpha", 1.0), node.float("beta", 1.0));
            let (trans_a, trans_b) = (node.int("transA", 0) != 0, node.int("transB", 0) != 0);
            Box::new(move |inputs| {
                let a = matrix(need(inputs, 0)?, trans_a)?;
                let b = matrix(need(inputs, 1)?, trans_b)?;
                let start = inputs.get(2).copied().flatten();
                product(&a, &b, alpha, start.map(|c| (c, beta)), limits)
            })
        }
        "MatMul" => Box::new(move |inputs| {
            let (a, b) = (need(inputs, 0)?, need(inputs, 1)?);
            product(&matrix(a, false)?, &matrix(b, false)?, 1.0, None, limits)
        }),
        _ => return Ok(None),
    }))
}

/// A matrix, seen as it is or transposed.
struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    transposed: bool,
}

impl Matrix<'_> {
    /// Returns the values row by row, copied when they stand otherwise.
    fn row_major(&self) -> std::borrow::Cow<'_, [f32]> {
        if !self.transposed {
            return self.values.into();
        }
        let stored = self.rows;
        (0..self.rows).flat_map(|row| (0..self.columns).map(move |column| self.values[column * stored + row])).collect::<Vec<_>>().into()
    }
}

fn matrix(tensor: &Tensor, transposed: bool) -> Result<Matrix<'_>, EngineError> {
    let ([first, second], TensorData::Fp32(values)) = (tensor.shape.as_slice(), &tensor.data) else {
        return Err(failed("a matrix of single precision is needed"));
    };
    let (rows, columns) = if transposed { (*second, *first) } else { (*first, *second) };
    Ok(Matrix { values, rows, columns, transposed })
}

/// Computes `alpha · a · b + beta · c`, summing over the inner axis in its order.
fn product(a: &Matrix<'_>, b: &Matrix<'_>, alpha: f32, start: Option<(&Tensor, f32)>, limits: Limits) -> Result<Vec<Tensor>, EngineError> {
    if a.columns != b.rows {
        return Err(failed(format!("a matrix of {} columns does not go with one of {} rows", a.columns, b.rows)));
    }
    let shape = vec![a.rows, b.columns];
    let mut out = vec![0.0f32; elements(&shape, limits)?];
    let (left, right) = (a.row_major(), b.row_major());
    let width = b.columns;
    if width > 0 {
        for (row, out) in left.chunks_exact(a.columns.max(1)).zip(out.chunks_exact_mut(width)) {
            for (x, weights) in row.iter().zip(right.chunks_exact(width)) {
                for (sum, weight) in out.iter_mut().zip(weights) {
                    *sum += x * weight;
                }
            }
        }
    }
    if alpha != 1.0 {
        out.iter_mut().for_each(|value| *value *= alpha);
    }
    if let Some((c, beta)) = start {
        let TensorData::Fp32(add) = &c.data else { return Err(failed("the summand is of another type")) };
        match c.shape.as_slice() {
            _ if add.len() == 1 => out.iter_mut().for_each(|value| *value += beta * add[0]),
            [n] | [1, n] if *n == width => {
                for row in out.chunks_exact_mut(width.max(1)) {
                    row.iter_mut().zip(add).for_each(|(value, c)| *value += beta * c);
                }
            }
            [m, n] if *m == a.rows && *n == width => out.iter_mut().zip(add).for_each(|(value, c)| *value += beta * c),
            [m, 1] if *m == a.rows => {
                for (row, c) in out.chunks_exact_mut(width.max(1)).zip(add) {
                    row.iter_mut().for_each(|value| *value += beta * c);
                }
            }
            other => return Err(failed(format!("a summand of shape {other:?} does not go with a result of {shape:?}"))),
        }
    }
    one(shape, TensorData::Fp32(out))
}

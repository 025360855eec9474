//! Operators that move elements without computing.

use super::attributes::Attributes;
use super::constant;
use super::plan::{Inputs, Kernel, elements, failed, need, one, texts_fit};
use crate::infer::engine::{EngineError, Limits};
use crate::infer::tensor::{MAX_RANK, Tensor, TensorData};

pub(super) fn kernel(node: Attributes<'_>, opset: i64, limits: Limits) -> Result<Option<Kernel>, EngineError> {
    if !matches!(node.0.domain.as_str(), "" | "ai.onnx") {
        return Ok(None);
    }
    Ok(Some(match node.0.op_type.as_str() {
        "Constant" => {
            let tensor = node.tensor("value").ok_or_else(|| node.invalid("has no tensor"))?;
            let tensor = constant::read(tensor, limits.max_tensor_elements)?;
            Box::new(move |_| Ok(vec![tensor.clone()]))
        }
        "Concat" => {
            let axis = node.int("axis", 1);
            Box::new(move |inputs| concat(inputs, axis, limits))
        }
        "Flatten" => {
            let axis = node.int("axis", 1);
            Box::new(move |inputs| {
                let tensor = need(inputs, 0)?;
                let rank = tensor.shape.len();
                // the end is a place too, but a negative axis counts from the last one
                let split = if axis == rank as i64 { rank } else { place(axis, rank)? };
                let shape = vec![tensor.shape[..split].iter().product(), tensor.shape[split..].iter().product()];
                one(shape, tensor.data.clone())
            })
        }
        "Reshape" => {
            let keep_zero = node.int("allowzero", 0) != 0;
            Box::new(move |inputs| {
                let tensor = need(inputs, 0)?;
                let shape = reshaped(tensor, integers(need(inputs, 1)?)?, keep_zero)?;
                one(shape, tensor.data.clone())
            })
        }
        "Squeeze" | "Unsqueeze" => {
            let grow = node.0.op_type == "Unsqueeze";
            let fixed = node.ints("axes").to_vec();
            Box::new(move |inputs| {
                let tensor = need(inputs, 0)?;
                let axes = match inputs.get(1).copied().flatten() {
                    Some(axes) if opset >= 13 => integers(axes)?.to_vec(),
                    _ => fixed.clone(),
                };
                let shape = if grow { unsqueezed(&tensor.shape, &axes)? } else { squeezed(&tensor.shape, &axes)? };
                one(shape, tensor.data.clone())
            })
        }
        "Shape" => Box::new(|inputs| {
            let shape: Vec<i64> = need(inputs, 0)?.shape.iter().map(|axis| *axis as i64).collect();
            one(vec![shape.len()], TensorData::Int64(shape))
        }),
        "Transpose" => {
            let order = node.ints("perm").to_vec();
            Box::new(move |inputs| transpose(need(inputs, 0)?, &order))
        }
        "Gather" => {
            let axis = node.int("axis", 0);
            Box::new(move |inputs| gather(need(inputs, 0)?, need(inputs, 1)?, axis, limits))
        }
        _ => return Ok(None),
    }))
}

/// Counts an axis from the front.
pub(super) fn place(axis: i64, rank: usize) -> Result<usize, EngineError> {
    let from_front = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(from_front).ok().filter(|place| *place < rank).ok_or_else(|| failed(format!("there is no axis {axis}")))
}

pub(super) fn integers(tensor: &Tensor) -> Result<&[i64], EngineError> {
    match &tensor.data {
        TensorData::Int64(values) => Ok(values),
        _ => Err(failed("64-bit integers are needed")),
    }
}

/// Copies the elements at the given places.
fn picked(data: &TensorData, from: &[usize]) -> TensorData {
    fn pick<T: Clone>(values: &[T], from: &[usize]) -> Vec<T> {
        from.iter().map(|at| values[*at].clone()).collect()
    }
    match data {
        TensorData::Bool(v) => TensorData::Bool(pick(v, from)),
        TensorData::Uint8(v) => TensorData::Uint8(pick(v, from)),
        TensorData::Int8(v) => TensorData::Int8(pick(v, from)),
        TensorData::Int16(v) => TensorData::Int16(pick(v, from)),
        TensorData::Int32(v) => TensorData::Int32(pick(v, from)),
        TensorData::Int64(v) => TensorData::Int64(pick(v, from)),
        TensorData::Fp32(v) => TensorData::Fp32(pick(v, from)),
        TensorData::Fp64(v) => TensorData::Fp64(pick(v, from)),
        TensorData::Bytes(v) => TensorData::Bytes(pick(v, from)),
    }
}

fn concat(inputs: &Inputs<'_>, axis: i64, limits: Limits) -> Result<Vec<Tensor>, EngineError> {
    let parts: Vec<&Tensor> = inputs.iter().copied().flatten().collect();
    let first = *parts.first().ok_or_else(|| failed("there is nothing to join"))?;
    let at = place(axis, first.shape.len())?;
    let mut shape = first.shape.clone();
    shape[at] = 0;
    for part in &parts {
        let same = part.shape.len() == shape.len() && (0..shape.len()).all(|i| i == at || part.shape[i] == shape[i]);
        if !same || part.data.data_type() != first.data.data_type() {
            return Err(failed("tensors of one type that differ in one axis only are needed"));
        }
        shape[at] += part.shape[at];
    }
    elements(&shape, limits)?;
    let outer: usize = shape[..at].iter().product();
    fn join<T: Clone>(parts: &[(&[T], usize)], outer: usize) -> Vec<T> {
        let rows = (0..outer).flat_map(|row| parts.iter().map(move |(values, run)| &values[row * run..(row + 1) * run]));
        rows.flatten().cloned().collect()
    }
    let runs: Vec<usize> = parts.iter().map(|part| part.shape[at..].iter().product()).collect();
    macro_rules! joined {
        ($variant:ident) => {{
            let mut slices = Vec::with_capacity(parts.len());
            for (part, run) in parts.iter().zip(&runs) {
                if let TensorData::$variant(values) = &part.data {
                    slices.push((values.as_slice(), *run));
                }
            }
            TensorData::$variant(join(&slices, outer))
        }};
    }
    let data = match &first.data {
        TensorData::Bool(_) => joined!(Bool),
        TensorData::Uint8(_) => joined!(Uint8),
        TensorData::Int8(_) => joined!(Int8),
        TensorData::Int16(_) => joined!(Int16),
        TensorData::Int32(_) => joined!(Int32),
        TensorData::Int64(_) => joined!(Int64),
        TensorData::Fp32(_) => joined!(Fp32),
        TensorData::Fp64(_) => joined!(Fp64),
        TensorData::Bytes(_) => joined!(Bytes),
    };
    one(shape, data)
}

fn reshaped(tensor: &Tensor, wanted: &[i64], keep_zero: bool) -> Result<Vec<usize>, EngineError> {
    let mut shape = Vec::with_capacity(wanted.len());
    let mut open = None;
    for (at, axis) in wanted.iter().enumerate() {
        shape.push(match *axis {
            -1 if open.replace(at).is_none() => 1,
            0 if !keep_zero => *tensor.shape.get(at).ok_or_else(|| failed("there is no axis to keep"))?,
            n => usize::try_from(n).map_err(|_| failed("an axis is negative"))?,
        });
    }
    if let Some(at) = open {
        let known = shape.iter().try_fold(1usize, |n, axis| n.checked_mul(*axis)).filter(|n| *n > 0);
        shape[at] = tensor.data.len() / known.ok_or_else(|| failed("the open axis can't be worked out"))?;
    }
    Ok(shape)
}

fn unsqueezed(shape: &[usize], axes: &[i64]) -> Result<Vec<usize>, EngineError> {
    let rank = shape.len() + axes.len();
    if rank > MAX_RANK {
        return Err(failed("there are too many axes"));
    }
    let places: Vec<usize> = axes.iter().map(|axis| place(*axis, rank)).collect::<Result<_, _>>()?;
    let mut rest = shape.iter();
    (0..rank)
        .map(|at| if places.contains(&at) { Some(1) } else { rest.next().copied() })
        .collect::<Option<_>>()
        .ok_or_else(|| failed("an axis is named twice"))
}

fn squeezed(shape: &[usize], axes: &[i64]) -> Result<Vec<usize>, EngineError> {
    if axes.len() > MAX_RANK {
        return Err(failed("there are too many axes"));
    }
    let places: Vec<usize> = axes.iter().map(|axis| place(*axis, shape.len())).collect::<Result<_, _>>()?;
    if places.iter().any(|at| shape[*at] != 1) {
        return Err(failed("only an axis of one element can be taken away"));
    }
    let gone = |at: usize| if places.is_empty() { shape[at] == 1 } else { places.contains(&at) };
    Ok((0..shape.len()).filter(|at| !gone(*at)).map(|at| shape[at]).collect())
}

fn transpose(tensor: &Tensor, order: &[i64]) -> Result<Vec<Tensor>, EngineError> {
    let rank = tensor.shape.len();
    let order: Vec<usize> = match order {
        [] => (0..rank).rev().collect(),
        order => order.iter().map(|axis| place(*axis, rank)).collect::<Result<_, _>>()?,
    };
    let mut seen = vec![false; rank];
    order.iter().for_each(|at| seen[*at] = true);
    if order.len() != rank || seen.contains(&false) {
        return Err(failed("the order of axes is not a permutation"));
    }
    let mut steps = vec![1; rank];
    for at in (1..rank).rev() {
        steps[at - 1] = steps[at] * tensor.shape[at];
    }
    let shape: Vec<usize> = order.iter().map(|at| tensor.shape[*at]).collect();
    let from: Vec<usize> =
        super::broadcast::indices(&shape).map(|index| index.iter().zip(&order).map(|(i, at)| i * steps[*at]).sum()).collect();
    one(shape, picked(&tensor.data, &from))
}

fn gather(tensor: &Tensor, indices: &Tensor, axis: i64, limits: Limits) -> Result<Vec<Tensor>, EngineError> {
    let at = place(axis, tensor.shape.len())?;
    let length = tensor.shape[at];
    let wanted: Vec<usize> = integers(indices)?.iter().map(|i| place(*i, length)).collect::<Result<_, _>>()?;
    let shape: Vec<usize> = [&tensor.shape[..at], &indices.shape, &tensor.shape[at + 1..]].concat();
    let count = elements(&shape, limits)?;
    if let TensorData::Bytes(texts) = &tensor.data {
        texts_fit(texts, count, limits)?;
    }
    let outer: usize = tensor.shape[..at].iter().product();
    let inner: usize = tensor.shape[at + 1..].iter().product();
    let runs = (0..outer).flat_map(|row| wanted.iter().map(move |i| (row * length + i) * inner));
    let from: Vec<usize> = runs.flat_map(|start| start..start + inner).collect();
    one(shape, picked(&tensor.data, &from))
}

//! Operators that fold an axis.

use super::attributes::Attributes;
use super::plan::{Kernel, failed, need, one};
use super::shape::{integers, place};
use crate::infer::engine::{EngineError, Limits};
use crate::infer::tensor::{Tensor, TensorData};

pub(super) fn kernel(node: Attributes<'_>, opset: i64, _: Limits) -> Result<Option<Kernel>, EngineError> {
    if !matches!(node.0.domain.as_str(), "" | "ai.onnx") {
        return Ok(None);
    }
    let keep = node.int("keepdims", 1) != 0;
    Ok(Some(match node.0.op_type.as_str() {
        "Softmax" => {
            let axis = node.int("axis", if opset >= 13 { -1 } else { 1 });
            Box::new(move |inputs| softmax(need(inputs, 0)?, axis, opset >= 13))
        }
        "ArgMax" => {
            let (axis, last) = (node.int("axis", 0), node.int("select_last_index", 0) != 0);
            Box::new(move |inputs| {
                let tensor = need(inputs, 0)?;
                let mut best = Vec::new();
                let shape = lanes(tensor, axis, keep, |lane| {
                    let better = |x: f32, than: f32| x > than || last && x == than;
                    best.push((1..lane.len()).fold(0, |best, at| if better(lane[at], lane[best]) { at } else { best }) as i64);
                })?;
                one(shape, TensorData::Int64(best))
            })
        }
        name @ ("ReduceSum" | "ReduceMean" | "ReduceMax" | "ReduceMin") => {
            let fold: fn(&[f32]) -> f32 = match name {
                "ReduceSum" => |lane| lane.iter().sum(),
                "ReduceMean" => |lane| lane.iter().sum::<f32>() / lane.len() as f32,
                // NaN is passed over, as ONNX Runtime does it
                "ReduceMax" => |lane| lane.iter().copied().fold(f32::NEG_INFINITY, f32::max),
                _ => |lane| lane.iter().copied().fold(f32::INFINITY, f32::min),
            };
            let fixed = node.ints("axes").to_vec();
            let none_is_none = node.int("noop_with_empty_axes", 0) != 0;
            Box::new(move |inputs| {
                let tensor = need(inputs, 0)?;
                let axes = match inputs.get(1).copied().flatten() {
                    Some(axes) => integers(axes)?,
                    None => &fixed,
                };
                reduce(tensor, axes, keep, none_is_none, fold)
            })
        }
        _ => return Ok(None),
    }))
}

/// Folds one axis after the other; all of them when none are named.
fn reduce(tensor: &Tensor, axes: &[i64], keep: bool, none_is_none: bool, fold: fn(&[f32]) -> f32) -> Result<Vec<Tensor>, EngineError> {
    let rank = tensor.shape.len();
    if axes.is_empty() && none_is_none {
        return Ok(vec![tensor.clone()]);
    }
    let mut folded: Vec<usize> = match axes {
        [] => (0..rank).collect(),
        axes => axes.iter().take(rank + 1).map(|axis| place(*axis, rank)).collect::<Result<_, _>>()?,
    };
    folded.sort_unstable();
    folded.dedup();
    if axes.len() > rank || !axes.is_empty() && folded.len() < axes.len() {
        return Err(failed("an axis is named twice"));
    }
    let mut made = tensor.clone();
    for at in &folded {
        let mut values = Vec::new();
        let shape = lanes(&made, *at as i64, true, |lane| values.push(fold(lane)))?;
        made = Tensor { shape, data: TensorData::Fp32(values) };
    }
    if !keep {
        made.shape = (0..rank).filter(|at| folded.binary_search(at).is_err()).map(|at| tensor.shape[at]).collect();
    }
    one(made.shape, made.data)
}

/// Hands out the elements along an axis, one lane after the other; returns the shape without the axis.
fn lanes(tensor: &Tensor, axis: i64, keep: bool, mut take: impl FnMut(&[f32])) -> Result<Vec<usize>, EngineError> {
    let TensorData::Fp32(values) = &tensor.data else { return Err(failed("single precision is needed")) };
    let at = place(axis, tensor.shape.len())?;
    let (outer, length, inner) = around(&tensor.shape, at);
    let mut shape = tensor.shape.clone();
    if keep {
        shape[at] = 1;
    } else {
        shape.remove(at);
    }
    if length == 0 && outer * inner > 0 {
        return Err(failed("an axis without elements can't be reduced"));
    }
    let mut lane = vec![0.0; length];
    for start in (0..outer).flat_map(|o| (0..inner).map(move |i| o * length * inner + i)) {
        lane.iter_mut().enumerate().for_each(|(k, x)| *x = values[start + k * inner]);
        take(&lane);
    }
    Ok(shape)
}

fn around(shape: &[usize], at: usize) -> (usize, usize, usize) {
    (shape[..at].iter().product(), shape[at], shape[at + 1..].iter().product())
}

/// Before operator set 13 all axes from the given one on are one.
fn softmax(tensor: &Tensor, axis: i64, one_axis: bool) -> Result<Vec<Tensor>, EngineError> {
    let TensorData::Fp32(values) = &tensor.data else { return Err(failed("single precision is needed")) };
    let at = place(axis, tensor.shape.len())?;
    let (outer, length, inner) = match one_axis {
        true => around(&tensor.shape, at),
        false => (tensor.shape[..at].iter().product(), tensor.shape[at..].iter().product(), 1),
    };
    let mut out = values.clone();
    for start in (0..outer).flat_map(|o| (0..inner).map(move |i| o * length * inner + i)) {
        let lane = || (0..length).map(|k| start + k * inner);
        let largest = lane().map(|at| values[at]).fold(f32::NEG_INFINITY, f32::max);
        let mut sum = 0.0;
        for at in lane() {
            out[at] = (values[at] - largest).exp();
            sum += out[at];
        }
        lane().for_each(|at| out[at] /= sum);
    }
    one(tensor.shape.clone(), TensorData::Fp32(out))
}

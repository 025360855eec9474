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
            let axis = node.int("axis", 0);
            Box::new(move |inputs| {
                let tensor = need(inputs, 0)?;
                let (shape, lanes) = lanes(tensor, axis, keep)?;
                let best =
                    |lane: &Vec<f32>| lane.iter().enumerate().fold(0, |best, (at, x)| if *x > lane[best] { at } else { best }) as i64;
                one(shape, TensorData::Int64(lanes.iter().map(best).collect()))
            })
        }
        name @ ("ReduceSum" | "ReduceMean" | "ReduceMax" | "ReduceMin") => {
            let fold: fn(&[f32]) -> f32 = match name {
                "ReduceSum" => |lane| lane.iter().sum(),
                "ReduceMean" => |lane| lane.iter().sum::<f32>() / lane.len() as f32,
                "ReduceMax" => |lane| lane.iter().copied().fold(f32::NEG_INFINITY, f32::max),
                _ => |lane| lane.iter().copied().fold(f32::INFINITY, f32::min),
            };
            let fixed = node.ints("axes").to_vec();
            Box::new(move |inputs| {
                let tensor = need(inputs, 0)?;
                let axes = match inputs.get(1).copied().flatten() {
                    Some(axes) => integers(axes)?.to_vec(),
                    None => fixed.clone(),
                };
                let [axis] = axes.as_slice() else { return Err(failed("exactly one axis can be reduced")) };
                let (shape, lanes) = lanes(tensor, *axis, keep)?;
                one(shape, TensorData::Fp32(lanes.iter().map(|lane| fold(lane)).collect()))
            })
        }
        _ => return Ok(None),
    }))
}

/// Splits a tensor along an axis; returns the shape without it and the elements along it.
fn lanes(tensor: &Tensor, axis: i64, keep: bool) -> Result<(Vec<usize>, Vec<Vec<f32>>), EngineError> {
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
    let lane = |o: usize, i: usize| (0..length).map(|k| values[(o * length + k) * inner + i]).collect();
    Ok((shape, (0..outer).flat_map(|o| (0..inner).map(move |i| (o, i))).map(|(o, i)| lane(o, i)).collect()))
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

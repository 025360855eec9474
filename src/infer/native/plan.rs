//! A graph made ready to run: every name is a slot, every node a function, constants are worked out.

use std::collections::HashMap;

use super::attributes::Attributes;
use super::{classic, constant, elementwise, linear, reduce, shape};
use crate::infer::engine::{EngineError, ErrorCode, Limits};
use crate::infer::signature::Signature;
use crate::infer::tensor::{Tensor, TensorData};
use crate::ml::onnx::proto::{GraphProto, NodeProto};

/// Inputs of a node; `None` for an optional one that is left out.
pub(super) type Inputs<'a> = [Option<&'a Tensor>];
/// A node's function.
pub(super) type Kernel = Box<dyn Fn(&Inputs<'_>) -> Result<Vec<Tensor>, EngineError> + Send + Sync>;

/// Where a value is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Constant(usize),
    Input(usize),
    Value(usize),
}

struct Step {
    kernel: Kernel,
    inputs: Vec<Option<Slot>>,
    /// One per output; `None` for one that nobody reads.
    outputs: Vec<Option<usize>>,
    /// Values that nobody reads after this step.
    done: Vec<usize>,
    name: String,
}

/// A graph ready to run.
pub(super) struct Plan {
    constants: Vec<Tensor>,
    steps: Vec<Step>,
    values: usize,
    outputs: Vec<Slot>,
    limits: Limits,
    /// Bytes of the constants that were worked out while the graph was read.
    worked_out: usize,
}

impl Plan {
    pub(super) fn compile(graph: &GraphProto, signature: &Signature, opset: i64, limits: Limits) -> Result<Self, EngineError> {
        let mut slots: HashMap<String, Slot> = HashMap::new();
        let mut plan = Self { constants: Vec::new(), steps: Vec::new(), values: 0, outputs: Vec::new(), limits, worked_out: 0 };
        for proto in &graph.initializer {
            plan.constants.push(constant::read(proto, limits.max_tensor_elements)?);
            slots.insert(proto.name.clone(), Slot::Constant(plan.constants.len() - 1));
        }
        for (place, input) in signature.inputs.iter().enumerate() {
            slots.insert(input.name.clone(), Slot::Input(place));
        }
        let mut unknown = Vec::new();
        for node in &graph.node {
            plan.add(node, opset, &mut slots, &mut unknown)?;
        }
        if !unknown.is_empty() {
            unknown.sort_unstable();
            unknown.dedup();
            return Err(EngineError::new(ErrorCode::UnsupportedOps, unknown.join(", ")));
        }
        for output in &signature.outputs {
            let missing = || EngineError::new(ErrorCode::InvalidModel, format!("nothing makes the output {:?}", output.name));
            plan.outputs.push(*slots.get(&output.name).ok_or_else(missing)?);
        }
        plan.find_last_uses();
        Ok(plan)
    }

    fn add(
        &mut self,
        node: &NodeProto,
        opset: i64,
        slots: &mut HashMap<String, Slot>,
        unknown: &mut Vec<String>,
    ) -> Result<(), EngineError> {
        let attributes = Attributes(node);
        let Some(kernel) = kernel(attributes, opset, self.limits)? else {
            let domain = if node.domain.is_empty() { String::new() } else { format!("{}.", node.domain) };
            unknown.push(format!("{domain}{}", node.op_type));
            // the rest is still looked at, so that all unknown operators are named together
            slots.extend(node.output.iter().map(|name| (name.clone(), Slot::Value(usize::MAX))));
            return Ok(());
        };
        let find = |name: &String| match name.as_str() {
            "" => Ok(None),
            _ => slots.get(name).copied().map(Some).ok_or_else(|| attributes.invalid(format!("nothing before it makes {name:?}"))),
        };
        let inputs: Vec<Option<Slot>> = node.input.iter().map(find).collect::<Result<_, _>>()?;
        let fixed = inputs.iter().flatten().all(|slot| matches!(slot, Slot::Constant(_)));
        if fixed && unknown.is_empty() {
            let given: Vec<Option<&Tensor>> = inputs.iter().map(|slot| slot.and_then(|slot| self.constant(slot))).collect();
            let made = kernel(&given)?;
            for (name, tensor) in node.output.iter().zip(made) {
                self.worked_out += bytes(&tensor);
                if self.worked_out > self.limits.max_live_bytes {
                    return Err(EngineError::new(ErrorCode::ModelTooLarge, "the constants of the graph need more memory than is allowed"));
                }
                self.constants.push(tensor);
                slots.insert(name.clone(), Slot::Constant(self.constants.len() - 1));
            }
            return Ok(());
        }
        let mut outputs = Vec::with_capacity(node.output.len());
        for name in &node.output {
            if name.is_empty() {
                outputs.push(None);
                continue;
            }
            if slots.insert(name.clone(), Slot::Value(self.values)).is_some() {
                return Err(attributes.invalid(format!("{name:?} is made twice")));
            }
            outputs.push(Some(self.values));
            self.values += 1;
        }
        self.steps.push(Step { kernel, inputs, outputs, done: Vec::new(), name: node.name.clone() });
        Ok(())
    }

    fn constant(&self, slot: Slot) -> Option<&Tensor> {
        match slot {
            Slot::Constant(place) => self.constants.get(place),
            _ => None,
        }
    }

    fn find_last_uses(&mut self) {
        let mut last: Vec<Option<usize>> = vec![None; self.values];
        for (place, step) in self.steps.iter().enumerate() {
            for slot in step.inputs.iter().flatten() {
                if let Slot::Value(value) = slot {
                    last[*value] = Some(place);
                }
            }
        }
        for slot in &self.outputs {
            if let Slot::Value(value) = slot {
                last[*value] = None;
            }
        }
        for (value, place) in last.into_iter().enumerate() {
            if let Some(place) = place {
                self.steps[place].done.push(value);
            }
        }
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.constants.iter().map(bytes).sum()
    }

    pub(super) fn run(&self, inputs: &[&Tensor], wanted: &[usize]) -> Result<Vec<Tensor>, EngineError> {
        let mut values: Vec<Option<Tensor>> = vec![None; self.values];
        let mut live = 0;
        let mut given: Vec<Option<&Tensor>> = Vec::new();
        for step in &self.steps {
            given.clear();
            let resolve = |slot: &Slot| match slot {
                Slot::Constant(place) => self.constants.get(*place),
                Slot::Input(place) => inputs.get(*place).copied(),
                Slot::Value(value) => values.get(*value).and_then(Option::as_ref),
            };
            let step_inputs: Vec<Option<&Tensor>> = step.inputs.iter().map(|slot| slot.as_ref().and_then(resolve)).collect();
            let made = (step.kernel)(&step_inputs).map_err(|e| EngineError::new(e.code, format!("{}: {}", step.name, e.message)))?;
            for (slot, tensor) in step.outputs.iter().zip(made) {
                let Some(value) = slot else { continue };
                live += bytes(&tensor);
                if live > self.limits.max_live_bytes || tensor.data.len() > self.limits.max_tensor_elements {
                    return Err(EngineError::new(ErrorCode::RequestTooLarge, "the request needs more memory than is allowed"));
                }
                values[*value] = Some(tensor);
            }
            for value in &step.done {
                live -= values[*value].take().as_ref().map_or(0, bytes);
            }
        }
        wanted.iter().map(|place| self.output(*place, inputs, &mut values, wanted)).collect()
    }

    fn output(&self, place: usize, inputs: &[&Tensor], values: &mut [Option<Tensor>], wanted: &[usize]) -> Result<Tensor, EngineError> {
        let failed = || EngineError::new(ErrorCode::RunFailed, "an output was not made");
        let shared = wanted.iter().filter(|other| self.outputs[**other] == self.outputs[place]).count() > 1;
        match self.outputs[place] {
            Slot::Constant(constant) => self.constants.get(constant).cloned().ok_or_else(failed),
            Slot::Input(input) => inputs.get(input).map(|tensor| (*tensor).clone()).ok_or_else(failed),
            Slot::Value(value) if shared => values[value].clone().ok_or_else(failed),
            Slot::Value(value) => values[value].take().ok_or_else(failed),
        }
    }
}

fn kernel(node: Attributes<'_>, opset: i64, limits: Limits) -> Result<Option<Kernel>, EngineError> {
    let families = [elementwise::kernel, linear::kernel, shape::kernel, reduce::kernel, classic::kernel];
    for family in families {
        if let Some(kernel) = family(node, opset, limits)? {
            return Ok(Some(kernel));
        }
    }
    Ok(None)
}

fn bytes(tensor: &Tensor) -> usize {
    match &tensor.data {
        TensorData::Bool(v) => v.len(),
        TensorData::Uint8(v) => v.len(),
        TensorData::Int8(v) => v.len(),
        TensorData::Int16(v) => v.len() * 2,
        TensorData::Int32(v) => v.len() * 4,
        TensorData::Int64(v) => v.len() * 8,
        TensorData::Fp32(v) => v.len() * 4,
        TensorData::Fp64(v) => v.len() * 8,
        TensorData::Bytes(v) => v.iter().map(|text| 24 + text.len()).sum(),
    }
}

/// Takes an input that has to be there.
pub(super) fn need<'a>(inputs: &Inputs<'a>, place: usize) -> Result<&'a Tensor, EngineError> {
    inputs.get(place).copied().flatten().ok_or_else(|| failed(format!("input {place} is missing")))
}

/// Says that a node can't work on what it was given.
pub(super) fn failed(message: impl Into<String>) -> EngineError {
    EngineError::new(ErrorCode::RunFailed, message)
}

/// Makes a node's one output.
pub(super) fn one(shape: Vec<usize>, data: TensorData) -> Result<Vec<Tensor>, EngineError> {
    Tensor::new(shape, data).map(|tensor| vec![tensor]).ok_or_else(|| failed("values do not fill the shape"))
}

/// Counts the elements of a shape that is to be made, within the limits.
pub(super) fn elements(shape: &[usize], limits: Limits) -> Result<usize, EngineError> {
    let too_large = || EngineError::new(ErrorCode::RequestTooLarge, format!("a tensor of shape {shape:?} is larger than is allowed"));
    // an axis without elements does not make up for others whose product is no number
    shape.iter().try_fold(1usize, |n, axis| n.checked_mul((*axis).max(1))).ok_or_else(too_large)?;
    let count: usize = shape.iter().product();
    if count > limits.max_tensor_elements { Err(too_large()) } else { Ok(count) }
}

/// Checks that `count` copies of the longest of some texts stay within the limits.
pub(super) fn texts_fit(texts: &[String], count: usize, limits: Limits) -> Result<(), EngineError> {
    let longest = texts.iter().map(String::len).max().unwrap_or(0);
    match count.checked_mul(longest) {
        Some(bytes) if bytes <= limits.max_live_bytes => Ok(()),
        _ => Err(EngineError::new(ErrorCode::RequestTooLarge, "the texts need more memory than is allowed")),
    }
}

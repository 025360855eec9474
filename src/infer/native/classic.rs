//! Operators of `ai.onnx.ml`: preparation of columns, and linear models.

use std::collections::HashMap;

use super::attributes::Attributes;
use super::plan::{Kernel, elements, failed, need, one};
use crate::infer::engine::{EngineError, Limits};
use crate::infer::tensor::{Tensor, TensorData};

pub(super) fn kernel(node: Attributes<'_>, _: i64, limits: Limits) -> Result<Option<Kernel>, EngineError> {
    if node.0.domain != "ai.onnx.ml" {
        return Ok(None);
    }
    match node.0.op_type.as_str() {
        // whatever else the two may be told in is left to another engine
        "Imputer" if node.has("imputed_value_int64s") => Ok(None),
        "LabelEncoder" if ["keys_tensor", "values_tensor", "default_tensor"].iter().any(|name| node.has(name)) => Ok(None),
        "LabelEncoder" if node.has("classes_strings") => old_label_encoder(node),
        "LabelEncoder" => label_encoder(node),
        "OneHotEncoder" => one_hot(node, limits),
        "Scaler" => {
            let (offset, scale) = (node.floats("offset").to_vec(), node.floats("scale").to_vec());
            by_column(move |x, at| (x - pick(&offset, at, 0.0)) * pick(&scale, at, 1.0))
        }
        "Imputer" => {
            let fills = node.floats("imputed_value_floats").to_vec();
            let replaced = node.float("replaced_value_float", 0.0);
            by_column(move |x, at| if x == replaced || (x.is_nan() && replaced.is_nan()) { pick(&fills, at, 0.0) } else { x })
        }
        "Binarizer" => {
            let threshold = node.float("threshold", 0.0);
            by_column(move |x, _| f32::from(u8::from(x > threshold)))
        }
        "Normalizer" => normalizer(node),
        "LinearRegressor" => linear(node, limits),
        _ => Ok(None),
    }
}

/// A list of one value stands for all columns.
fn pick(values: &[f32], at: usize, default: f32) -> f32 {
    if values.len() == 1 { values[0] } else { values.get(at).copied().unwrap_or(default) }
}

fn floats(tensor: &Tensor) -> Result<Vec<f32>, EngineError> {
    Ok(match &tensor.data {
        TensorData::Fp32(v) => v.clone(),
        TensorData::Fp64(v) => v.iter().map(|x| *x as f32).collect(),
        TensorData::Int64(v) => v.iter().map(|x| *x as f32).collect(),
        TensorData::Int32(v) => v.iter().map(|x| *x as f32).collect(),
        _ => return Err(failed("numbers are needed")),
    })
}

fn by_column(f: impl Fn(f32, usize) -> f32 + Send + Sync + 'static) -> Result<Option<Kernel>, EngineError> {
    Ok(Some(Box::new(move |inputs| {
        let tensor = need(inputs, 0)?;
        let width = tensor.shape.last().copied().unwrap_or(1).max(1);
        let values = floats(tensor)?.into_iter().enumerate().map(|(at, x)| f(x, at % width)).collect();
        one(tensor.shape.clone(), TensorData::Fp32(values))
    })))
}

/// Keys of a lookup: texts, integers or numbers by their bits.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Text(String),
    Int(i64),
    Bits(u32),
}

fn label_encoder(node: Attributes<'_>) -> Result<Option<Kernel>, EngineError> {
    // zeros of both signs, and all NaN, are one key
    let bits = |x: f32| if x.is_nan() { f32::NAN.to_bits() } else { (x + 0.0).to_bits() };
    let keys: Vec<Key> = if node.has("keys_strings") {
        node.texts("keys_strings")?.into_iter().map(Key::Text).collect()
    } else if node.has("keys_int64s") {
        node.ints("keys_int64s").iter().map(|x| Key::Int(*x)).collect()
    } else {
        node.floats("keys_floats").iter().map(|x| Key::Bits(bits(*x))).collect()
    };
    let places: HashMap<Key, usize> = keys.into_iter().zip(0..).collect();
    let (texts, ints, numbers) =
        (node.texts("values_strings")?, node.ints("values_int64s").to_vec(), node.floats("values_floats").to_vec());
    let other_text = node.text("default_string", "_Unused")?;
    let (other_int, other_number) = (node.int("default_int64", -1), node.float("default_float", 0.0));
    if places.len() > texts.len().max(ints.len()).max(numbers.len()) {
        return Err(node.invalid("has more keys than values"));
    }
    Ok(Some(Box::new(move |inputs| {
        let tensor = need(inputs, 0)?;
        let found: Vec<Option<usize>> = match &tensor.data {
            TensorData::Bytes(v) => v.iter().map(|x| places.get(&Key::Text(x.clone())).copied()).collect(),
            TensorData::Int64(v) => v.iter().map(|x| places.get(&Key::Int(*x)).copied()).collect(),
            TensorData::Fp32(v) => v.iter().map(|x| places.get(&Key::Bits(bits(*x))).copied()).collect(),
            _ => return Err(failed("text, integers or numbers are needed")),
        };
        let data = if !ints.is_empty() {
            TensorData::Int64(found.iter().map(|at| at.and_then(|at| ints.get(at).copied()).unwrap_or(other_int)).collect())
        } else if !texts.is_empty() {
            TensorData::Bytes(found.iter().map(|at| at.and_then(|at| texts.get(at)).unwrap_or(&other_text).clone()).collect())
        } else {
            TensorData::Fp32(found.iter().map(|at| at.and_then(|at| numbers.get(at).copied()).unwrap_or(other_number)).collect())
        };
        one(tensor.shape.clone(), data)
    })))
}

/// Version 1: from a list of texts to places in it, and back.
fn old_label_encoder(node: Attributes<'_>) -> Result<Option<Kernel>, EngineError> {
    let classes = node.texts("classes_strings")?;
    let places: HashMap<String, i64> = classes.iter().cloned().zip(0..).collect();
    let (other_text, other_int) = (node.text("default_string", "_Unused")?, node.int("default_int64", -1));
    Ok(Some(Box::new(move |inputs| {
        let tensor = need(inputs, 0)?;
        let class = |at: &i64| usize::try_from(*at).ok().and_then(|at| classes.get(at)).unwrap_or(&other_text).clone();
        let data = match &tensor.data {
            TensorData::Bytes(v) => TensorData::Int64(v.iter().map(|x| places.get(x).copied().unwrap_or(other_int)).collect()),
            TensorData::Int64(v) => TensorData::Bytes(v.iter().map(class).collect()),
            _ => return Err(failed("text or integers are needed")),
        };
        one(tensor.shape.clone(), data)
    })))
}

fn one_hot(node: Attributes<'_>, limits: Limits) -> Result<Option<Kernel>, EngineError> {
    let ints: HashMap<i64, usize> = node.ints("cats_int64s").iter().copied().zip(0..).collect();
    let texts: HashMap<String, usize> = node.texts("cats_strings")?.into_iter().zip(0..).collect();
    let zeros = node.int("zeros", 1) != 0;
    let width = ints.len().max(texts.len());
    Ok(Some(Box::new(move |inputs| {
        let tensor = need(inputs, 0)?;
        let whole = |x: f32| (x.fract() == 0.0).then_some(x as i64);
        let found: Vec<Option<usize>> = match &tensor.data {
            TensorData::Int64(v) => v.iter().map(|x| ints.get(x).copied()).collect(),
            TensorData::Bytes(v) => v.iter().map(|x| texts.get(x).copied()).collect(),
            TensorData::Fp32(v) => v.iter().map(|x| whole(*x).and_then(|x| ints.get(&x).copied())).collect(),
            _ => return Err(failed("integers or text are needed")),
        };
        if !zeros && found.contains(&None) {
            return Err(failed("a category is not known to the model"));
        }
        let shape: Vec<usize> = tensor.shape.iter().copied().chain([width]).collect();
        let mut out = vec![0.0; elements(&shape, limits)?];
        for (row, at) in found.into_iter().enumerate() {
            if let Some(at) = at {
                out[row * width + at] = 1.0;
            }
        }
        one(shape, TensorData::Fp32(out))
    })))
}

fn normalizer(node: Attributes<'_>) -> Result<Option<Kernel>, EngineError> {
    let norm: fn(&[f32]) -> f32 = match node.text("norm", "MAX")?.as_str() {
        "MAX" => |row| row.iter().copied().fold(f32::NEG_INFINITY, f32::max),
        "L1" => |row| row.iter().map(|x| x.abs()).sum(),
        "L2" => |row| row.iter().map(|x| x * x).sum::<f32>().sqrt(),
        _ => return Err(node.invalid("has a norm that is not known")),
    };
    Ok(Some(Box::new(move |inputs| {
        let tensor = need(inputs, 0)?;
        let width = tensor.shape.last().copied().unwrap_or(1).max(1);
        let mut values = floats(tensor)?;
        for row in values.chunks_mut(width) {
            let size = norm(row);
            if size != 0.0 {
                row.iter_mut().for_each(|x| *x /= size);
            }
        }
        one(tensor.shape.clone(), TensorData::Fp32(values))
    })))
}

fn linear(node: Attributes<'_>, limits: Limits) -> Result<Option<Kernel>, EngineError> {
    if node.text("post_transform", "NONE")? != "NONE" {
        return Err(node.invalid("has a transformation that is not known"));
    }
    let targets = usize::try_from(node.int("targets", 1)).ok().filter(|n| *n > 0).ok_or_else(|| node.invalid("has no targets"))?;
    let (weights, start) = (node.floats("coefficients").to_vec(), node.floats("intercepts").to_vec());
    if !weights.len().is_multiple_of(targets) {
        return Err(node.invalid("has coefficients that do not fill its targets"));
    }
    let width = weights.len() / targets;
    Ok(Some(Box::new(move |inputs| {
        let tensor = need(inputs, 0)?;
        let values = floats(tensor)?;
        if tensor.shape.last() != Some(&width) || width == 0 {
            return Err(failed(format!("{width} columns are needed")));
        }
        let shape = vec![values.len() / width, targets];
        elements(&shape, limits)?;
        let answer = |row: &[f32], target: usize| {
            let own = &weights[target * width..(target + 1) * width];
            row.iter().zip(own).map(|(x, w)| x * w).sum::<f32>() + start.get(target).copied().unwrap_or(0.0)
        };
        let out = values.chunks_exact(width).flat_map(|row| (0..targets).map(move |target| (row, target))).map(|(row, t)| answer(row, t));
        one(shape, TensorData::Fp32(out.collect()))
    })))
}

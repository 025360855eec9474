//! Operators that look at one element, or one pair, at a time.

use super::attributes::Attributes;
use super::broadcast;
use super::constant::data_type;
use super::plan::{Inputs, Kernel, elements, failed, need, one};
use crate::infer::engine::{EngineError, Limits};
use crate::infer::tensor::{DataType, Tensor, TensorData};

pub(super) fn kernel(node: Attributes<'_>, _: i64, limits: Limits) -> Result<Option<Kernel>, EngineError> {
    if !matches!(node.0.domain.as_str(), "" | "ai.onnx") {
        return Ok(None);
    }
    Ok(Some(match node.0.op_type.as_str() {
        "Add" => arithmetic(limits, |a, b| a + b, |a, b| a + b, |a, b| Some(a.wrapping_add(b))),
        "Sub" => arithmetic(limits, |a, b| a - b, |a, b| a - b, |a, b| Some(a.wrapping_sub(b))),
        "Mul" => arithmetic(limits, |a, b| a * b, |a, b| a * b, |a, b| Some(a.wrapping_mul(b))),
        "Div" => arithmetic(limits, |a, b| a / b, |a, b| a / b, |a, b| a.checked_div(b)),
        "Pow" => arithmetic(limits, f32::powf, f64::powf, |a, b| a.checked_pow(u32::try_from(b).ok()?)),
        "Min" => arithmetic(limits, f32::min, f64::min, |a, b| Some(a.min(b))),
        "Max" => arithmetic(limits, f32::max, f64::max, |a, b| Some(a.max(b))),
        "Relu" => float(|x| if x < 0.0 { 0.0 } else { x }, |x| if x < 0.0 { 0.0 } else { x }),
        "Tanh" => float(f32::tanh, f64::tanh),
        "Sigmoid" => float(|x| 1.0 / (1.0 + (-x).exp()), |x| 1.0 / (1.0 + (-x).exp())),
        "Exp" => float(f32::exp, f64::exp),
        "Log" => float(f32::ln, f64::ln),
        "Sqrt" => float(f32::sqrt, f64::sqrt),
        "Abs" => float(f32::abs, f64::abs),
        "Neg" => float(|x| -x, |x| -x),
        "Equal" => compare(limits, |a, b| a == b, |a, b| a == b),
        "Less" => compare(limits, |a, b| a < b, |_, _| false),
        "LessOrEqual" => compare(limits, |a, b| a <= b, |_, _| false),
        "Greater" => compare(limits, |a, b| a > b, |_, _| false),
        "GreaterOrEqual" => compare(limits, |a, b| a >= b, |_, _| false),
        "And" => logic(limits, |a, b| a && b),
        "Or" => logic(limits, |a, b| a || b),
        "Not" => Box::new(|inputs| match need(inputs, 0)? {
            Tensor { shape, data: TensorData::Bool(v) } => one(shape.clone(), TensorData::Bool(v.iter().map(|x| !x).collect())),
            _ => Err(failed("truth values are needed")),
        }),
        "IsNaN" => Box::new(|inputs| {
            let Tensor { shape, data } = need(inputs, 0)?;
            let found = match data {
                TensorData::Fp32(v) => v.iter().map(|x| x.is_nan()).collect(),
                TensorData::Fp64(v) => v.iter().map(|x| x.is_nan()).collect(),
                _ => return Err(failed("numbers are needed")),
            };
            one(shape.clone(), TensorData::Bool(found))
        }),
        "Where" => Box::new(move |inputs| choose(inputs, limits)),
        "Cast" => {
            let to = i32::try_from(node.int("to", 0))
                .ok()
                .and_then(data_type)
                .ok_or_else(|| node.invalid("casts to a type that is not known"))?;
            Box::new(move |inputs| cast(need(inputs, 0)?, to))
        }
        "Identity" => Box::new(|inputs| Ok(vec![need(inputs, 0)?.clone()])),
        _ => return Ok(None),
    }))
}

fn float(f: fn(f32) -> f32, g: fn(f64) -> f64) -> Kernel {
    Box::new(move |inputs| {
        let Tensor { shape, data } = need(inputs, 0)?;
        let data = match data {
            TensorData::Fp32(v) => TensorData::Fp32(v.iter().map(|x| f(*x)).collect()),
            TensorData::Fp64(v) => TensorData::Fp64(v.iter().map(|x| g(*x)).collect()),
            TensorData::Int64(v) => TensorData::Int64(v.iter().map(|x| g(*x as f64) as i64).collect()),
            _ => return Err(failed("numbers are needed")),
        };
        one(shape.clone(), data)
    })
}

fn arithmetic(limits: Limits, f: fn(f32, f32) -> f32, g: fn(f64, f64) -> f64, h: fn(i64, i64) -> Option<i64>) -> Kernel {
    Box::new(move |inputs| {
        let (a, b) = (need(inputs, 0)?, need(inputs, 1)?);
        let shape = broadcast::shape(&a.shape, &b.shape)?;
        elements(&shape, limits)?;
        let data = match (&a.data, &b.data) {
            (TensorData::Fp32(x), TensorData::Fp32(y)) => {
                TensorData::Fp32(broadcast::zip((x, &a.shape), (y, &b.shape), &shape, |x, y| f(*x, *y)))
            }
            (TensorData::Fp64(x), TensorData::Fp64(y)) => {
                TensorData::Fp64(broadcast::zip((x, &a.shape), (y, &b.shape), &shape, |x, y| g(*x, *y)))
            }
            (TensorData::Int64(x), TensorData::Int64(y)) => {
                let values = broadcast::zip((x, &a.shape), (y, &b.shape), &shape, |x, y| h(*x, *y));
                TensorData::Int64(values.into_iter().collect::<Option<_>>().ok_or_else(|| failed("an integer result does not exist"))?)
            }
            (TensorData::Int32(x), TensorData::Int32(y)) => {
                let narrow = |x: &i32, y: &i32| h(i64::from(*x), i64::from(*y)).map(|v| v as i32);
                let values = broadcast::zip((x, &a.shape), (y, &b.shape), &shape, narrow);
                TensorData::Int32(values.into_iter().collect::<Option<_>>().ok_or_else(|| failed("an integer result does not exist"))?)
            }
            _ => return Err(failed("two tensors of one number type are needed")),
        };
        one(shape, data)
    })
}

fn compare(limits: Limits, f: fn(f64, f64) -> bool, text: fn(&str, &str) -> bool) -> Kernel {
    Box::new(move |inputs| {
        let (a, b) = (need(inputs, 0)?, need(inputs, 1)?);
        let shape = broadcast::shape(&a.shape, &b.shape)?;
        elements(&shape, limits)?;
        let (sa, sb) = (&a.shape, &b.shape);
        let found = match (&a.data, &b.data) {
            (TensorData::Bytes(x), TensorData::Bytes(y)) => broadcast::zip((x, sa), (y, sb), &shape, |x, y| text(x, y)),
            (TensorData::Fp32(x), TensorData::Fp32(y)) => broadcast::zip((x, sa), (y, sb), &shape, |x, y| f((*x).into(), (*y).into())),
            (TensorData::Fp64(x), TensorData::Fp64(y)) => broadcast::zip((x, sa), (y, sb), &shape, |x, y| f(*x, *y)),
            (TensorData::Int32(x), TensorData::Int32(y)) => broadcast::zip((x, sa), (y, sb), &shape, |x, y| f((*x).into(), (*y).into())),
            (TensorData::Int64(x), TensorData::Int64(y)) => broadcast::zip((x, sa), (y, sb), &shape, |x, y| f(*x as f64, *y as f64)),
            (TensorData::Bool(x), TensorData::Bool(y)) => {
                broadcast::zip((x, sa), (y, sb), &shape, |x, y| f(f64::from(u8::from(*x)), f64::from(u8::from(*y))))
            }
            _ => return Err(failed("two tensors of one type are needed")),
        };
        one(shape, TensorData::Bool(found))
    })
}

fn logic(limits: Limits, f: fn(bool, bool) -> bool) -> Kernel {
    Box::new(move |inputs| {
        let (a, b) = (need(inputs, 0)?, need(inputs, 1)?);
        let (TensorData::Bool(x), TensorData::Bool(y)) = (&a.data, &b.data) else { return Err(failed("truth values are needed")) };
        let shape = broadcast::shape(&a.shape, &b.shape)?;
        elements(&shape, limits)?;
        let found = broadcast::zip((x, &a.shape), (y, &b.shape), &shape, |x, y| f(*x, *y));
        one(shape, TensorData::Bool(found))
    })
}

fn choose(inputs: &Inputs<'_>, limits: Limits) -> Result<Vec<Tensor>, EngineError> {
    let (condition, a, b) = (need(inputs, 0)?, need(inputs, 1)?, need(inputs, 2)?);
    let TensorData::Bool(which) = &condition.data else { return Err(failed("truth values are needed")) };
    let shape = broadcast::shape(&condition.shape, &broadcast::shape(&a.shape, &b.shape)?)?;
    let count = elements(&shape, limits)?;
    let strides = [&condition.shape, &a.shape, &b.shape].map(|s| broadcast::strides(s, shape.len()));
    fn pick<T: Clone>(which: &[bool], a: &[T], b: &[T], shape: &[usize], count: usize, strides: &[Vec<usize>; 3]) -> Vec<T> {
        // the usual case: a row of fills for a matrix of the same width
        let [_, width] = shape else { return general(which, a, b, shape, strides) };
        if which.len() == count && b.len() == count && a.len() == *width {
            return (0..count).map(|i| if which[i] { a[i % width].clone() } else { b[i].clone() }).collect();
        }
        general(which, a, b, shape, strides)
    }
    fn general<T: Clone>(which: &[bool], a: &[T], b: &[T], shape: &[usize], strides: &[Vec<usize>; 3]) -> Vec<T> {
        let [sw, sa, sb] = strides;
        let at = |index: &[usize], s: &Vec<usize>| broadcast::offset(index, s);
        broadcast::indices(shape).map(|i| if which[at(&i, sw)] { a[at(&i, sa)].clone() } else { b[at(&i, sb)].clone() }).collect()
    }
    let data = match (&a.data, &b.data) {
        (TensorData::Fp32(x), TensorData::Fp32(y)) => TensorData::Fp32(pick(which, x, y, &shape, count, &strides)),
        (TensorData::Fp64(x), TensorData::Fp64(y)) => TensorData::Fp64(pick(which, x, y, &shape, count, &strides)),
        (TensorData::Int64(x), TensorData::Int64(y)) => TensorData::Int64(pick(which, x, y, &shape, count, &strides)),
        (TensorData::Bytes(x), TensorData::Bytes(y)) => TensorData::Bytes(pick(which, x, y, &shape, count, &strides)),
        _ => return Err(failed("two tensors of one type are needed")),
    };
    one(shape, data)
}

fn cast(from: &Tensor, to: DataType) -> Result<Vec<Tensor>, EngineError> {
    if from.data.data_type() == to {
        return Ok(vec![from.clone()]);
    }
    let numbers: Vec<f64> = match &from.data {
        TensorData::Fp32(v) => v.iter().map(|x| f64::from(*x)).collect(),
        TensorData::Fp64(v) => v.clone(),
        TensorData::Int32(v) => v.iter().map(|x| f64::from(*x)).collect(),
        TensorData::Int64(v) => v.iter().map(|x| *x as f64).collect(),
        TensorData::Bool(v) => v.iter().map(|x| f64::from(u8::from(*x))).collect(),
        TensorData::Bytes(v) => {
            let read = |text: &String| text.trim().parse::<f64>().map_err(|_| failed(format!("{text:?} is not a number")));
            v.iter().map(read).collect::<Result<_, _>>()?
        }
        _ => return Err(failed("a cast from this type is not known")),
    };
    let data = match to {
        DataType::Fp32 => TensorData::Fp32(numbers.iter().map(|x| *x as f32).collect()),
        DataType::Fp64 => TensorData::Fp64(numbers),
        DataType::Int32 => TensorData::Int32(numbers.iter().map(|x| *x as i32).collect()),
        DataType::Int64 => match &from.data {
            TensorData::Int32(v) => TensorData::Int64(v.iter().map(|x| i64::from(*x)).collect()),
            _ => TensorData::Int64(numbers.iter().map(|x| *x as i64).collect()),
        },
        DataType::Bool => TensorData::Bool(numbers.iter().map(|x| *x != 0.0).collect()),
        DataType::Bytes => TensorData::Bytes(numbers.iter().map(ToString::to_string).collect()),
        _ => return Err(failed("a cast to this type is not known")),
    };
    one(from.shape.clone(), data)
}

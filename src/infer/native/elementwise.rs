//! Operators that look at one element, or one pair, at a time.

use std::cmp::Ordering;

use super::attributes::Attributes;
use super::broadcast;
use super::constant::data_type;
use super::plan::{Inputs, Kernel, elements, failed, need, one, texts_fit};
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
        // the comparisons are such that NaN on either side stays
        "Min" => fold(arithmetic(
            limits,
            |a, b| if a < b || a.is_nan() { a } else { b },
            |a, b| if a < b || a.is_nan() { a } else { b },
            |a, b| Some(a.min(b)),
        )),
        "Max" => fold(arithmetic(
            limits,
            |a, b| if a > b || a.is_nan() { a } else { b },
            |a, b| if a > b || a.is_nan() { a } else { b },
            |a, b| Some(a.max(b)),
        )),
        "Relu" => unary(|x| if x < 0.0 { 0.0 } else { x }, |x| if x < 0.0 { 0.0 } else { x }, Some(|x| x.max(0))),
        "Tanh" => unary(f32::tanh, f64::tanh, None),
        "Sigmoid" => unary(|x| 1.0 / (1.0 + (-x).exp()), |x| 1.0 / (1.0 + (-x).exp()), None),
        "Exp" => unary(f32::exp, f64::exp, None),
        "Log" => unary(f32::ln, f64::ln, None),
        "Sqrt" => unary(f32::sqrt, f64::sqrt, None),
        "Abs" => unary(f32::abs, f64::abs, Some(i64::wrapping_abs)),
        "Neg" => unary(|x| -x, |x| -x, Some(i64::wrapping_neg)),
        "Equal" => compare(limits, Ordering::is_eq, true),
        "Less" => compare(limits, Ordering::is_lt, false),
        "LessOrEqual" => compare(limits, Ordering::is_le, false),
        "Greater" => compare(limits, Ordering::is_gt, false),
        "GreaterOrEqual" => compare(limits, Ordering::is_ge, false),
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

/// Applies a function to every number; `h` is there where integers have one.
fn unary(f: fn(f32) -> f32, g: fn(f64) -> f64, h: Option<fn(i64) -> i64>) -> Kernel {
    Box::new(move |inputs| {
        let Tensor { shape, data } = need(inputs, 0)?;
        let data = match (data, h) {
            (TensorData::Fp32(v), _) => TensorData::Fp32(v.iter().map(|x| f(*x)).collect()),
            (TensorData::Fp64(v), _) => TensorData::Fp64(v.iter().map(|x| g(*x)).collect()),
            (TensorData::Int64(v), Some(h)) => TensorData::Int64(v.iter().map(|x| h(*x)).collect()),
            (TensorData::Int32(v), Some(h)) => TensorData::Int32(v.iter().map(|x| h((*x).into()) as i32).collect()),
            _ => return Err(failed("numbers of a type that the operator knows are needed")),
        };
        one(shape.clone(), data)
    })
}

/// Takes any number of inputs, two at a time from the first on.
fn fold(pair: Kernel) -> Kernel {
    Box::new(move |inputs| {
        let mut folded = vec![need(inputs, 0)?.clone()];
        for next in &inputs[1..] {
            folded = pair(&[folded.first(), *next])?;
        }
        Ok(folded)
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

/// Compares numbers of one type, where NaN is nothing but unequal; texts and truth values only if `all` types can be.
fn compare(limits: Limits, is: fn(Ordering) -> bool, all: bool) -> Kernel {
    fn holds<T: PartialOrd>(is: fn(Ordering) -> bool) -> impl Fn(&T, &T) -> bool {
        move |a, b| a.partial_cmp(b).is_some_and(is)
    }
    Box::new(move |inputs| {
        let (a, b) = (need(inputs, 0)?, need(inputs, 1)?);
        let shape = broadcast::shape(&a.shape, &b.shape)?;
        elements(&shape, limits)?;
        let (sa, sb) = (&a.shape, &b.shape);
        let found = match (&a.data, &b.data) {
            (TensorData::Bytes(x), TensorData::Bytes(y)) if all => broadcast::zip((x, sa), (y, sb), &shape, holds(is)),
            (TensorData::Bool(x), TensorData::Bool(y)) if all => broadcast::zip((x, sa), (y, sb), &shape, holds(is)),
            (TensorData::Fp32(x), TensorData::Fp32(y)) => broadcast::zip((x, sa), (y, sb), &shape, holds(is)),
            (TensorData::Fp64(x), TensorData::Fp64(y)) => broadcast::zip((x, sa), (y, sb), &shape, holds(is)),
            (TensorData::Int32(x), TensorData::Int32(y)) => broadcast::zip((x, sa), (y, sb), &shape, holds(is)),
            (TensorData::Int64(x), TensorData::Int64(y)) => broadcast::zip((x, sa), (y, sb), &shape, holds(is)),
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
        (TensorData::Bytes(x), TensorData::Bytes(y)) => {
            texts_fit(x, count, limits)?;
            texts_fit(y, count, limits)?;
            TensorData::Bytes(pick(which, x, y, &shape, count, &strides))
        }
        _ => return Err(failed("two tensors of one type are needed")),
    };
    one(shape, data)
}

fn cast(from: &Tensor, to: DataType) -> Result<Vec<Tensor>, EngineError> {
    if from.data.data_type() == to {
        return Ok(vec![from.clone()]);
    }
    // integers do not pass through f64, which lacks the larger ones
    let integers: Option<Vec<i64>> = match &from.data {
        TensorData::Int64(v) => Some(v.clone()),
        TensorData::Int32(v) => Some(v.iter().map(|x| i64::from(*x)).collect()),
        TensorData::Bool(v) => Some(v.iter().map(|x| i64::from(*x)).collect()),
        TensorData::Bytes(v) if matches!(to, DataType::Int64 | DataType::Int32) => {
            let read = |text: &String| text.trim().parse().map_err(|_| failed(format!("{text:?} is not an integer")));
            Some(v.iter().map(read).collect::<Result<_, _>>()?)
        }
        _ => None,
    };
    let data = match (integers, to) {
        (Some(v), DataType::Int64) => Some(TensorData::Int64(v)),
        (Some(v), DataType::Int32) => Some(TensorData::Int32(v.iter().map(|x| *x as i32).collect())),
        (Some(v), DataType::Bytes) => Some(TensorData::Bytes(v.iter().map(ToString::to_string).collect())),
        _ => None,
    };
    if let Some(data) = data {
        return one(from.shape.clone(), data);
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
        DataType::Int64 => TensorData::Int64(numbers.iter().map(|x| *x as i64).collect()),
        DataType::Bool => TensorData::Bool(numbers.iter().map(|x| *x != 0.0).collect()),
        DataType::Bytes => {
            let digits = if matches!(from.data, TensorData::Fp32(_)) { 8 } else { 17 };
            TensorData::Bytes(numbers.iter().map(|x| general(*x, digits)).collect())
        }
        _ => return Err(failed("a cast to this type is not known")),
    };
    one(from.shape.clone(), data)
}

/// Writes a number as C's `%.{digits}g` does, which is what ONNX Runtime uses, with its names for what is not finite.
fn general(x: f64, digits: usize) -> String {
    if !x.is_finite() {
        return if x.is_nan() {
            "NaN"
        } else if x > 0.0 {
            "INF"
        } else {
            "-INF"
        }
        .to_owned();
    }
    let scientific = format!("{x:.*e}", digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed =
        |text: &str| if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text.to_owned() };
    if exponent < -4 || exponent >= digits as i32 {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trimmed(mantissa), exponent.abs());
    }
    trimmed(&format!("{x:.*}", (digits as i32 - 1 - exponent) as usize))
}

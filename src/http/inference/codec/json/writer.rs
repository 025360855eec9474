//! JSON text for tensors: the shortest digits that read back to the same bits, for the type at hand.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::infer::tensor::TensorData;

/// Appends a string with its quotes. Characters outside ASCII stand as they are.
pub fn push_string(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)) {
        out.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            byte => {
                out.push_str("\\u00");
                out.push(char::from(b'0' + (byte >> 4)));
                out.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
            }
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
}

/// Appends a single: the fewest digits that name it among singles (`0.1`, not `0.10000000149011612`).
#[inline]
pub fn push_f32(out: &mut String, value: f32) {
    if value.is_finite() {
        out.push_str(zmij::Buffer::new().format_finite(value));
    } else {
        push_non_finite(out, f64::from(value));
    }
}

/// Appends a double: the fewest digits that name it.
#[inline]
pub fn push_f64(out: &mut String, value: f64) {
    if value.is_finite() {
        out.push_str(zmij::Buffer::new().format_finite(value));
    } else {
        push_non_finite(out, value);
    }
}

fn push_non_finite(out: &mut String, value: f64) {
    out.push_str(if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    });
}

/// Appends an integer.
#[inline]
pub fn push_int(out: &mut String, value: impl itoa::Integer) {
    out.push_str(itoa::Buffer::new().format(value));
}

/// Appends elements as nested lists of the given shape: a bare value for an empty shape.
///
/// `start` is the first element; as many follow as the shape holds. With `base64` texts are written as
/// `{"b64":"…"}`.
pub fn push_values(out: &mut String, data: &TensorData, start: usize, shape: &[usize], base64: bool) {
    match data {
        TensorData::Bool(v) => push_nested(out, &v[start..], shape, |out, v| out.push_str(if *v { "true" } else { "false" })),
        TensorData::Uint8(v) => push_nested(out, &v[start..], shape, |out, v| push_int(out, *v)),
        TensorData::Int8(v) => push_nested(out, &v[start..], shape, |out, v| push_int(out, *v)),
        TensorData::Int16(v) => push_nested(out, &v[start..], shape, |out, v| push_int(out, *v)),
        TensorData::Int32(v) => push_nested(out, &v[start..], shape, |out, v| push_int(out, *v)),
        TensorData::Int64(v) => push_nested(out, &v[start..], shape, |out, v| push_int(out, *v)),
        TensorData::Fp32(v) => push_nested(out, &v[start..], shape, |out, v| push_f32(out, *v)),
        TensorData::Fp64(v) => push_nested(out, &v[start..], shape, |out, v| push_f64(out, *v)),
        TensorData::Bytes(v) if base64 => push_nested(out, &v[start..], shape, |out, v| {
            out.push_str("{\"b64\":\"");
            STANDARD.encode_string(v, out);
            out.push_str("\"}");
        }),
        TensorData::Bytes(v) => push_nested(out, &v[start..], shape, |out, v| push_string(out, v)),
    }
}

fn push_nested<T>(out: &mut String, values: &[T], shape: &[usize], push: impl Fn(&mut String, &T) + Copy) {
    let Some((&length, inner)) = shape.split_first() else {
        return push(out, &values[0]);
    };
    let step: usize = inner.iter().product();
    out.push('[');
    for index in 0..length {
        if index > 0 {
            out.push(',');
        }
        push_nested(out, &values[index * step..], inner, push);
    }
    out.push(']');
}

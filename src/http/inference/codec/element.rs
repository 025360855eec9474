//! One element of a tensor from one JSON value, and the dispatch from a tensor's type to Rust's.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::json::{Number, Reader};
use super::{CodecError, code};

/// What a protocol allows besides the plain value.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rules {
    /// `null` is the type's missing value: NaN, or the empty text.
    pub(super) nulls: bool,
    /// `{"b64": "…"}` is a text in base64.
    pub(super) base64: bool,
}

/// A type that tensors have elements of.
pub(super) trait Element: Clone + Default {
    /// Takes the next value.
    fn read(reader: &mut Reader<'_>, rules: Rules) -> Result<Self, CodecError>;

    /// Returns the value that stands for "not known", where the type has one.
    fn missing() -> Option<Self> {
        None
    }
}

/// Runs `$body` with `$v` bound to the vector inside a `TensorData`.
macro_rules! with_vector {
    ($data:expr, $v:ident => $body:expr) => {
        match $data {
            $crate::infer::tensor::TensorData::Bool($v) => $body,
            $crate::infer::tensor::TensorData::Uint8($v) => $body,
            $crate::infer::tensor::TensorData::Int8($v) => $body,
            $crate::infer::tensor::TensorData::Int16($v) => $body,
            $crate::infer::tensor::TensorData::Int32($v) => $body,
            $crate::infer::tensor::TensorData::Int64($v) => $body,
            $crate::infer::tensor::TensorData::Fp32($v) => $body,
            $crate::infer::tensor::TensorData::Fp64($v) => $body,
            $crate::infer::tensor::TensorData::Bytes($v) => $body,
        }
    };
}
pub(super) use with_vector;

macro_rules! float {
    ($type:ty, $name:literal, $convert:ident) => {
        impl Element for $type {
            #[inline]
            fn read(reader: &mut Reader<'_>, rules: Rules) -> Result<Self, CodecError> {
                if rules.nulls && reader.peek() == b'n' {
                    return reader.null().map(|()| Self::NAN);
                }
                let decimal = match reader.number()? {
                    Number::Decimal(decimal) => decimal,
                    Number::Nan => return Ok(Self::NAN),
                    Number::Infinity { negative: false } => return Ok(Self::INFINITY),
                    Number::Infinity { negative: true } => return Ok(Self::NEG_INFINITY),
                };
                let value = decimal.$convert();
                if value.is_finite() { Ok(value) } else { Err(does_not_fit(decimal.text, $name)) }
            }

            fn missing() -> Option<Self> {
                Some(Self::NAN)
            }
        }
    };
}
float!(f32, "FP32", to_f32);
float!(f64, "FP64", to_f64);

macro_rules! integer {
    ($type:ty, $name:literal) => {
        impl Element for $type {
            fn read(reader: &mut Reader<'_>, _: Rules) -> Result<Self, CodecError> {
                let decimal = match reader.number()? {
                    Number::Decimal(decimal) => decimal,
                    Number::Nan | Number::Infinity { .. } => return Err(no_integer("NaN or Infinity", $name)),
                };
                if !decimal.is_integer() {
                    return Err(no_integer(decimal.text, $name));
                }
                let value = decimal.to_i64().and_then(|value| Self::try_from(value).ok());
                value.ok_or_else(|| does_not_fit(decimal.text, $name))
            }
        }
    };
}
integer!(u8, "UINT8");
integer!(i8, "INT8");
integer!(i16, "INT16");
integer!(i32, "INT32");
integer!(i64, "INT64");

impl Element for bool {
    fn read(reader: &mut Reader<'_>, _: Rules) -> Result<Self, CodecError> {
        reader.boolean()
    }
}

impl Element for String {
    fn read(reader: &mut Reader<'_>, rules: Rules) -> Result<Self, CodecError> {
        match reader.peek() {
            b'n' if rules.nulls => reader.null().map(|()| Self::new()),
            b'{' if rules.base64 => base64_text(reader),
            _ => reader.string().map(std::borrow::Cow::into_owned),
        }
    }

    fn missing() -> Option<Self> {
        Some(Self::new())
    }
}

/// Takes `{"b64": "…"}`. Padding may be left out. Texts are UTF-8 here, so other bytes are refused.
fn base64_text(reader: &mut Reader<'_>) -> Result<String, CodecError> {
    const LENIENT: GeneralPurpose =
        GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));
    let mut text = None;
    reader.object(|reader, key| match (&*key, &text) {
        ("b64", Some(_)) => Err(reader.duplicate(&key)),
        ("b64", None) => {
            text = Some(reader.string()?);
            Ok(())
        }
        _ => Err(CodecError::new(code::WRONG_TYPE, format!("expected {{\"b64\": …}}, found the key '{key}'"))),
    })?;
    let text = text.ok_or_else(|| CodecError::new(code::WRONG_TYPE, "expected {\"b64\": …}, found an empty object"))?;
    let bytes = LENIENT.decode(&*text).map_err(|error| CodecError::new(code::WRONG_TYPE, format!("b64 does not decode: {error}")))?;
    String::from_utf8(bytes).map_err(|_| CodecError::new(code::WRONG_TYPE, "b64 does not hold UTF-8 text"))
}

#[cold]
fn does_not_fit(number: &str, name: &str) -> CodecError {
    CodecError::new(code::OUT_OF_RANGE, format!("{} does not fit {name}", shortened(number)))
}

#[cold]
fn no_integer(number: &str, name: &str) -> CodecError {
    CodecError::new(code::WRONG_TYPE, format!("{} is not an integer, and {name} takes nothing else", shortened(number)))
}

/// Keeps messages short whatever was sent. Numbers are ASCII, so any byte is a boundary.
fn shortened(number: &str) -> String {
    if number.len() <= 40 { number.to_owned() } else { format!("{}…", &number[..40]) }
}

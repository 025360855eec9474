//! Constants of a graph as tensors.

use super::attributes::utf8;
use crate::infer::engine::{EngineError, ErrorCode};
use crate::infer::tensor::{DataType, Tensor, TensorData};
use crate::ml::onnx::proto::{TensorDataType, TensorProto};

/// Reads a constant.
pub(super) fn read(proto: &TensorProto, most: usize) -> Result<Tensor, EngineError> {
    let invalid = |what: &str| EngineError::new(ErrorCode::InvalidModel, format!("constant {:?}: {what}", proto.name));
    let mut shape = Vec::with_capacity(proto.dims.len());
    let mut elements: usize = 1;
    for axis in &proto.dims {
        let axis = usize::try_from(*axis).map_err(|_| invalid("an axis is negative"))?;
        elements = elements.checked_mul(axis).filter(|n| *n <= most).ok_or_else(|| invalid("it is too large"))?;
        shape.push(axis);
    }
    let raw = proto.raw_data.as_deref();
    let kind = TensorDataType::try_from(proto.data_type).unwrap_or(TensorDataType::Undefined);
    let data = match kind {
        TensorDataType::Float => TensorData::Fp32(match raw {
            Some(raw) => numbers(raw, f32::from_le_bytes),
            None => proto.float_data.clone(),
        }),
        TensorDataType::Double => TensorData::Fp64(match raw {
            Some(raw) => numbers(raw, f64::from_le_bytes),
            None => proto.double_data.clone(),
        }),
        TensorDataType::Int64 => TensorData::Int64(match raw {
            Some(raw) => numbers(raw, i64::from_le_bytes),
            None => proto.int64_data.clone(),
        }),
        TensorDataType::Int32 => TensorData::Int32(match raw {
            Some(raw) => numbers(raw, i32::from_le_bytes),
            None => proto.int32_data.clone(),
        }),
        TensorDataType::Bool => TensorData::Bool(match raw {
            Some(raw) => raw.iter().map(|byte| *byte != 0).collect(),
            None => proto.int32_data.iter().map(|value| *value != 0).collect(),
        }),
        TensorDataType::String => TensorData::Bytes(proto.string_data.iter().map(|bytes| utf8(bytes)).collect::<Result<_, _>>()?),
        _ => return Err(EngineError::new(ErrorCode::UnsupportedType, format!("constant {:?} has type {}", proto.name, proto.data_type))),
    };
    Tensor::new(shape, data).ok_or_else(|| invalid("its values do not fill its shape"))
}

fn numbers<T, const N: usize>(raw: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    let (chunks, rest) = raw.as_chunks::<N>();
    // a remainder makes the count differ from the shape's, which is then refused
    if rest.is_empty() { chunks.iter().map(|chunk| read(*chunk)).collect() } else { Vec::new() }
}

/// Translates an element type.
pub(super) fn data_type(code: i32) -> Option<DataType> {
    Some(match TensorDataType::try_from(code).ok()? {
        TensorDataType::Float => DataType::Fp32,
        TensorDataType::Double => DataType::Fp64,
        TensorDataType::Int64 => DataType::Int64,
        TensorDataType::Int32 => DataType::Int32,
        TensorDataType::Bool => DataType::Bool,
        TensorDataType::String => DataType::Bytes,
        _ => return None,
    })
}

//! Typed tensors as they travel between a wire format and an engine: row-major, owned, one vector per tensor.

/// The element type of a tensor, named as the Open Inference protocol names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DataType {
    /// `BOOL`.
    Bool,
    /// `UINT8`.
    Uint8,
    /// `INT8`.
    Int8,
    /// `INT16`.
    Int16,
    /// `INT32`.
    Int32,
    /// `INT64`.
    Int64,
    /// `FP32`.
    Fp32,
    /// `FP64`.
    Fp64,
    /// `BYTES`: UTF-8 text here.
    Bytes,
}

/// The elements of a tensor in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub enum TensorData {
    /// Truth values.
    Bool(Vec<bool>),
    /// Unsigned bytes.
    Uint8(Vec<u8>),
    /// Signed bytes.
    Int8(Vec<i8>),
    /// 16-bit integers.
    Int16(Vec<i16>),
    /// 32-bit integers.
    Int32(Vec<i32>),
    /// 64-bit integers.
    Int64(Vec<i64>),
    /// Single precision; NaN stands for a missing value in a model's raw input.
    Fp32(Vec<f32>),
    /// Double precision.
    Fp64(Vec<f64>),
    /// Text; the empty string stands for a missing value in a model's raw input.
    Bytes(Vec<String>),
}

/// Most axes of a tensor.
pub const MAX_RANK: usize = 64;

/// A dense tensor. Invariant: `data.len()` is the product of `shape`, and so is any part of the shape's product a `usize`, also
/// where another axis has no elements.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Lengths of the axes, outermost first; empty for a scalar.
    pub shape: Vec<usize>,
    /// The elements, row-major.
    pub data: TensorData,
}

impl TensorData {
    /// Returns the number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::Bool(v) => v.len(),
            Self::Uint8(v) => v.len(),
            Self::Int8(v) => v.len(),
            Self::Int16(v) => v.len(),
            Self::Int32(v) => v.len(),
            Self::Int64(v) => v.len(),
            Self::Fp32(v) => v.len(),
            Self::Fp64(v) => v.len(),
            Self::Bytes(v) => v.len(),
        }
    }

    /// Tells whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the element type.
    pub fn data_type(&self) -> DataType {
        match self {
            Self::Bool(_) => DataType::Bool,
            Self::Uint8(_) => DataType::Uint8,
            Self::Int8(_) => DataType::Int8,
            Self::Int16(_) => DataType::Int16,
            Self::Int32(_) => DataType::Int32,
            Self::Int64(_) => DataType::Int64,
            Self::Fp32(_) => DataType::Fp32,
            Self::Fp64(_) => DataType::Fp64,
            Self::Bytes(_) => DataType::Bytes,
        }
    }
}

impl Tensor {
    /// Makes a tensor; `None` when the shape does not hold as many elements as `data`, or is none that can be computed with.
    pub fn new(shape: Vec<usize>, data: TensorData) -> Option<Self> {
        if shape.len() > MAX_RANK {
            return None;
        }
        let elements = shape.iter().try_fold(1usize, |n, &axis| n.checked_mul(axis.max(1)))?;
        let elements = if shape.contains(&0) { 0 } else { elements };
        (elements == data.len()).then_some(Self { shape, data })
    }

    /// Returns the length of the first axis, the batch; 1 for a scalar.
    pub fn rows(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }
}

//! The inference request.

use super::write::data_type_name;
use crate::http::inference::codec::element::Rules;
use crate::http::inference::codec::fit::{complete, fit, listed, unknown_input};
use crate::http::inference::codec::json::{Number, Reader};
use crate::http::inference::codec::nested::Builder;
use crate::http::inference::codec::{CodecError, code};
use crate::infer::signature::Signature;
use crate::infer::tensor::{DataType, Tensor};

/// An inference request that fits the model.
#[derive(Clone, Debug, PartialEq)]
pub struct InferRequest {
    /// The client's own name for the request, to be given back.
    pub id: Option<String>,
    /// One tensor per input of the signature, in its order, with equally many rows.
    pub inputs: Vec<Tensor>,
    /// Which outputs to answer with, as positions in the signature, in the order asked for; all if none were named.
    pub outputs: Vec<usize>,
}

const TYPES: [DataType; 9] = [
    DataType::Bool,
    DataType::Uint8,
    DataType::Int8,
    DataType::Int16,
    DataType::Int32,
    DataType::Int64,
    DataType::Fp32,
    DataType::Fp64,
    DataType::Bytes,
];

/// Reads the body of `POST /v2/models/{model}/infer`. Every field but an input's `data` may also be null where it is
/// optional.
pub fn read_infer(body: &[u8], signature: &Signature) -> Result<InferRequest, CodecError> {
    let mut reader = Reader::new(body)?;
    let mut id = None;
    let mut inputs = None;
    let mut outputs = None;
    let mut fields = Fields::new(["id", "parameters", "inputs", "outputs"]);
    reader.object(|reader, key| {
        let field = fields.take(reader, &key, "the request")?;
        if field != "inputs" && reader.peek() == b'n' {
            return reader.null();
        }
        match field {
            "id" => id = Some(reader.string().map_err(|error| error.within("'id'"))?.into_owned()),
            "inputs" => inputs = Some(read_inputs(reader, signature)?),
            "outputs" => outputs = Some(read_outputs(reader, signature)?),
            _ => parameters(reader, |_| None)?,
        }
        Ok(())
    })?;
    reader.end()?;
    let inputs = inputs.ok_or_else(|| invalid("the request has no 'inputs'"))?;
    let outputs = outputs.filter(|some: &Vec<usize>| !some.is_empty());
    let outputs = outputs.unwrap_or_else(|| (0..signature.outputs.len()).collect());
    Ok(InferRequest { id, inputs: complete(signature, inputs)?, outputs })
}

fn read_inputs(reader: &mut Reader<'_>, signature: &Signature) -> Result<Vec<Option<Tensor>>, CodecError> {
    let mut inputs: Vec<Option<Tensor>> = vec![None; signature.inputs.len()];
    let mut number = 0;
    let read = reader.list(|reader| {
        let (index, tensor) = read_input(reader, signature).map_err(|error| error.within(format_args!("input {number}")))?;
        number += 1;
        if inputs[index].replace(tensor).is_some() {
            let message = format!("input '{}' is there twice", signature.inputs[index].name);
            return Err(CodecError::new(code::DUPLICATE_INPUT, message));
        }
        Ok(())
    });
    read.map(|()| inputs)
}

/// Reads one input and returns its position in the signature. Fields may come in any order.
fn read_input(reader: &mut Reader<'_>, signature: &Signature) -> Result<(usize, Tensor), CodecError> {
    let mut index = None;
    let mut shape: Option<Vec<usize>> = None;
    let mut data_type = None;
    let mut data = None;
    let mut later = None;
    let mut fields = Fields::new(["name", "shape", "datatype", "parameters", "data"]);
    reader.object(|reader, key| {
        match fields.take(reader, &key, "an input")? {
            "name" => {
                let name = reader.string().map_err(|error| error.within("'name'"))?;
                let found = signature.inputs.iter().position(|spec| spec.name == name);
                index = Some(found.ok_or_else(|| unknown_input(&name, signature))?);
            }
            "shape" => shape = Some(read_shape(reader).map_err(|error| error.within("'shape'"))?),
            "datatype" => data_type = Some(read_data_type(reader)?),
            "data" => match data_type {
                Some(data_type) => data = Some(read_data(reader, data_type)?),
                // What the elements are is said further on: come back for them.
                None => {
                    later = Some(*reader);
                    reader.skip()?;
                }
            },
            _ if reader.peek() == b'n' => reader.null()?,
            _ => parameters(reader, |name| match name {
                "binary_data_size" => Some("binary tensor data is not offered: send 'data' as JSON"),
                "shared_memory_region" => Some("shared memory is not offered: send 'data' as JSON"),
                _ => None,
            })?,
        }
        Ok(())
    })?;
    let index = index.ok_or_else(|| lacks("name"))?;
    let spec = &signature.inputs[index];
    let data_type = data_type.ok_or_else(|| lacks("datatype"))?;
    if data_type != spec.data_type {
        let (takes, got) = (data_type_name(spec.data_type), data_type_name(data_type));
        let message = format!("'{}' takes {takes}, the request has {got}", spec.name);
        return Err(CodecError::new(code::WRONG_TYPE, message));
    }
    let shape = shape.ok_or_else(|| lacks("shape"))?;
    let builder = match (data, later) {
        (Some(data), _) => data,
        (None, Some(mut place)) => read_data(&mut place, data_type)?,
        (None, None) => return Err(lacks("data")),
    };
    let (found, data) = builder.finish();
    let elements = shape.iter().try_fold(1usize, |product, &axis| product.checked_mul(axis));
    let flat = found.len() == 1 && elements == Some(data.len());
    if !flat && found != shape {
        let message = format!("'{}' has the shape {shape:?}, but its data is {found:?}", spec.name);
        return Err(CodecError::new(code::WRONG_SHAPE, message));
    }
    Ok((index, fit(spec, shape, data)?))
}

fn read_data(reader: &mut Reader<'_>, data_type: DataType) -> Result<Builder, CodecError> {
    if reader.peek() != b'[' {
        return Err(reader.unlike("a list").within("'data'"));
    }
    let mut builder = Builder::new(data_type);
    builder.read(reader, Rules::default()).map_err(|error| error.within("'data'"))?;
    Ok(builder)
}

fn read_shape(reader: &mut Reader<'_>) -> Result<Vec<usize>, CodecError> {
    let mut shape = Vec::new();
    reader.list(|reader| {
        let axis = match reader.number()? {
            Number::Decimal(decimal) => decimal.to_i64().and_then(|axis| usize::try_from(axis).ok()),
            Number::Nan | Number::Infinity { .. } => None,
        };
        shape.push(axis.ok_or_else(|| CodecError::new(code::WRONG_SHAPE, "an axis is not a whole number from 0"))?);
        Ok(())
    })?;
    Ok(shape)
}

fn read_data_type(reader: &mut Reader<'_>) -> Result<DataType, CodecError> {
    let name = reader.string().map_err(|error| error.within("'datatype'"))?;
    if let Some(known) = TYPES.into_iter().find(|data_type| data_type_name(*data_type) == name) {
        return Ok(known);
    }
    let known = listed(TYPES.into_iter().map(data_type_name));
    Err(match &*name {
        "FP16" | "BF16" | "UINT16" | "UINT32" | "UINT64" => {
            CodecError::new(code::UNSUPPORTED, format!("the data type {name} is not offered; there are {known}"))
        }
        _ => CodecError::new(code::WRONG_TYPE, format!("there is no data type '{name}'; there are {known}")),
    })
}

fn read_outputs(reader: &mut Reader<'_>, signature: &Signature) -> Result<Vec<usize>, CodecError> {
    let mut outputs = Vec::new();
    reader.list(|reader| {
        let mut index = None;
        let mut fields = Fields::new(["name", "parameters"]);
        let read = reader.object(|reader, key| {
            match fields.take(reader, &key, "an output")? {
                "name" => index = Some(read_output(reader, signature)?),
                _ if reader.peek() == b'n' => reader.null()?,
                // `binary_data` only says what the client would like: JSON is always an answer.
                _ => parameters(reader, |name| match name {
                    "classification" => Some("the parameter 'classification' is not offered"),
                    "shared_memory_region" => Some("shared memory is not offered"),
                    _ => None,
                })?,
            }
            Ok(())
        });
        let place = outputs.len();
        let index = read.and_then(|()| index.ok_or_else(|| lacks("name")));
        let index = index.map_err(|error| error.within(format_args!("output {place}")))?;
        if outputs.contains(&index) {
            let message = format!("output '{}' is there twice", signature.outputs[index].name);
            return Err(CodecError::new(code::DUPLICATE_OUTPUT, message));
        }
        outputs.push(index);
        Ok(())
    })?;
    Ok(outputs)
}

fn read_output(reader: &mut Reader<'_>, signature: &Signature) -> Result<usize, CodecError> {
    let name = reader.string().map_err(|error| error.within("'name'"))?;
    signature.outputs.iter().position(|spec| spec.name == name).ok_or_else(|| {
        let known = listed(signature.outputs.iter().map(|spec| spec.name.as_str()));
        CodecError::new(code::UNKNOWN_OUTPUT, format!("the model has no output '{name}'; it has {known}"))
    })
}

/// Takes an object of parameters. `refused` says why one of them cannot be ignored.
fn parameters(reader: &mut Reader<'_>, refused: impl Fn(&str) -> Option<&'static str>) -> Result<(), CodecError> {
    let mut object = *reader;
    reader.skip()?;
    object.object(|reader, key| match refused(&key) {
        Some(why) => Err(CodecError::new(code::UNSUPPORTED, why)),
        None => reader.skip(),
    })
}

/// The keys that an object may have, each once.
struct Fields<const N: usize> {
    names: [&'static str; N],
    seen: [bool; N],
}

impl<const N: usize> Fields<N> {
    fn new(names: [&'static str; N]) -> Self {
        Self { names, seen: [false; N] }
    }

    fn take(&mut self, reader: &Reader<'_>, key: &str, place: &str) -> Result<&'static str, CodecError> {
        let Some(index) = self.names.iter().position(|name| *name == key) else {
            return Err(CodecError::new(code::UNKNOWN_FIELD, format!("unknown key '{key}' in {place}")));
        };
        if std::mem::replace(&mut self.seen[index], true) {
            return Err(reader.duplicate(key));
        }
        Ok(self.names[index])
    }
}

#[cold]
fn lacks(field: &str) -> CodecError {
    invalid(format!("'{field}' is missing"))
}

#[cold]
fn invalid(message: impl Into<String>) -> CodecError {
    CodecError::new(code::INVALID_REQUEST, message)
}

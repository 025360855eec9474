//! Tensors that a model file keeps in files beside it, as `onnx.save_model(…, save_as_external_data=True)` and with it MLflow's
//! client write them. Engines take one file: [`files`] says which others it needs, [`inline`] puts their bytes into it.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use prost::Message as _;

use crate::infer::engine::{EngineError, ErrorCode, Limits};
use crate::infer::native::parts_within;
use crate::ml::onnx::proto::{ModelProto, TensorProto};

/// Value of `data_location` for tensors that are kept outside.
const EXTERNAL: i32 = 1;
/// The name of the entry that says where; a file without it has no such tensors.
const LOCATION: &[u8] = b"location";
/// Files beside a model file.
const MAX_FILES: usize = 1000;

/// Names the files that a model file needs, by their paths beside it.
///
/// # Errors
/// If the bytes are not a model, or need too many files.
pub fn files(bytes: &[u8], limits: &Limits) -> Result<BTreeSet<String>, EngineError> {
    // most files keep everything inside: looking for the word costs less than reading them twice
    if !bytes.windows(LOCATION.len()).any(|window| window == LOCATION) {
        return Ok(BTreeSet::new());
    }
    let mut proto = decode(bytes, limits)?;
    let mut found = BTreeSet::new();
    for tensor in tensors(&mut proto).filter(|tensor| tensor.data_location == Some(EXTERNAL)) {
        found.insert(place(tensor)?.file.to_owned());
    }
    if found.len() > MAX_FILES {
        return Err(EngineError::new(ErrorCode::ModelTooLarge, format!("the model needs {} files beside it", found.len())));
    }
    Ok(found)
}

/// Puts the bytes of other files into the model file.
///
/// # Errors
/// If a file is missing or too short, or the whole becomes too large.
pub fn inline(bytes: &[u8], others: &HashMap<String, Bytes>, limits: &Limits) -> Result<Vec<u8>, EngineError> {
    let mut proto = decode(bytes, limits)?;
    let mut total = bytes.len();
    for tensor in tensors(&mut proto).filter(|tensor| tensor.data_location == Some(EXTERNAL)) {
        let Place { file, offset, length } = place(tensor)?;
        let missing = || EngineError::new(ErrorCode::InvalidModel, format!("the file {file:?} that holds tensors is not there"));
        let all = others.get(file).ok_or_else(missing)?;
        let end = length.map_or(Some(all.len()), |length| offset.checked_add(length));
        let short = || EngineError::new(ErrorCode::InvalidModel, format!("the file {file:?} ends before tensor {:?} does", tensor.name));
        let data = end.and_then(|end| all.get(offset..end)).ok_or_else(short)?.to_vec();
        total = total.saturating_add(data.len());
        if total > limits.max_model_bytes {
            return Err(EngineError::new(ErrorCode::ModelTooLarge, format!("the model has more than {} bytes", limits.max_model_bytes)));
        }
        tensor.raw_data = Some(data);
        tensor.data_location = None;
        tensor.external_data.clear();
    }
    Ok(proto.encode_to_vec())
}

fn decode(bytes: &[u8], limits: &Limits) -> Result<ModelProto, EngineError> {
    parts_within(bytes, limits)?;
    ModelProto::decode(bytes).map_err(|_| EngineError::new(ErrorCode::InvalidModel, "the file is not an ONNX model"))
}

/// Lists all tensors of a model: initialisers, and constants in attributes.
fn tensors(proto: &mut ModelProto) -> impl Iterator<Item = &mut TensorProto> {
    proto.graph.iter_mut().flat_map(|graph| {
        let of_nodes = graph.node.iter_mut().flat_map(|node| &mut node.attribute);
        graph.initializer.iter_mut().chain(of_nodes.flat_map(|attribute| attribute.t.iter_mut().chain(&mut attribute.tensors)))
    })
}

struct Place<'a> {
    file: &'a str,
    offset: usize,
    length: Option<usize>,
}

fn place(tensor: &TensorProto) -> Result<Place<'_>, EngineError> {
    let bad = || EngineError::new(ErrorCode::InvalidModel, format!("tensor {:?} does not say where its bytes are", tensor.name));
    let entry = |key: &str| tensor.external_data.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str());
    let number = |key: &str| entry(key).map(|text| text.parse::<usize>().map_err(|_| bad())).transpose();
    let file = entry("location").filter(|file| !file.is_empty()).ok_or_else(bad)?;
    Ok(Place { file, offset: number("offset")?.unwrap_or(0), length: number("length")? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::onnx::proto::{GraphProto, StringStringEntryProto};

    fn tensor(name: &str, entries: &[(&str, &str)]) -> TensorProto {
        let entry = |(key, value): &(&str, &str)| StringStringEntryProto { key: (*key).to_owned(), value: (*value).to_owned() };
        TensorProto {
            name: name.to_owned(),
            data_type: 1,
            dims: vec![1],
            data_location: Some(EXTERNAL),
            external_data: entries.iter().map(entry).collect(),
            ..TensorProto::default()
        }
    }

    fn model(tensors: Vec<TensorProto>) -> Vec<u8> {
        let graph = GraphProto { initializer: tensors, ..GraphProto::default() };
        ModelProto { graph: Some(graph), ..ModelProto::default() }.encode_to_vec()
    }

    #[test]
    fn bytes_of_other_files_are_put_in() {
        let limits = Limits::default();
        let place = [("location", "w.data"), ("offset", "4"), ("length", "4")];
        let bytes = model(vec![tensor("a", &place), tensor("b", &[("location", "b")])]);
        assert_eq!(files(&bytes, &limits).unwrap(), ["b", "w.data"].map(str::to_owned).into());
        let others: HashMap<_, _> =
            [("w.data", &b"01234567"[..]), ("b", b"all!")].map(|(name, data)| (name.to_owned(), Bytes::from_static(data))).into();
        let whole = ModelProto::decode(inline(&bytes, &others, &limits).unwrap().as_slice()).unwrap().graph.unwrap();
        let data: Vec<_> = whole.initializer.iter().map(|t| (t.raw_data.as_deref(), t.data_location)).collect();
        assert_eq!(data, [(Some(&b"4567"[..]), None), (Some(&b"all!"[..]), None)]);
        assert_eq!(files(&model(Vec::new()), &limits).unwrap(), BTreeSet::new());
    }

    #[test]
    fn what_is_missing_short_or_too_large_is_refused() {
        let limits = Limits { max_model_bytes: 150, ..Limits::default() };
        let others: HashMap<_, _> = [("w".to_owned(), Bytes::from(vec![0; 200]))].into();
        let told = |tensor: TensorProto| inline(&model(vec![tensor]), &others, &limits).unwrap_err().code;
        assert_eq!(told(tensor("a", &[("location", "w"), ("offset", "199"), ("length", "2")])), ErrorCode::InvalidModel);
        let beyond = usize::MAX.to_string();
        assert_eq!(told(tensor("a", &[("location", "w"), ("offset", &beyond), ("length", "2")])), ErrorCode::InvalidModel);
        assert_eq!(told(tensor("a", &[("location", "other")])), ErrorCode::InvalidModel);
        assert_eq!(told(tensor("a", &[("offset", "1")])), ErrorCode::InvalidModel);
        assert_eq!(told(tensor("a", &[("location", "w")])), ErrorCode::ModelTooLarge);
        assert!(files(b"location but no model", &limits).is_err());
    }
}

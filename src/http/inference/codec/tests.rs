//! What both protocols share: fixtures, and tensors that go out and come back in either form.

use proptest::prelude::*;

use super::tfs::Form;
use super::*;
use crate::infer::signature::{Signature, TensorSpec};
use crate::infer::tensor::{DataType, Tensor, TensorData};

/// A spec without named columns.
pub(super) fn spec(name: &str, data_type: DataType, shape: &[Option<usize>]) -> TensorSpec {
    TensorSpec { name: name.to_owned(), data_type, shape: shape.to_vec(), columns: Vec::new() }
}

/// A signature whose outputs are `score` (`[any, 1]`) and `label` (`[any]`).
pub(super) fn signature(inputs: Vec<TensorSpec>) -> Signature {
    let outputs = vec![spec("score", DataType::Fp32, &[None, Some(1)]), spec("label", DataType::Bytes, &[None])];
    Signature { inputs, outputs, class_labels: Vec::new() }
}

/// One FP32 input `x` with the columns `a`, `b` and `c`.
pub(super) fn table() -> Signature {
    let columns = ["a", "b", "c"].map(str::to_owned).to_vec();
    signature(vec![TensorSpec { columns, ..spec("x", DataType::Fp32, &[None, Some(3)]) }])
}

/// One `[any, 1]` input per column: `age` FP32, `plan` BYTES, `visits` INT64.
pub(super) fn mixed() -> Signature {
    signature(vec![
        spec("age", DataType::Fp32, &[None, Some(1)]),
        spec("plan", DataType::Bytes, &[None, Some(1)]),
        spec("visits", DataType::Int64, &[None, Some(1)]),
    ])
}

/// A tensor whose shape is known to fit.
pub(super) fn tensor(shape: &[usize], data: TensorData) -> Tensor {
    Tensor::new(shape.to_vec(), data).unwrap()
}

/// Floats by their bits, so that NaN equals itself and -0 does not equal 0; every NaN is one NaN on the wire.
fn bits(data: &TensorData) -> TensorData {
    match data {
        TensorData::Fp32(v) => TensorData::Int64(v.iter().map(|v| if v.is_nan() { -1 } else { v.to_bits().into() }).collect()),
        TensorData::Fp64(v) => TensorData::Int64(v.iter().map(|v| if v.is_nan() { -1 } else { v.to_bits().cast_signed() }).collect()),
        other => other.clone(),
    }
}

/// Compares tensors to the bit.
pub(super) fn same(left: &[Tensor], right: &[Tensor]) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(l, r)| l.shape == r.shape && bits(&l.data) == bits(&r.data))
}

fn data(length: usize) -> impl Strategy<Value = TensorData> {
    use proptest::collection::vec;
    let single = prop_oneof![4 => any::<u32>().prop_map(f32::from_bits), 1 => Just(-0.0), 1 => Just(f32::NAN), 1 => Just(f32::INFINITY)];
    let double = prop_oneof![4 => any::<u64>().prop_map(f64::from_bits), 1 => Just(-0.0), 1 => Just(f64::NEG_INFINITY)];
    prop_oneof![
        vec(any::<bool>(), length).prop_map(TensorData::Bool),
        vec(any::<u8>(), length).prop_map(TensorData::Uint8),
        vec(any::<i8>(), length).prop_map(TensorData::Int8),
        vec(any::<i16>(), length).prop_map(TensorData::Int16),
        vec(any::<i32>(), length).prop_map(TensorData::Int32),
        vec(any::<i64>(), length).prop_map(TensorData::Int64),
        vec(single, length).prop_map(TensorData::Fp32),
        vec(double, length).prop_map(TensorData::Fp64),
        vec(any::<String>(), length).prop_map(TensorData::Bytes),
    ]
}

/// One to three inputs of one to three axes with the same number of rows, and a signature that leaves all axes open.
fn tensors() -> impl Strategy<Value = (Signature, Vec<Tensor>)> {
    let inner = proptest::collection::vec(proptest::collection::vec(1usize..4, 0..3), 1..4);
    (1usize..5, inner)
        .prop_flat_map(|(rows, inner)| {
            let one = |inner: Vec<usize>| {
                let shape: Vec<usize> = std::iter::once(rows).chain(inner).collect();
                data(shape.iter().product()).prop_map(move |data| Tensor { shape: shape.clone(), data })
            };
            inner.into_iter().map(one).collect::<Vec<_>>()
        })
        .prop_map(|tensors| {
            let specs = tensors.iter().enumerate().map(|(index, tensor)| {
                let name = if index == 1 { "two_bytes".to_owned() } else { format!("in \"{index}\"") };
                spec(&name, tensor.data.data_type(), &vec![None; tensor.shape.len()])
            });
            (signature(specs.collect()), tensors)
        })
}

fn named<'a>(signature: &'a Signature, tensors: &'a [Tensor]) -> Vec<(&'a str, &'a Tensor)> {
    signature.inputs.iter().map(|spec| spec.name.as_str()).zip(tensors).collect()
}

/// Writes the tensors as if they were outputs and renames the envelope, so that the answer is a request.
fn as_request(form: Form, signature: &Signature, tensors: &[Tensor]) -> Vec<u8> {
    let written = tfs::write_predict(form, &named(signature, tensors)).unwrap();
    let text = String::from_utf8(written).unwrap();
    let (answer, question) = if form == Form::Row { ("predictions", "instances") } else { ("outputs", "inputs") };
    text.replacen(answer, question, 1).into_bytes()
}

fn as_infer_request(signature: &Signature, tensors: &[Tensor]) -> Vec<u8> {
    let text = String::from_utf8(oip::write_infer("m", "1", Some("é"), &named(signature, tensors))).unwrap();
    let head = "{\"model_name\":\"m\",\"model_version\":\"1\",";
    text.replacen(head, "{", 1).replacen("\"outputs\":", "\"inputs\":", 1).into_bytes()
}

/// Cuts, doubles or overwrites some bytes.
fn mutated(mut body: Vec<u8>, edits: &[(usize, u8, u8)]) -> Vec<u8> {
    const LIKELY: &[u8] = b"[]{}\",:0129.eE-+NIntf\\u ";
    for &(at, kind, byte) in edits {
        if body.is_empty() {
            break;
        }
        let at = at % body.len();
        match kind % 4 {
            0 => drop(body.remove(at)),
            1 => body.insert(at, LIKELY[usize::from(byte) % LIKELY.len()]),
            2 => body[at] = byte,
            _ => body.truncate(at),
        }
    }
    body
}

#[test]
fn the_error_body_quotes_its_message() {
    assert_eq!(write_error("input \"x\"\nis é"), "{\"error\":\"input \\\"x\\\"\\nis é\"}".as_bytes());
}

proptest! {
    #[test]
    fn rows_come_back((signature, tensors) in tensors()) {
        let body = as_request(Form::Row, &signature, &tensors);
        let read = tfs::read_predict(&body, &signature).unwrap();
        prop_assert_eq!(read.form, Form::Row);
        prop_assert!(same(&read.inputs, &tensors), "{}", String::from_utf8_lossy(&body));
    }

    #[test]
    fn columns_come_back((signature, tensors) in tensors()) {
        let body = as_request(Form::Column, &signature, &tensors);
        let read = tfs::read_predict(&body, &signature).unwrap();
        prop_assert_eq!(read.form, Form::Column);
        prop_assert!(same(&read.inputs, &tensors), "{}", String::from_utf8_lossy(&body));
    }

    #[test]
    fn inference_tensors_come_back((signature, tensors) in tensors()) {
        let body = as_infer_request(&signature, &tensors);
        let read = oip::read_infer(&body, &signature).unwrap();
        prop_assert_eq!(read.id.as_deref(), Some("é"));
        prop_assert_eq!(read.outputs, vec![0, 1]);
        prop_assert!(same(&read.inputs, &tensors), "{}", String::from_utf8_lossy(&body));
    }

    #[test]
    fn mutated_requests_never_panic(
        (signature, tensors) in tensors(),
        edits in proptest::collection::vec((any::<usize>(), any::<u8>(), any::<u8>()), 1..4),
    ) {
        for body in [as_request(Form::Row, &signature, &tensors), as_request(Form::Column, &signature, &tensors)] {
            if let Ok(read) = tfs::read_predict(&mutated(body, &edits), &signature) {
                prop_assert_eq!(read.inputs.len(), signature.inputs.len());
            }
        }
        if let Ok(read) = oip::read_infer(&mutated(as_infer_request(&signature, &tensors), &edits), &signature) {
            prop_assert_eq!(read.inputs.len(), signature.inputs.len());
        }
    }

    #[test]
    fn mutated_feature_rows_never_panic_and_always_fit(
        edits in proptest::collection::vec((any::<usize>(), any::<u8>(), any::<u8>()), 1..4),
    ) {
        let bodies = [
            r#"{"instances":[{"a":1,"b":null,"c":-0.5},{"c":NaN}],"signature_name":""}"#,
            r#"{"inputs":{"b":[1,2],"a":[null,3.5e-3]}}"#,
        ];
        for body in bodies {
            if let Ok(read) = tfs::read_predict(&mutated(body.into(), &edits), &table()) {
                prop_assert_eq!(read.inputs[0].shape[1], 3);
                prop_assert_eq!(read.inputs[0].data.len(), 3 * read.inputs[0].shape[0]);
                prop_assert!(read.inputs[0].shape[0] > 0);
            }
        }
    }

    #[test]
    fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for signature in [table(), mixed()] {
            let _ = tfs::read_predict(&bytes, &signature);
            let _ = oip::read_infer(&bytes, &signature);
        }
    }
}

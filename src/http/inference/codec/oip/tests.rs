//! Requests as clients send them, what is refused and how it is said, and the exact text of answers.

use super::*;
use crate::http::inference::codec::tests::{mixed, same, signature, spec, table, tensor};
use crate::infer::signature::Signature;
use crate::infer::tensor::{DataType, TensorData};

#[track_caller]
fn refused(body: &str, signature: &Signature, code: &str, message: &str) {
    let error = read_infer(body.as_bytes(), signature).unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (code, message), "{body}");
}

/// A request whose one input is `x`, with the given rest of its object.
fn with_x(rest: &str) -> String {
    format!("{{\"inputs\":[{{\"name\":\"x\",{rest}}}]}}")
}

#[test]
fn flat_and_nested_data_in_any_order_of_fields_are_the_same() {
    let want = [tensor(&[2, 3], TensorData::Fp32(vec![1.0, f32::NAN, f32::NEG_INFINITY, 4.0, -0.0, 0.1]))];
    for body in [
        r#"{"inputs":[{"name":"x","shape":[2,3],"datatype":"FP32","data":[1,NaN,-Infinity,4,-0.0,0.1]}]}"#,
        r#"{"inputs":[{"name":"x","shape":[2,3],"datatype":"FP32","data":[[1,NaN,-Infinity],[4,-0.0,0.1]]}]}"#,
        r#"{"inputs":[{"data":[1,NaN,-Infinity,4,-0.0,0.1],"datatype":"FP32","shape":[2,3],"name":"x"}]}"#,
        r#"{"outputs":null,"parameters":{"priority":1,"deep":[{"a":{}}]},"id":null,
            "inputs":[{"name":"x","parameters":{"content_type":"np"},"datatype":"FP32","data":[1,NaN,-Infinity,4,-0.0,0.1],
            "shape":[2,3]}]}"#,
    ] {
        let read = read_infer(body.as_bytes(), &table()).unwrap();
        assert!(same(&read.inputs, &want), "{body}");
        assert_eq!((read.id, read.outputs), (None, vec![0, 1]));
    }
}

#[test]
fn several_inputs_and_chosen_outputs_come_in_any_order() {
    let body = r#"{"id":"42","inputs":[
        {"name":"visits","shape":[1,1],"datatype":"INT64","data":[-9223372036854775808]},
        {"name":"plan","shape":[1,1],"datatype":"BYTES","data":[["\u00e9"]]},
        {"name":"age","shape":[1,1],"datatype":"FP32","data":[41]}],
        "outputs":[{"name":"label","parameters":{"binary_data":true}},{"name":"score","parameters":null}]}"#;
    let read = read_infer(body.as_bytes(), &mixed()).unwrap();
    let want = [
        tensor(&[1, 1], TensorData::Fp32(vec![41.0])),
        tensor(&[1, 1], TensorData::Bytes(vec!["é".to_owned()])),
        tensor(&[1, 1], TensorData::Int64(vec![i64::MIN])),
    ];
    assert_eq!(read.inputs, want);
    assert_eq!(read.outputs, vec![1, 0]);
    assert_eq!(read.id.as_deref(), Some("42"));
}

#[test]
fn every_data_type_is_read() {
    let cases = [
        ("BOOL", "[true,false]", TensorData::Bool(vec![true, false])),
        ("UINT8", "[0,255]", TensorData::Uint8(vec![0, 255])),
        ("INT8", "[-128,127]", TensorData::Int8(vec![-128, 127])),
        ("INT16", "[-32768,32767]", TensorData::Int16(vec![-32768, 32767])),
        ("INT32", "[-2147483648,2147483647]", TensorData::Int32(vec![i32::MIN, i32::MAX])),
        ("INT64", "[-1,9223372036854775807]", TensorData::Int64(vec![-1, i64::MAX])),
        ("FP32", "[0.1,1e-45]", TensorData::Fp32(vec![0.1, 1e-45])),
        ("FP64", "[0.1,5e-324]", TensorData::Fp64(vec![0.1, 5e-324])),
        ("BYTES", "[\"a\",\"\"]", TensorData::Bytes(vec!["a".to_owned(), String::new()])),
    ];
    for (name, data, want) in cases {
        let signature = signature(vec![spec("x", want.data_type(), &[None])]);
        let body = with_x(&format!("\"shape\":[2],\"datatype\":\"{name}\",\"data\":{data}"));
        assert_eq!(read_infer(body.as_bytes(), &signature).unwrap().inputs, [tensor(&[2], want)], "{name}");
    }
}

#[test]
fn tensors_that_do_not_fit_are_refused() {
    let types = "'BOOL', 'UINT8', 'INT8', 'INT16', 'INT32', 'INT64', 'FP32', 'FP64', 'BYTES'";
    let cases = [
        (r#""shape":[1,3],"datatype":"FP64","data":[1,2,3]"#, "wrong_type", "'x' takes FP32, the request has FP64"),
        (r#""shape":[1,3],"datatype":"INT64","data":[1,2,3]"#, "wrong_type", "'x' takes FP32, the request has INT64"),
        (r#""shape":[1,3],"datatype":"float","data":[1,2,3]"#, "wrong_type", &format!("there is no data type 'float'; there are {types}")),
        (
            r#""shape":[1,3],"datatype":"FP16","data":[1,2,3]"#,
            "unsupported",
            &format!("the data type FP16 is not offered; there are {types}"),
        ),
        (r#""shape":[1,3],"datatype":"FP32","data":[1,2]"#, "wrong_shape", "'x' has the shape [1, 3], but its data is [2]"),
        (
            r#""shape":[2,3],"datatype":"FP32","data":[[1,2],[3,4],[5,6]]"#,
            "wrong_shape",
            "'x' has the shape [2, 3], but its data is [3, 2]",
        ),
        (r#""shape":[3],"datatype":"FP32","data":[1,2,3]"#, "wrong_shape", "input 'x' takes the shape [any, 3], the request has [3]"),
        (
            r#""shape":[1,4],"datatype":"FP32","data":[1,2,3,4]"#,
            "wrong_shape",
            "input 'x' takes the shape [any, 3], the request has [1, 4]",
        ),
        (r#""shape":[0,3],"datatype":"FP32","data":[]"#, "empty_batch", "input 'x' has no rows"),
        (r#""shape":[-1,3],"datatype":"FP32","data":[1]"#, "wrong_shape", "'shape': an axis is not a whole number from 0"),
        (r#""shape":[1.5,3],"datatype":"FP32","data":[1]"#, "wrong_shape", "'shape': an axis is not a whole number from 0"),
        (
            r#""shape":[9223372036854775807,9223372036854775807],"datatype":"FP32","data":[1]"#,
            "wrong_shape",
            "'x' has the shape [9223372036854775807, 9223372036854775807], but its data is [1]",
        ),
        (r#""shape":[1,3],"datatype":"FP32","data":[1,null,3]"#, "wrong_type", "'data': expected a number, found null at byte 65"),
        (r#""shape":[1,3],"datatype":"FP32","data":[1,[2],3]"#, "wrong_shape", "'data': a list where a value stood before"),
        (r#""shape":[1,3],"datatype":"FP32","data":7"#, "wrong_type", "'data': expected a list, found a number at byte 62"),
        (r#""shape":[1,3],"datatype":"FP32""#, "invalid_request", "'data' is missing"),
        (r#""shape":[1,3],"data":[1,2,3]"#, "invalid_request", "'datatype' is missing"),
        (r#""datatype":"FP32","data":[1,2,3]"#, "invalid_request", "'shape' is missing"),
        (r#""shape":[1,3],"datatype":"FP32","data":[1,2,3],"size":3"#, "unknown_field", "unknown key 'size' in an input"),
        (
            r#""shape":[1,3],"datatype":"FP32","parameters":{"binary_data_size":12}"#,
            "unsupported",
            "binary tensor data is not offered: send 'data' as JSON",
        ),
    ];
    for (rest, code, message) in cases {
        let place = "input 0: ";
        refused(&with_x(rest), &table(), code, &format!("{place}{message}"));
    }
}

#[test]
fn broken_envelopes_are_refused() {
    let good = r#"{"name":"x","shape":[1,3],"datatype":"FP32","data":[1,2,3]}"#;
    let cases = [
        ("{}".to_owned(), "invalid_request", "the request has no 'inputs'"),
        ("[]".to_owned(), "wrong_type", "expected an object, found a list at byte 0"),
        (r#"{"inputs":null}"#.to_owned(), "wrong_type", "expected a list, found null at byte 10"),
        (r#"{"inputs":[]}"#.to_owned(), "missing_input", "input 'x' is missing"),
        (r#"{"inputs":[{}]}"#.to_owned(), "invalid_request", "input 0: 'name' is missing"),
        (r#"{"inputs":[{"name":"y"}]}"#.to_owned(), "unknown_input", "input 0: the model has no input 'y'; it takes 'x'"),
        (r#"{"inputs":[{"name":"x","name":"x"}]}"#.to_owned(), "invalid_json", "duplicate key 'name' at byte 30"),
        (format!("{{\"inputs\":[{good},{good}]}}"), "duplicate_input", "input 'x' is there twice"),
        (format!("{{\"inputs\":[{good}],\"output\":[]}}"), "unknown_field", "unknown key 'output' in the request"),
        (format!("{{\"inputs\":[{good}],\"id\":7}}"), "wrong_type", "'id': expected a string, found a number at byte 77"),
        (
            format!("{{\"inputs\":[{good}],\"outputs\":[{{\"name\":\"y\"}}]}}"),
            "unknown_output",
            "output 0: the model has no output 'y'; it has 'score', 'label'",
        ),
        (format!("{{\"inputs\":[{good}],\"outputs\":[{{}}]}}"), "invalid_request", "output 0: 'name' is missing"),
        (
            format!("{{\"inputs\":[{good}],\"outputs\":[{{\"name\":\"score\"}},{{\"name\":\"score\"}}]}}"),
            "duplicate_output",
            "output 'score' is there twice",
        ),
        (
            format!("{{\"inputs\":[{good}],\"outputs\":[{{\"name\":\"score\",\"parameters\":{{\"classification\":3}}}}]}}"),
            "unsupported",
            "output 0: the parameter 'classification' is not offered",
        ),
        (format!("{{\"inputs\":[{good}]}}\0"), "invalid_json", "the document ends before this, found more at byte 72"),
    ];
    for (body, code, message) in cases {
        refused(&body, &table(), code, message);
    }
}

#[test]
fn inputs_have_equally_many_rows() {
    let body = r#"{"inputs":[{"name":"age","shape":[2,1],"datatype":"FP32","data":[1,2]},
        {"name":"plan","shape":[2,1],"datatype":"BYTES","data":["a","b"]},
        {"name":"visits","shape":[1,1],"datatype":"INT64","data":[1]}]}"#;
    refused(body, &mixed(), "batch_mismatch", "input 'age' has 2 rows, but 'visits' has 1");
}

#[test]
fn answers_are_flat_with_shape_and_type() {
    let scores = tensor(&[2, 1], TensorData::Fp32(vec![0.9, f32::NAN]));
    let labels = tensor(&[2], TensorData::Bytes(vec!["yes".to_owned(), "\"".to_owned()]));
    let total = tensor(&[], TensorData::Int64(vec![7]));
    assert_eq!(
        String::from_utf8(write_infer("churn", "2", Some("a\"b"), &[("score", &scores), ("label", &labels)])).unwrap(),
        concat!(
            r#"{"model_name":"churn","model_version":"2","id":"a\"b","outputs":["#,
            r#"{"name":"score","datatype":"FP32","shape":[2,1],"data":[0.9,NaN]},"#,
            r#"{"name":"label","datatype":"BYTES","shape":[2],"data":["yes","\""]}]}"#
        )
    );
    assert_eq!(
        String::from_utf8(write_infer("m", "1", None, &[("total", &total)])).unwrap(),
        r#"{"model_name":"m","model_version":"1","outputs":[{"name":"total","datatype":"INT64","shape":[],"data":[7]}]}"#
    );
}

#[test]
fn metadata_and_health_are_exact() {
    let signature = signature(vec![spec("u", DataType::Uint8, &[None, Some(3)])]);
    assert_eq!(
        String::from_utf8(write_model_metadata("churn", &["1", "2"], "onnx", &signature)).unwrap(),
        concat!(
            r#"{"name":"churn","versions":["1","2"],"platform":"onnx","#,
            r#""inputs":[{"name":"u","datatype":"UINT8","shape":[-1,3]}],"#,
            r#""outputs":[{"name":"score","datatype":"FP32","shape":[-1,1]},{"name":"label","datatype":"BYTES","shape":[-1]}]}"#
        )
    );
    assert_eq!(write_server_metadata("slipway", "0.1.0", &[]), br#"{"name":"slipway","version":"0.1.0","extensions":[]}"#);
    assert_eq!(write_live(true), br#"{"live":true}"#);
    assert_eq!(write_ready(false), br#"{"ready":false}"#);
    assert_eq!(write_model_ready("churn", true), br#"{"name":"churn","ready":true}"#);
}

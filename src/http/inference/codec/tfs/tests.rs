//! Requests as people send them, what is refused and how it is said, and the exact text of answers.

use super::*;
use crate::http::inference::codec::CodecError;
use crate::http::inference::codec::tests::{mixed, same, signature, spec, table, tensor};
use crate::infer::signature::Signature;
use crate::infer::tensor::{DataType, Tensor, TensorData};

fn read(body: &str, signature: &Signature) -> Result<Vec<Tensor>, CodecError> {
    read_predict(body.as_bytes(), signature).map(|request| request.inputs)
}

#[track_caller]
fn refused(body: &str, signature: &Signature, code: &str, message: &str) {
    let error = read(body, signature).unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (code, message), "{body}");
}

fn singles(shape: &[usize], values: &[f32]) -> Vec<Tensor> {
    vec![tensor(shape, TensorData::Fp32(values.to_vec()))]
}

#[test]
fn every_form_of_a_table_gives_the_same_tensor() {
    let want = singles(&[2, 3], &[1.0, -0.0, 0.25, 4.0, 5.0, 6.0]);
    for body in [
        r#"{"instances":[[1,-0.0,0.25],[4,5,6]]}"#,
        r#"{"signature_name":"serving_default","instances":[[1,-0.0,0.25],[4,5,6]]}"#,
        r#" { "instances" : [ [ 1e0 , -0.0, 25e-2 ] , [4,5,6] ] , "signature_name" : "" } "#,
        r#"{"instances":[{"x":[1,-0.0,0.25]},{"x":[4,5,6]}]}"#,
        r#"{"instances":[{"a":1,"b":-0.0,"c":0.25},{"c":6,"a":4,"b":5}]}"#,
        r#"{"inputs":[[1,-0.0,0.25],[4,5,6]]}"#,
        r#"{"inputs":{"x":[[1,-0.0,0.25],[4,5,6]]}}"#,
        r#"{"inputs":{"c":[0.25,6],"a":[1,4],"b":[-0.0,5]}}"#,
    ] {
        assert!(same(&read(body, &table()).unwrap(), &want), "{body}");
    }
}

#[test]
fn features_left_out_or_null_are_missing() {
    let want = singles(&[3, 3], &[f32::NAN, 2.0, f32::NAN, f32::NAN, f32::NAN, 3.0, f32::NAN, f32::NAN, f32::NAN]);
    let body = r#"{"instances":[{"a":null,"b":2},{"c":3,"b":NaN},{}]}"#;
    assert!(same(&read(body, &table()).unwrap(), &want));
    let body = r#"{"inputs":{"b":[2,null,NaN],"c":[null,3,null]}}"#;
    assert!(same(&read(body, &table()).unwrap(), &want));
}

#[test]
fn a_feature_may_have_the_name_of_the_input() {
    let mut signature = table();
    signature.inputs[0].columns[1] = "x".to_owned();
    let want = singles(&[1, 3], &[f32::NAN, 7.0, f32::NAN]);
    assert!(same(&read(r#"{"instances":[{"x":7}]}"#, &signature).unwrap(), &want));
    assert!(same(&read(r#"{"inputs":{"x":[7]}}"#, &signature).unwrap(), &want));
    let want = singles(&[1, 3], &[1.0, 7.0, 3.0]);
    assert!(same(&read(r#"{"instances":[{"x":[1,7,3]}]}"#, &signature).unwrap(), &want));
    assert!(same(&read(r#"{"inputs":{"x":[[1,7,3]]}}"#, &signature).unwrap(), &want));
}

#[test]
fn tables_of_integers_have_no_missing_features() {
    let mut signature = table();
    signature.inputs[0].data_type = DataType::Int64;
    let want = vec![tensor(&[1, 3], TensorData::Int64(vec![1, 2, 3]))];
    assert_eq!(read(r#"{"instances":[{"a":1,"c":3,"b":2}]}"#, &signature), Ok(want.clone()));
    assert_eq!(read(r#"{"inputs":{"a":[1],"c":[3],"b":[2]}}"#, &signature), Ok(want));
    let message = "feature 'b' is missing, and its type has no missing value";
    refused(r#"{"instances":[{"a":1,"c":3}]}"#, &signature, "missing_feature", &format!("row 0: {message}"));
    refused(r#"{"inputs":{"a":[1],"c":[3]}}"#, &signature, "missing_feature", message);
    let message = "row 0: feature 'a': expected a number, found null at byte 20";
    refused(r#"{"instances":[{"a": null}]}"#, &signature, "wrong_type", message);
}

#[test]
fn one_input_per_column_takes_values_and_lists_of_one() {
    let want = vec![
        tensor(&[2, 1], TensorData::Fp32(vec![41.5, f32::NAN])),
        tensor(&[2, 1], TensorData::Bytes(vec!["pro".to_owned(), String::new()])),
        tensor(&[2, 1], TensorData::Int64(vec![3, -1])),
    ];
    for body in [
        r#"{"instances":[{"age":41.5,"plan":"pro","visits":3},{"plan":null,"visits":-1,"age":null}]}"#,
        r#"{"instances":[{"age":[41.5],"plan":["pro"],"visits":[3]},{"plan":[null],"visits":[-1],"age":[NaN]}]}"#,
        r#"{"instances":[{"age":41.5,"plan":{"b64":"cHJv"},"visits":3},{"age":NaN,"plan":"","visits":-1}]}"#,
        r#"{"inputs":{"age":[41.5,null],"plan":["pro",null],"visits":[3,-1]}}"#,
        r#"{"inputs":{"visits":[[3],[-1]],"age":[[41.5],[NaN]],"plan":[["pro"],[""]]}}"#,
    ] {
        assert!(same(&read(body, &mixed()).unwrap(), &want), "{body}");
    }
}

#[test]
fn texts_come_plain_or_in_base64() {
    let texts = signature(vec![spec("t", DataType::Bytes, &[None])]);
    let want = vec![tensor(&[2], TensorData::Bytes(vec!["é".to_owned(), "b".to_owned()]))];
    for body in [
        r#"{"instances":["\u00e9",{"b64":"Yg=="}]}"#,
        r#"{"instances":[{"b64":"w6k="},{"b64":"Yg"}]}"#,
        r#"{"instances":[{"t":{"b64":"w6k="}},{"t":"b"}]}"#,
        r#"{"inputs":[{"b64":"w6k="},"b"]}"#,
        r#"{"inputs":{"t":["é","b"]}}"#,
    ] {
        assert_eq!(read(body, &texts), Ok(want.clone()), "{body}");
    }
    refused(r#"{"instances":[{"b64":"/w=="}]}"#, &texts, "wrong_type", "row 0: b64 does not hold UTF-8 text");
    let error = read(r#"{"instances":["a",{"b64":"Y!"}]}"#, &texts).unwrap_err();
    assert_eq!(error.code, "wrong_type");
    assert!(error.message.starts_with("row 1: b64 does not decode: "), "{}", error.message);
    let message = "input 't' takes the shape [any], the request has []";
    refused(r#"{"inputs":{"b64":"Yg=="}}"#, &texts, "wrong_shape", message);
}

#[test]
fn a_scalar_input_stands_alone_in_column_form() {
    let scalar = signature(vec![spec("s", DataType::Bool, &[])]);
    assert_eq!(read(r#"{"inputs":true}"#, &scalar), Ok(vec![tensor(&[], TensorData::Bool(vec![true]))]));
    assert_eq!(read(r#"{"inputs":{"s":false}}"#, &scalar), Ok(vec![tensor(&[], TensorData::Bool(vec![false]))]));
    refused(r#"{"instances":[true]}"#, &scalar, "wrong_shape", "input 's' takes the shape [], the request has [1]");
}

#[test]
fn broken_envelopes_are_refused() {
    let cases = [
        ("{}", "invalid_request", "the request has neither 'instances' nor 'inputs'"),
        ("[[1,2,3]]", "invalid_request", "the request must be an object with 'instances' or 'inputs', not a list"),
        ("7", "wrong_type", "expected an object, found a number at byte 0"),
        ("", "invalid_json", "expected an object, found the end at byte 0"),
        (
            r#"{"instances":[[1,2,3]],"inputs":[[1,2,3]]}"#,
            "invalid_request",
            "the request has both 'instances' and 'inputs', it must have one",
        ),
        (r#"{"instances":[[1,2,3]],"instances":[]}"#, "invalid_json", "duplicate key 'instances' at byte 35"),
        (r#"{"signature_name":"","signature_name":""}"#, "invalid_json", "duplicate key 'signature_name' at byte 38"),
        (r#"{"instances":[[1,2,3]],"x":1}"#, "unknown_field", "unknown key 'x' in the request"),
        (r#"{"instances":[[1,2,3]]} x"#, "invalid_json", "the document ends before this, found more at byte 24"),
        (r#"{"instances":[[1,2,3]]"#, "invalid_json", "expected ',' or '}', found the end at byte 22"),
        (r#"{"instances":{"a":1}}"#, "wrong_type", "'instances': expected a list of rows, found an object at byte 13"),
        (r#"{"instances":[]}"#, "empty_batch", "'instances' has no rows"),
        (r#"{"inputs":[]}"#, "empty_batch", "input 'x' has no rows"),
        (r#"{"inputs":{"a":[]}}"#, "empty_batch", "input 'x' has no rows"),
        (r#"{"inputs":{}}"#, "invalid_request", "'inputs' names no feature"),
        (r#"{"signature_name":"s"}"#, "unknown_signature", "the model has no signature 's', only 'serving_default'"),
        (r#"{"signature_name":1}"#, "wrong_type", "'signature_name': expected a string, found a number at byte 18"),
    ];
    for (body, code, message) in cases {
        refused(body, &table(), code, message);
    }
}

#[test]
fn rows_that_do_not_fit_are_named() {
    let cases = [
        (r#"{"instances":[[1,2,3],[1,2]]}"#, "wrong_shape", "row 1: a list of 2 where the first has 3"),
        (r#"{"instances":[[1,2,3],4]}"#, "wrong_shape", "row 1: a value where a list stood before"),
        (r#"{"instances":[1,[1,2,3]]}"#, "wrong_shape", "row 1: a list where a value stood before"),
        (r#"{"instances":[[1,[2],3]]}"#, "wrong_shape", "row 0: a list where a value stood before"),
        (r#"{"inputs":[[1,2,3],[1,2,3,4]]}"#, "wrong_shape", "row 1: a list of 4 where the first has 3"),
        (r#"{"instances":[1,2,3]}"#, "wrong_shape", "input 'x' takes the shape [any, 3], the request has [3]"),
        (r#"{"instances":[[1,2]]}"#, "wrong_shape", "input 'x' takes the shape [any, 3], the request has [1, 2]"),
        (r#"{"instances":[[[1,2,3]]]}"#, "wrong_shape", "input 'x' takes the shape [any, 3], the request has [1, 1, 3]"),
        (r#"{"instances":[[1,2,3],[1,"2",3]]}"#, "wrong_type", "row 1: expected a number, found a string at byte 25"),
        (r#"{"instances":[[1,null,3]]}"#, "wrong_type", "row 0: expected a number, found null at byte 17"),
        (r#"{"instances":[[1,1e39,3]]}"#, "out_of_range", "row 0: 1e39 does not fit FP32"),
        (r#"{"instances":[[1,2,3],{"a":1}]}"#, "wrong_shape", "row 1: an object where a list stood before"),
        (r#"{"instances":[{"a":1},[1,2,3]]}"#, "wrong_type", "row 1: expected an object, found a list at byte 22"),
        (r#"{"instances":[{"a":1},{"d":1}]}"#, "unknown_feature", "row 1: the model has no feature 'd'; it has 'a', 'b', 'c'"),
        (r#"{"instances":[{"a":1,"a":1}]}"#, "invalid_json", "duplicate key 'a' at byte 25"),
        (r#"{"instances":[{"a":[1]}]}"#, "wrong_type", "row 0: feature 'a': expected a number, found a list at byte 19"),
        (r#"{"inputs":{"a":[1,2],"b":[1]}}"#, "batch_mismatch", "feature 'b' has 1 rows where the first has 2"),
        (r#"{"inputs":{"a":[1,"2"]}}"#, "wrong_type", "feature 'a': row 1: expected a number, found a string at byte 18"),
        (r#"{"inputs":{"x":[[1,2,3],[1]]}}"#, "wrong_shape", "input 'x': row 1: a list of 1 where the first has 3"),
    ];
    for (body, code, message) in cases {
        let signature = if body.contains("\"x\"") { signature(vec![spec("x", DataType::Fp32, &[None, Some(3)])]) } else { table() };
        refused(body, &signature, code, message);
    }
}

#[test]
fn named_inputs_that_do_not_fit_are_named() {
    let cases = [
        (r#"{"instances":[[1,"a",2]]}"#, "invalid_request", "the model has 3 inputs: name them, with an object per row"),
        (r#"{"inputs":[[1,"a",2]]}"#, "invalid_request", "the model has 3 inputs: name them, with an object of tensors"),
        (r#"{"instances":[{"age":1,"plan":"a"}]}"#, "missing_input", "row 0: input 'visits' is missing"),
        (r#"{"inputs":{"age":[1],"plan":["a"]}}"#, "missing_input", "input 'visits' is missing"),
        (r#"{"instances":[{"size":1}]}"#, "unknown_input", "row 0: the model has no input 'size'; it takes 'age', 'plan', 'visits'"),
        (r#"{"inputs":{"size":1}}"#, "unknown_input", "the model has no input 'size'; it takes 'age', 'plan', 'visits'"),
        (r#"{"inputs":{"age":[1],"age":[1]}}"#, "invalid_json", "duplicate key 'age' at byte 27"),
        (
            r#"{"instances":[{"age":1,"plan":"a","visits":1.0}]}"#,
            "wrong_type",
            "row 0: input 'visits': 1.0 is not an integer, and INT64 takes nothing else",
        ),
        (
            r#"{"instances":[{"age":1,"plan":"a","visits":9223372036854775808}]}"#,
            "out_of_range",
            "row 0: input 'visits': 9223372036854775808 does not fit INT64",
        ),
        (
            r#"{"instances":[{"age":1,"plan":"a","visits":null}]}"#,
            "wrong_type",
            "row 0: input 'visits': expected a number, found null at byte 43",
        ),
        (r#"{"inputs":{"age":[1,2],"plan":["a","b"],"visits":[1]}}"#, "batch_mismatch", "input 'age' has 2 rows, but 'visits' has 1"),
        (
            r#"{"inputs":{"age":[[1,2]],"plan":["a"],"visits":[1]}}"#,
            "wrong_shape",
            "input 'age' takes the shape [any, 1], the request has [1, 2]",
        ),
    ];
    for (body, code, message) in cases {
        refused(body, &mixed(), code, message);
    }
}

#[test]
fn integers_keep_their_range() {
    let bytes = signature(vec![spec("u", DataType::Uint8, &[None])]);
    assert_eq!(read(r#"{"instances":[0,255,-0]}"#, &bytes), Ok(vec![tensor(&[3], TensorData::Uint8(vec![0, 255, 0]))]));
    refused(r#"{"instances":[0,256]}"#, &bytes, "out_of_range", "row 1: 256 does not fit UINT8");
    refused(r#"{"instances":[-1]}"#, &bytes, "out_of_range", "row 0: -1 does not fit UINT8");
    refused(r#"{"instances":[NaN]}"#, &bytes, "wrong_type", "row 0: NaN or Infinity is not an integer, and UINT8 takes nothing else");
}

#[test]
fn few_bytes_cannot_ask_for_much_memory() {
    let mut wide = table();
    wide.inputs[0].columns = (0..10_000).map(|index| format!("f{index}")).collect();
    wide.inputs[0].shape[1] = None;
    let body = format!("{{\"instances\":[{}{{}}]}}", "{},".repeat(500));
    let error = read(&body, &wide).unwrap_err();
    assert_eq!((error.code, &error.message[..7]), ("too_large", "row 419"));
    let body = format!("{{\"inputs\":{{\"f0\":[{}1]}}}}", "1,".repeat(500));
    assert_eq!(read(&body, &wide).unwrap_err().code, "too_large");
}

fn written(form: Form, outputs: &[(&str, &Tensor)]) -> String {
    String::from_utf8(write_predict(form, outputs).unwrap()).unwrap()
}

#[test]
fn answers_have_the_form_of_the_question() {
    let scores = tensor(&[2, 1], TensorData::Fp32(vec![0.9, 0.1]));
    let labels = tensor(&[2], TensorData::Bytes(vec!["yes".to_owned(), "no".to_owned()]));
    assert_eq!(written(Form::Row, &[("score", &scores)]), r#"{"predictions":[[0.9],[0.1]]}"#);
    assert_eq!(written(Form::Column, &[("score", &scores)]), r#"{"outputs":[[0.9],[0.1]]}"#);
    assert_eq!(written(Form::Row, &[("label", &labels)]), r#"{"predictions":["yes","no"]}"#);
    assert_eq!(
        written(Form::Row, &[("score", &scores), ("label", &labels)]),
        r#"{"predictions":[{"score":[0.9],"label":"yes"},{"score":[0.1],"label":"no"}]}"#
    );
    assert_eq!(
        written(Form::Column, &[("score", &scores), ("label_bytes", &labels)]),
        r#"{"outputs":{"score":[[0.9],[0.1]],"label_bytes":[{"b64":"eWVz"},{"b64":"bm8="}]}}"#
    );
    let cube = tensor(&[2, 1, 2], TensorData::Int32(vec![1, 2, 3, 4]));
    assert_eq!(written(Form::Row, &[("cube", &cube)]), r#"{"predictions":[[[1,2]],[[3,4]]]}"#);
}

#[test]
fn outputs_without_rows_need_the_column_form() {
    let scores = tensor(&[2, 1], TensorData::Fp32(vec![0.9, 0.1]));
    let total = tensor(&[], TensorData::Fp64(vec![1.5]));
    assert_eq!(written(Form::Column, &[("total", &total)]), r#"{"outputs":1.5}"#);
    let error = write_predict(Form::Row, &[("score", &scores), ("total", &total)]).unwrap_err();
    assert_eq!(error.code, "not_rows");
    assert_eq!(error.message, "output 'total' has not one entry per row: ask with 'inputs' instead of 'instances'");
}

#[test]
fn status_is_written_as_tensorflow_serving_has_it() {
    let fine = VersionStatus { version: 2, state: VersionState::Available, error_code: "OK", error_message: "" };
    assert_eq!(
        String::from_utf8(write_status(&[fine])).unwrap(),
        r#"{"model_version_status":[{"version":"2","state":"AVAILABLE","status":{"error_code":"OK","error_message":""}}]}"#
    );
    let lost = VersionStatus { version: 1, state: VersionState::End, error_code: "DATA_LOSS", error_message: "digest \"differs\"" };
    assert_eq!(
        String::from_utf8(write_status(&[fine, lost])).unwrap(),
        r#"{"model_version_status":[{"version":"2","state":"AVAILABLE","status":{"error_code":"OK","error_message":""}},{"version":"1","state":"END","status":{"error_code":"DATA_LOSS","error_message":"digest \"differs\""}}]}"#
    );
}

#[test]
fn metadata_is_written_as_tensorflow_serving_has_it() {
    assert_eq!(
        String::from_utf8(write_metadata("churn", 2, &table())).unwrap(),
        concat!(
            r#"{"model_spec":{"name":"churn","signature_name":"","version":"2"},"#,
            r#""metadata":{"signature_def":{"signature_def":{"serving_default":{"inputs":{"#,
            r#""x":{"dtype":"DT_FLOAT","tensor_shape":{"dim":[{"size":"-1","name":""},{"size":"3","name":""}],"#,
            r#""unknown_rank":false},"name":"x"}},"outputs":{"#,
            r#""score":{"dtype":"DT_FLOAT","tensor_shape":{"dim":[{"size":"-1","name":""},{"size":"1","name":""}],"#,
            r#""unknown_rank":false},"name":"score"},"#,
            r#""label":{"dtype":"DT_STRING","tensor_shape":{"dim":[{"size":"-1","name":""}],"#,
            r#""unknown_rank":false},"name":"label"}},"#,
            r#""method_name":"tensorflow/serving/predict"}}}}}"#
        )
    );
}

//! The engine against the trainer that wrote the models, and against files that nobody should send.

use proptest::prelude::*;

use super::*;
use crate::infer::tensor::TensorData;
use crate::ml::onnx::proto::{AttributeProto, NodeProto, TensorDataType, TensorProto};
use crate::ml::{Activation, Column, Control, Dense, Feature, FitConfig, Fitted, Loss, NamedColumn, Table, Target, Trainer};

fn number(i: usize, k: usize) -> f32 {
    ((i * 37 + k * 101) % 97) as f32 / 10.0 - 4.0
}

fn table(rows: usize, texts: bool) -> Table {
    let numbers = |k: usize| (0..rows).map(|i| if (i + k).is_multiple_of(13) { f32::NAN } else { number(i, k) }).collect();
    let mut columns: Vec<NamedColumn> =
        (0..3).map(|k| NamedColumn { name: format!("x{k}"), column: Column::Numeric(numbers(k)) }).collect();
    if texts {
        let text = |i: usize| [Some("red"), Some("green"), None, Some("blue")][i % 4];
        columns.push(NamedColumn { name: "colour".to_owned(), column: Column::from_texts((0..rows).map(text)) });
    }
    columns.push(NamedColumn { name: "y".to_owned(), column: Column::Numeric((0..rows).map(|i| number(i, 0) * 2.0 + 1.0).collect()) });
    let class = |i: usize| Some(["a", "b", "c"][(number(i, 1).abs() as usize) % 3]);
    columns.push(NamedColumn { name: "class".to_owned(), column: Column::from_texts((0..rows).map(class)) });
    let side = |i: usize| Some(if number(i, 2) > 0.0 { "yes" } else { "no" });
    columns.push(NamedColumn { name: "side".to_owned(), column: Column::from_texts((0..rows).map(side)) });
    Table::new(columns).unwrap()
}

fn fit(table: &Table, texts: bool, loss: Loss) -> Fitted {
    let mut features: Vec<Feature> = (0..3).map(|k| Feature::new(format!("x{k}"))).collect();
    if texts {
        features.push(Feature::new("colour"));
    }
    let (target, output) = match loss {
        Loss::BinaryCrossentropy => (Target::new("side"), Dense::new(1, Activation::Sigmoid)),
        Loss::CategoricalCrossentropy => (Target::new("class"), Dense::new(3, Activation::Softmax)),
        Loss::Mse => (Target { standardise: true, ..Target::new("y") }, Dense::new(1, Activation::Linear)),
    };
    let layers = vec![Dense::new(8, Activation::Relu), Dense::new(5, Activation::Tanh), output];
    let mut trainer = Trainer::new(FitConfig::new(features, target, layers, loss, 3), table, None).unwrap();
    trainer.run(0, &mut |_| Control::Continue).unwrap();
    trainer.finish()
}

/// The feature columns as a request would bring them.
fn request(table: &Table, texts: bool) -> Vec<(String, Tensor)> {
    let rows = table.rows;
    let values = |name: &str| match table.get(name).unwrap() {
        Column::Numeric(values) => TensorData::Fp32(values.clone()),
        Column::Category { codes, levels } => {
            TensorData::Bytes(codes.iter().map(|code| levels.get(*code as usize).cloned().unwrap_or_default()).collect())
        }
    };
    if texts {
        let tensor = |name: &str| (name.to_owned(), Tensor::new(vec![rows, 1], values(name)).unwrap());
        return ["x0", "x1", "x2", "colour"].map(tensor).to_vec();
    }
    let columns: Vec<TensorData> = ["x0", "x1", "x2"].map(values).to_vec();
    let at = |row: usize, data: &TensorData| if let TensorData::Fp32(v) = data { v[row] } else { f32::NAN };
    let matrix = (0..rows).flat_map(|row| columns.iter().map(move |data| at(row, data))).collect();
    vec![("input".to_owned(), Tensor::new(vec![rows, 3], TensorData::Fp32(matrix)).unwrap())]
}

fn load(bytes: &[u8]) -> Result<Arc<dyn Model>, EngineError> {
    NativeEngine.load(bytes, &LoadOptions::default())
}

#[test]
fn models_of_the_trainer_answer_as_the_trainer_does() {
    for texts in [false, true] {
        for loss in [Loss::BinaryCrossentropy, Loss::CategoricalCrossentropy, Loss::Mse] {
            let table = table(120, texts);
            let fitted = fit(&table, texts, loss);
            let model = load(&fitted.export()).unwrap();
            let inputs = request(&table, texts);
            let inputs: Vec<(&str, &Tensor)> = inputs.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
            let outputs = model.run(&inputs, &[]).unwrap();
            let expected = fitted.predict(&table).unwrap();
            assert_eq!(outputs[0].shape, expected.shape());
            let TensorData::Fp32(found) = &outputs[0].data else { panic!("scores are single precision") };
            for (a, b) in found.iter().zip(&expected) {
                assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "{a} is not {b} ({loss:?}, texts: {texts})");
            }
            assert_eq!(model.signature().class_labels, fitted.class_labels());
        }
    }
}

#[test]
fn what_does_not_fit_the_signature_is_the_callers_fault() {
    let table = table(40, false);
    let model = load(&fit(&table, false, Loss::Mse).export()).unwrap();
    let tensor = |shape: &[usize]| Tensor::new(shape.to_vec(), TensorData::Fp32(vec![0.0; shape.iter().product()])).unwrap();
    let good = tensor(&[2, 3]);
    let text = Tensor::new(vec![2, 3], TensorData::Bytes(vec![String::new(); 6])).unwrap();
    let code = |inputs: &[(&str, &Tensor)], outputs: &[&str]| model.run(inputs, outputs).unwrap_err().code;
    assert_eq!(code(&[], &[]), ErrorCode::MissingInput);
    assert_eq!(code(&[("nothing", &good)], &[]), ErrorCode::UnknownInput);
    assert_eq!(code(&[("input", &good), ("input", &good)], &[]), ErrorCode::DuplicateInput);
    assert_eq!(code(&[("input", &tensor(&[2, 4]))], &[]), ErrorCode::WrongShape);
    assert_eq!(code(&[("input", &text)], &[]), ErrorCode::WrongType);
    assert_eq!(code(&[("input", &good)], &["nothing"]), ErrorCode::UnknownOutput);
    assert_eq!(model.run(&[("input", &good)], &["output"]).unwrap()[0].shape, [2, 1]);
}

#[test]
fn a_request_that_needs_too_much_memory_is_refused() {
    let table = table(40, false);
    let bytes = fit(&table, false, Loss::Mse).export();
    let mut options = LoadOptions::default();
    options.limits.max_live_bytes = 4096;
    let model = NativeEngine.load(&bytes, &options).unwrap();
    let many = Tensor::new(vec![1000, 3], TensorData::Fp32(vec![0.0; 3000])).unwrap();
    assert_eq!(model.run(&[("input", &many)], &[]).unwrap_err().code, ErrorCode::RequestTooLarge);
}

#[test]
fn unknown_operators_are_named() {
    let mut proto = ModelProto::decode(fit(&table(40, false), false, Loss::Mse).export().as_slice()).unwrap();
    for (node, name) in proto.graph.as_mut().unwrap().node.iter_mut().zip(["Conv", "LSTM"]) {
        node.op_type = name.to_owned();
    }
    let Err(error) = load(&proto.encode_to_vec()) else { panic!("nobody knows Conv here") };
    assert_eq!((error.code, error.message.as_str()), (ErrorCode::UnsupportedOps, "Conv, LSTM"));
}

thread_local! {
    static FILES: [Vec<u8>; 2] = [false, true].map(|texts| fit(&table(30, texts), texts, Loss::CategoricalCrossentropy).export());
}

const OPERATORS: [&str; 30] = [
    "Add",
    "Div",
    "Pow",
    "Min",
    "Equal",
    "Less",
    "Not",
    "And",
    "Where",
    "Cast",
    "Identity",
    "MatMul",
    "Gemm",
    "Concat",
    "Flatten",
    "Reshape",
    "Squeeze",
    "Unsqueeze",
    "Shape",
    "Transpose",
    "Gather",
    "Softmax",
    "ArgMax",
    "ReduceSum",
    "Normalizer",
    "Scaler",
    "OneHotEncoder",
    "LabelEncoder",
    "LinearRegressor",
    "Constant",
];

fn hostile_number() -> impl Strategy<Value = i64> {
    prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(1 << 40), Just(1 << 16), -3..10i64]
}

#[test]
fn a_graph_whose_constants_grow_without_end_is_refused() {
    let float = |name: &str, dims: &[i64]| TensorProto {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: TensorDataType::Float as i32,
        float_data: vec![1.0; dims.iter().product::<i64>() as usize],
        ..TensorProto::default()
    };
    let mut proto = ModelProto::decode(fit(&table(40, false), false, Loss::Mse).export().as_slice()).unwrap();
    let graph = proto.graph.as_mut().unwrap();
    graph.initializer.extend([float("row", &[1, 256]), float("column", &[256, 1])]);
    // 256 KiB each, from 2 KiB of constants
    let outer = |at: usize| NodeProto {
        input: vec!["row".to_owned(), "column".to_owned()],
        output: vec![format!("outer {at}")],
        op_type: "Add".to_owned(),
        ..NodeProto::default()
    };
    graph.node.extend((0..100).map(outer));
    let mut options = LoadOptions::default();
    assert!(NativeEngine.load(&proto.encode_to_vec(), &options).is_ok());
    options.limits.max_live_bytes = 8 << 20;
    let Err(error) = NativeEngine.load(&proto.encode_to_vec(), &options) else { panic!("25 MiB are more than 8") };
    assert_eq!(error.code, ErrorCode::ModelTooLarge);
}

#[test]
fn a_file_of_empty_nodes_is_refused_before_it_is_decoded() {
    // a graph of 1,000,000 nodes in 2 MB
    let nodes = [0x0a, 0x00].repeat(1_000_000);
    let mut bytes = vec![0x3a, 0x80, 0x89, 0x7a];
    bytes.extend(nodes);
    let mut options = LoadOptions::default();
    options.limits.max_nodes = 10_000;
    let Err(error) = NativeEngine.load(&bytes, &options) else { panic!("a million nodes are too many") };
    assert_eq!((error.code, error.message.as_str()), (ErrorCode::ModelTooLarge, "the file has 1000001 parts"));
}

#[test]
fn a_shape_that_no_number_can_hold_is_no_tensor() {
    let empty = || TensorData::Fp32(Vec::new());
    assert!(Tensor::new(vec![0, 3], empty()).is_some());
    assert_eq!(Tensor::new(vec![0, 1 << 40, 1 << 40], empty()), None);
    assert_eq!(Tensor::new(vec![1 << 40, 1 << 40, 0], empty()), None);
    assert_eq!(Tensor::new(vec![1; 65], TensorData::Fp32(vec![0.0])), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// A well-formed file may still say anything: axes, sizes, attributes, types, operators and names of somebody's choosing are
    /// refused or run in bounded memory.
    #[test]
    fn hostile_graphs_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..8u8, hostile_number(), any::<prop::sample::Index>()), 1..6),
        texts: bool,
    ) {
        let mut proto = FILES.with(|files| ModelProto::decode(files[usize::from(texts)].as_slice()).unwrap());
        let graph = proto.graph.as_mut().unwrap();
        for (place, what, number, other) in changes {
            let nodes = graph.node.len();
            let node = &mut graph.node[place.index(nodes)];
            match what {
                0 => node.op_type = OPERATORS[other.index(OPERATORS.len())].to_owned(),
                1 => node.domain = ["", "ai.onnx.ml", "other"][other.index(3)].to_owned(),
                2 => {
                    let name = ["axis", "axes", "keepdims", "transA", "transB", "to", "targets", "perm", "zeros"][other.index(9)];
                    node.attribute.push(AttributeProto { name: name.to_owned(), i: Some(number), ints: vec![number, 0], ..AttributeProto::default() });
                }
                3 if node.input.len() > 1 => node.input.swap(0, 1),
                3 => node.input.extend(node.input.first().cloned()),
                4 => node.input.truncate(other.index(2)),
                5 => {
                    let name = node.input.last().cloned().unwrap_or_default();
                    let shape = vec![0, number, 1 << 40];
                    graph.initializer.retain(|tensor| tensor.name != name);
                    graph.initializer.push(TensorProto { name, dims: shape, data_type: TensorDataType::Float as i32, ..TensorProto::default() });
                }
                6 => {
                    let name = node.input.last().cloned().unwrap_or_default();
                    let values = vec![number, -1, 3];
                    graph.initializer.retain(|tensor| tensor.name != name);
                    graph.initializer.push(TensorProto {
                        name, dims: vec![3], data_type: TensorDataType::Int64 as i32, int64_data: values, ..TensorProto::default()
                    });
                }
                _ => {
                    let constants = graph.initializer.len();
                    if constants > 0 {
                        let tensor = &mut graph.initializer[other.index(constants)];
                        match tensor.dims.first_mut() {
                            Some(axis) => *axis = number,
                            None => tensor.dims.push(number),
                        }
                    }
                }
            }
        }
        let mut options = LoadOptions::default();
        options.limits.max_tensor_elements = 1 << 16;
        options.limits.max_live_bytes = 1 << 22;
        if let Ok(model) = NativeEngine.load(&proto.encode_to_vec(), &options) {
            let inputs = request(&table(5, texts), texts);
            let inputs: Vec<(&str, &Tensor)> = inputs.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
            if let Ok(outputs) = model.run(&inputs, &[]) {
                prop_assert!(outputs.iter().all(|tensor| tensor.data.len() <= 1 << 16));
            }
        }
    }

    /// Damaged files are refused or run; they never panic.
    #[test]
    fn damaged_files_never_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), texts: bool, cut: prop::sample::Index) {
        let mut bytes = FILES.with(|files| files[usize::from(texts)].clone());
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if cut.index(4) == 0 {
            bytes.truncate(cut.index(bytes.len()));
        }
        let mut options = LoadOptions::default();
        options.limits.max_tensor_elements = 1 << 16;
        if let Ok(model) = NativeEngine.load(&bytes, &options) {
            let inputs = request(&table(5, texts), texts);
            let inputs: Vec<(&str, &Tensor)> = inputs.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
            let _ = model.run(&inputs, &[]);
        }
    }
}

//! Our models in ONNX Runtime: valid, and the same answers on raw rows as the trainer and our interpreter give.

use serde_json::{Value, json};
use slipway::domain::training::TrainSpec;
use slipway::infer::engine::{Engine as _, LoadOptions};
use slipway::infer::native::NativeEngine;
use slipway::infer::tensor::{Tensor, TensorData};
use slipway::ml::{Activation, Column, Control, Dense, Feature, FitConfig, Impute, Loss, NamedColumn, Optimiser, Table, Target, Trainer};
use slipway::train::{Wish, fit};

use super::{Folder, floats, python};

fn number(row: usize, column: u32) -> f32 {
    let mixed = (row as u32).wrapping_mul(2_654_435_761) ^ (column + 1).wrapping_mul(0x9e37_79b1);
    let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0x2c1b_3c6d);
    ((mixed ^ (mixed >> 12)) >> 8) as f32 / 8_388_608.0 - 1.0
}

/// Columns of several scales, with gaps, under names that a graph might trip over; text with gaps; three kinds of target.
fn table(rows: usize) -> Table {
    let named = |name: &str, column| NamedColumn { name: name.to_owned(), column };
    let gap = |row: usize, every: usize, value: f32| if row % every == 1 { f32::NAN } else { value };
    let score = |row: usize| number(row, 1) - 0.6 * number(row, 2) + if row.is_multiple_of(5) { 0.5 } else { 0.0 };
    let columns = vec![
        named("length (mm)", Column::Numeric((0..rows).map(|row| gap(row, 9, 1500.0 + 400.0 * number(row, 1))).collect())),
        named("missing", Column::Numeric((0..rows).map(|row| gap(row, 4, 1e-4 * number(row, 2))).collect())),
        named("größe/0", Column::Numeric((0..rows).map(|row| (3.0 * number(row, 3)).round()).collect())),
        named("constant", Column::Numeric(vec![7.0; rows])),
        named("colour", Column::from_texts((0..rows).map(|row| [Some("red"), Some("green"), None, Some("blue"), Some("")][row % 5]))),
        named("place \"x\"", Column::from_texts((0..rows).map(|row| ["Zürich", "東京", "a,b"].get(row % 4).copied()))),
        named("side", Column::from_texts((0..rows).map(|row| Some(if score(row) > 0.1 { "yes" } else { "no" })))),
        named("class", Column::from_texts((0..rows).map(|row| Some(["x", "y", "z"][((score(row) + 1.5) as usize).min(2)])))),
        named("flag", Column::Numeric((0..rows).map(|row| f32::from(u8::from(score(row) > 0.0))).collect())),
        named("price", Column::Numeric((0..rows).map(|row| 5000.0 + 900.0 * score(row)).collect())),
        named("small", Column::Numeric((0..rows).map(score).collect())),
    ];
    Table::new(columns).unwrap()
}

/// Rows that were not in the training data: other texts, nothing but gaps, numbers far outside.
fn unusual(usual: &Table) -> Table {
    let column = |named: &NamedColumn| {
        let column = match &named.column {
            Column::Numeric(values) => {
                let more = [f32::NAN, 0.0, -0.0, 1e7, -1e7, f32::MIN_POSITIVE];
                Column::Numeric(values.iter().copied().chain(more).collect())
            }
            Column::Category { codes, levels } => {
                let usual = codes.iter().map(|code| levels.get(*code as usize).map(String::as_str));
                Column::from_texts(usual.chain([None, Some("unheard of"), Some(" red"), Some("red"), Some("yes"), Some("x")]))
            }
        };
        NamedColumn { name: named.name.clone(), column }
    };
    Table::new(usual.columns.iter().map(column).collect()).unwrap()
}

const NUMBERS: [&str; 4] = ["length (mm)", "missing", "größe/0", "constant"];
const ALL: [&str; 6] = ["length (mm)", "colour", "missing", "größe/0", "place \"x\"", "constant"];

fn features(names: &[&str]) -> Vec<Feature> {
    names.iter().map(|name| Feature::new(*name)).collect()
}

fn layers(all: &[(usize, Activation)]) -> Vec<Dense> {
    all.iter().map(|(units, activation)| Dense::new(*units, *activation)).collect()
}

/// Every kind of model that the trainer makes.
fn configs() -> Vec<(&'static str, FitConfig)> {
    use Activation::{Linear, Relu, Sigmoid, Softmax, Tanh};
    use Loss::{BinaryCrossentropy, CategoricalCrossentropy, Mse};
    let (side, class) = (|| Target::new("side"), || Target::new("class"));
    let price = || Target { standardise: true, ..Target::new("price") };
    let new = FitConfig::new;
    let imputed = |name: &str, impute| Feature { impute: Some(impute), ..Feature::new(name) };
    let raw = |name: &str| Feature { standardise: false, ..Feature::new(name) };
    let treated = vec![
        imputed("missing", Impute::Median),
        imputed("length (mm)", Impute::MostFrequent),
        imputed("größe/0", Impute::Number(-2.5)),
        imputed("colour", Impute::Text("none".to_owned())),
        raw("constant"),
    ];
    vec![
        ("reference", new(features(&NUMBERS), side(), layers(&[(64, Relu), (64, Relu), (1, Sigmoid)]), BinaryCrossentropy, 4)),
        ("numbers_as_classes", new(features(&NUMBERS), Target::new("flag"), layers(&[(9, Tanh), (1, Sigmoid)]), BinaryCrossentropy, 3)),
        ("mixed_binary", new(features(&ALL), side(), layers(&[(16, Tanh), (8, Sigmoid), (1, Sigmoid)]), BinaryCrossentropy, 4)),
        ("mixed_classes", new(features(&ALL), class(), layers(&[(16, Relu), (5, Linear), (3, Softmax)]), CategoricalCrossentropy, 4)),
        ("softmax_inside", new(features(&ALL), class(), layers(&[(6, Softmax), (3, Softmax)]), CategoricalCrossentropy, 4)),
        ("texts_alone", new(features(&["colour", "place \"x\""]), class(), layers(&[(7, Tanh), (3, Softmax)]), CategoricalCrossentropy, 4)),
        ("one_text", new(features(&["colour"]), side(), layers(&[(1, Sigmoid)]), BinaryCrossentropy, 3)),
        ("treated", new(treated, side(), layers(&[(12, Relu), (1, Sigmoid)]), BinaryCrossentropy, 4)),
        ("logistic", new(features(&NUMBERS), side(), layers(&[(1, Sigmoid)]), BinaryCrossentropy, 20)),
        ("softmax_regression", new(features(&ALL), class(), layers(&[(3, Softmax)]), CategoricalCrossentropy, 20)),
        ("linear", new(features(&ALL), price(), layers(&[(1, Linear)]), Mse, 20)),
        ("linear_raw", {
            let config = new(vec![raw("größe/0"), raw("missing")], Target::new("small"), layers(&[(1, Linear)]), Mse, 5);
            FitConfig { optimiser: Optimiser::sgd(), ..config }
        }),
        ("regression", new(features(&ALL), price(), layers(&[(32, Relu), (16, Tanh), (1, Linear)]), Mse, 4)),
        ("bounded_regression", new(features(&NUMBERS), Target::new("small"), layers(&[(8, Sigmoid), (1, Tanh)]), Mse, 4)),
    ]
}

/// The columns as a request brings them, for our interpreter and as JSON for Python.
fn inputs(config: &[Feature], table: &Table) -> Vec<(String, Tensor)> {
    let rows = table.rows;
    let values = |name: &str| match table.get(name).unwrap() {
        Column::Numeric(values) => TensorData::Fp32(values.clone()),
        Column::Category { codes, levels } => {
            TensorData::Bytes(codes.iter().map(|code| levels.get(*code as usize).cloned().unwrap_or_default()).collect())
        }
    };
    let all: Vec<TensorData> = config.iter().map(|feature| values(&feature.name)).collect();
    let numbers: Option<Vec<&Vec<f32>>> = all.iter().map(|data| if let TensorData::Fp32(v) = data { Some(v) } else { None }).collect();
    match numbers {
        Some(numbers) => {
            let matrix = (0..rows).flat_map(|row| numbers.iter().map(move |column| column[row])).collect();
            vec![("input".to_owned(), Tensor::new(vec![rows, all.len()], TensorData::Fp32(matrix)).unwrap())]
        }
        None => config.iter().zip(all).map(|(f, data)| (f.name.clone(), Tensor::new(vec![rows, 1], data).unwrap())).collect(),
    }
}

fn to_json(tensor: &Tensor) -> Value {
    let data: Value = match &tensor.data {
        // serde_json writes null for what is not finite; only gaps are
        TensorData::Fp32(values) => values.iter().map(|v| json!(v)).collect(),
        TensorData::Bytes(texts) => json!(texts),
        other => panic!("no input is {:?}", other.data_type()),
    };
    json!({ "shape": tensor.shape, "data": data })
}

fn write(folder: &Folder, name: &str, onnx: &[u8], features: &[Feature], asked: &Table, answers: &ndarray::Array2<f32>) {
    let inputs = inputs(features, asked);
    let model = NativeEngine.load(onnx, &LoadOptions::default()).unwrap();
    let given: Vec<(&str, &Tensor)> = inputs.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    let native = model.run(&given, &[]).unwrap().remove(0);
    assert_eq!(native.shape, answers.shape(), "{name}");
    let case = json!({
        "inputs": inputs.iter().map(|(name, tensor)| (name.clone(), to_json(tensor))).collect::<serde_json::Map<_, _>>(),
        "shape": answers.shape(),
        "trainer": answers.iter().collect::<Vec<_>>(),
        "native": floats(&native),
    });
    folder.write(&format!("{name}.onnx"), onnx);
    folder.write(&format!("{name}.json"), case.to_string());
}

#[test]
fn models_are_valid_and_answer_in_onnx_runtime_as_they_do_here() {
    let folder = Folder::new("onnx");
    let table = table(400);
    let asked = unusual(&table);
    let mut cases = 0;
    for (name, mut config) in configs() {
        config.seed = 7;
        let features = config.features.clone();
        let mut trainer = Trainer::new(config, &table, None).unwrap();
        trainer.run(0, &mut |_| Control::Continue).unwrap();
        let fitted = trainer.finish();
        write(&folder, name, &fitted.export(), &features, &asked, &fitted.predict(&asked).unwrap());
        cases += 1;
    }
    // As a job has it done: the answers are those that the model's reference is made from.
    let spec: TrainSpec = serde_json::from_value(json!({
        "dataset": "d", "target": "class", "features": ALL,
        "preprocessing": { "impute": "median", "columns": { "constant": { "standardize": false } } },
        "network": {
            "loss": "categorical_crossentropy", "l2": 0.001, "validation_split": 0.0, "epochs": 3,
            "layers": [{ "units": 12, "activation": "relu" }, { "activation": "softmax" }],
        },
    }))
    .unwrap();
    spec.check().unwrap();
    let outputs = fit(&spec, &table, None, None, &mut |_| Wish::GoOn).unwrap().unwrap();
    write(&folder, "job", &outputs.onnx, &features(&ALL), &table, &outputs.answers);
    cases += 1;

    let said = python("check_onnx.py", &folder, &[]);
    assert!(said.contains(&format!("{cases} models agree")), "{said}");
}

//! The trainer and its figures against scikit-learn, on real data.

use serde_json::{Value, json};
use slipway::ml::{Activation, Coding, Control, Dense, Evaluation, Feature, FitConfig, Fitted, Loss, Optimiser, Table, Target, Trainer};

use super::{Folder, columns, python, read_csv, shared};

const MAGIC: [&str; 10] = ["Length", "Width", "Size", "Conc", "Conc1", "Asym", "M3Long", "M3Trans", "Alpha", "Dist"];
const RIDE: [&str; 7] = ["temp", "atemp", "hum", "windspeed", "hr", "workingday", "mnth"];

fn fit(config: FitConfig, table: &Table) -> Fitted {
    let mut trainer = Trainer::new(config, table, None).unwrap();
    trainer.run(0, &mut |_| Control::Continue).unwrap();
    trainer.finish()
}

/// A regression with the given output layer, all rows in one batch, until it does not move any more.
fn converged(features: &[&str], target: Target, output: Dense, loss: Loss, table: &Table) -> Fitted {
    let features = features.iter().map(|name| Feature::new(*name)).collect();
    let config = FitConfig::new(features, target, vec![Dense { l2: L2, ..output }], loss, 500);
    // The curvature of the squared error is four times that of the cross-entropies, whose p (1 - p) is at most a quarter.
    let learning_rate = if loss == Loss::Mse { 0.2 } else { 0.8 };
    let optimiser = Optimiser::Sgd { learning_rate, momentum: 0.9, nesterov: true };
    fit(FitConfig { optimiser, batch_size: table.rows, ..config }, table)
}

const L2: f32 = 1e-3;

/// Weights of the only layer, per unit, and what was done to the inputs.
fn linear(fitted: &Fitted) -> Value {
    let scaling = fitted.preparation.features.iter().map(|feature| match feature.coding {
        Coding::Number { mean, deviation, .. } => json!([mean, deviation]),
        Coding::Levels { .. } => panic!("all columns are numbers"),
    });
    json!({
        "l2": L2,
        "kernel": fitted.network.kernel(0).columns().into_iter().map(|unit| unit.to_vec()).collect::<Vec<_>>(),
        "bias": fitted.network.bias(0).to_vec(),
        "scaling": scaling.collect::<Vec<_>>(),
    })
}

/// Answers and figures on held-out rows.
fn judged(fitted: &Fitted, held_out: &Table) -> Value {
    let evaluation = fitted.evaluate(held_out).unwrap();
    let figures: serde_json::Map<String, Value> =
        evaluation.values().into_iter().map(|(key, value)| (key.to_owned(), json!(value))).collect();
    if let Evaluation::Binary(figures) = &evaluation {
        assert_eq!(figures.confusion.iter().flatten().sum::<u64>(), held_out.rows as u64);
    }
    json!({
        "answers": fitted.predict(held_out).unwrap().rows().into_iter().map(|row| row.to_vec()).collect::<Vec<_>>(),
        "figures": figures,
        "confusion": evaluation.confusion().map(|counts| counts.rows().into_iter().map(|row| row.to_vec()).collect::<Vec<_>>()),
    })
}

fn with(mut value: Value, more: Value) -> Value {
    value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    value
}

#[test]
fn the_linear_special_cases_find_scikit_learns_solutions() {
    let (Some(magic), Some(rides)) = (shared("magic"), shared("bike-sharing")) else { return };
    let folder = Folder::new("linear");
    let (train, test) = (read_csv(&magic.join("train.csv"), 3000), read_csv(&magic.join("test.csv"), 1000));
    let logistic = converged(&MAGIC, Target::new("class"), Dense::new(1, Activation::Sigmoid), Loss::BinaryCrossentropy, &train);
    let hours = read_csv(&rides.join("hour.csv"), 6000);
    let (train, held_out) = (hours.select(&(0..3000).collect::<Vec<_>>()), hours.select(&(3000..4000).collect::<Vec<_>>()));
    let price = Target { standardise: true, ..Target::new("cnt") };
    let ridge = converged(&RIDE, price, Dense::new(1, Activation::Linear), Loss::Mse, &train);
    let half = hours.select(&(0..6000).step_by(2).collect::<Vec<_>>());
    let softmax = converged(&RIDE, Target::new("season"), Dense::new(3, Activation::Softmax), Loss::CategoricalCrossentropy, &half);
    let case = json!({
        "logistic": with(linear(&logistic), judged(&logistic, &test)),
        "ridge": with(linear(&ridge), judged(&ridge, &held_out)),
        "softmax": with(linear(&softmax), judged(&softmax, &half)),
    });
    folder.write("linear.json", case.to_string());
    let said = python("check_sklearn.py", &folder, &["linear".as_ref(), &magic, &rides]);
    assert!(said.contains("3 solutions agree"), "{said}");
}

#[test]
fn the_reference_network_is_as_good_as_scikit_learns_and_figures_are_the_same() {
    let Some(magic) = shared("magic") else { return };
    let folder = Folder::new("network");
    let (train, test) = (read_csv(&magic.join("train.csv"), usize::MAX), read_csv(&magic.join("test.csv"), usize::MAX));
    assert_eq!((train.rows, test.rows), (15_216, 3_804));
    let dense = |units, activation| Dense::new(units, activation);
    let layers = vec![dense(64, Activation::Relu), dense(64, Activation::Relu), dense(1, Activation::Sigmoid)];
    let features = MAGIC.iter().map(|name| Feature::new(*name)).collect();
    let config = FitConfig::new(features, Target::new("class"), layers, Loss::BinaryCrossentropy, 4);
    let fitted = fit(FitConfig { seed: 1, ..config }, &columns(&[&MAGIC[..], &["class"]].concat(), &train));
    folder.write("network.json", with(json!({ "epochs": 4 }), judged(&fitted, &test)).to_string());
    let said = python("check_sklearn.py", &folder, &["network".as_ref(), &magic]);
    assert!(said.contains("the network is as good"), "{said}");
}

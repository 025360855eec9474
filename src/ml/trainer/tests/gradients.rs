//! Gradients against central differences of the loss, which is written down here a second time, in f64 and from the formulas.

use super::super::*;
use super::table;
use crate::ml::{Activation, Dense, Feature, Loss, Target};

/// The network and its loss in double precision, as a textbook has them.
struct Textbook<'a> {
    trainer: &'a Trainer,
    /// Where the weights stand in the flat vector: a kernel `[input][unit]` and a bias per layer.
    places: Vec<(Vec<Vec<usize>>, Vec<usize>)>,
    rows: Vec<Vec<f64>>,
}

impl<'a> Textbook<'a> {
    fn new(trainer: &'a Trainer) -> Self {
        let mut numbered = trainer.network.clone();
        numbered.weights.iter_mut().enumerate().for_each(|(place, weight)| *weight = place as f32);
        let places = (0..numbered.layers().len())
            .map(|layer| {
                let kernel = numbered.kernel(layer);
                let rows = kernel.rows().into_iter().map(|row| row.iter().map(|place| *place as usize).collect());
                (rows.collect(), numbered.bias(layer).iter().map(|place| *place as usize).collect())
            })
            .collect();
        let inputs = trainer.network.layers()[0].inputs;
        let spread = |row: usize| {
            let mut to = vec![0.0; inputs.next_multiple_of(8)];
            trainer.layout.spread(trainer.train.features.row(row).as_slice().unwrap(), &mut to);
            to[..inputs].iter().map(|x| f64::from(*x)).collect()
        };
        Self { trainer, places, rows: (0..trainer.train.rows()).map(spread).collect() }
    }

    /// Returns the mean loss of all rows with penalties.
    fn loss(&self, weights: &[f64]) -> f64 {
        let trainer = self.trainer;
        let mut total = 0.0;
        for (row, &target) in self.rows.iter().zip(&trainer.train.targets) {
            let mut values = row.clone();
            for (layer, (kernel, bias)) in trainer.network.layers().iter().zip(&self.places) {
                let z: Vec<f64> = (0..layer.units)
                    .map(|unit| weights[bias[unit]] + values.iter().zip(kernel).map(|(x, places)| x * weights[places[unit]]).sum::<f64>())
                    .collect();
                values = activate(layer.activation, &z);
            }
            total += match trainer.head.loss {
                Loss::BinaryCrossentropy => {
                    let own = if target > 0.5 { values[0] } else { 1.0 - values[0] };
                    -own.ln() * f64::from(trainer.head.weights[target as usize])
                }
                Loss::CategoricalCrossentropy => -values[target as usize].ln() * f64::from(trainer.head.weights[target as usize]),
                Loss::Mse => (values[0] - f64::from(target)).powi(2),
            };
        }
        let penalty = |(dense, (kernel, _)): (&Dense, &(Vec<Vec<usize>>, _))| {
            f64::from(dense.l2) * kernel.iter().flatten().map(|place| weights[*place].powi(2)).sum::<f64>()
        };
        total / self.rows.len() as f64 + trainer.config.layers.iter().zip(&self.places).map(penalty).sum::<f64>()
    }

    fn places(&self) -> impl Iterator<Item = usize> {
        self.places.iter().flat_map(|(kernel, bias)| kernel.iter().flatten().chain(bias)).copied()
    }
}

fn activate(activation: Activation, z: &[f64]) -> Vec<f64> {
    let each = |f: fn(f64) -> f64| z.iter().map(|z| f(*z)).collect();
    match activation {
        Activation::Relu => each(|z| z.max(0.0)),
        Activation::Tanh => each(f64::tanh),
        Activation::Sigmoid => each(|z| 1.0 / (1.0 + (-z).exp())),
        Activation::Linear => z.to_vec(),
        Activation::Softmax => {
            let sum: f64 = z.iter().map(|z| z.exp()).sum();
            z.iter().map(|z| z.exp() / sum).collect()
        }
    }
}

fn config(hidden: &[(usize, Activation)], loss: Loss, output: Activation, l2: f32, weighted: bool, batch_size: usize) -> FitConfig {
    let features = ["x0", "x1", "x2", "colour"].map(Feature::new).to_vec();
    let (target, units, labels) = match loss {
        Loss::BinaryCrossentropy => (Target::new("side"), 1, vec!["no", "yes"]),
        Loss::CategoricalCrossentropy => (Target::new("class"), 3, vec!["a", "c"]),
        Loss::Mse => (Target { standardise: true, ..Target::new("y") }, 1, vec![]),
    };
    let layers = hidden.iter().copied().chain([(units, output)]);
    // A penalty per layer, so that one layer's penalty in another's place would show.
    let layers = layers.zip(1u8..).map(|((units, activation), n)| Dense { units, activation, l2: l2 * f32::from(n) }).collect();
    let mut config = FitConfig::new(features, target, layers, loss, 1);
    if weighted {
        config.class_weights = labels.into_iter().zip([0.25, 3.0]).map(|(label, weight)| (label.to_owned(), weight)).collect();
    }
    config.batch_size = batch_size;
    config.seed = 5;
    config
}

/// Compares the gradient of one batch of all rows with the differences, every `stride`-th weight of them.
fn check(config: FitConfig, rows: usize, stride: usize) {
    let what = format!("{:?}", (&config.layers, config.loss, &config.class_weights, config.batch_size));
    let mut trainer = Trainer::new(config, &table(rows), None).unwrap();
    trainer.order_rows();
    // Biases start at zero, which hides mistakes with them.
    let used: Vec<usize> = Textbook::new(&trainer).places().collect();
    for (n, place) in used.iter().enumerate() {
        trainer.network.weights[*place] += 0.1 * super::number(n, 77);
    }
    let totals = trainer.gradient_of(0, rows);
    trainer.network.add_penalty_gradient(&mut trainer.gradient);

    let book = Textbook::new(&trainer);
    let mut weights: Vec<f64> = trainer.network.weights.iter().map(|w| f64::from(*w)).collect();
    let loss = totals.mean_loss() + trainer.network.penalty();
    let want = book.loss(&weights);
    assert!((loss - want).abs() <= 2e-6 * want.max(1.0), "{what}: the loss is {loss}, not {want}");
    for &place in used.iter().step_by(stride) {
        let at = weights[place];
        let mut loss_at = |offset: f64| {
            weights[place] = at + offset;
            let loss = book.loss(&weights);
            weights[place] = at;
            loss
        };
        let want = (loss_at(1e-5) - loss_at(-1e-5)) / 2e-5;
        let found = f64::from(trainer.gradient[place]);
        assert!((found - want).abs() <= 2e-6 + 2e-5 * want.abs(), "{what}: gradient {place} is {found}, not {want}");
    }
    // What only fills up a row has to stay zero.
    let padding = (0..weights.len()).filter(|place| !used.contains(place));
    assert!(padding.into_iter().all(|place| trainer.gradient[place] == 0.0), "{what}: padding has a gradient");
}

const ACTIVATIONS: [Activation; 5] = [Activation::Relu, Activation::Tanh, Activation::Sigmoid, Activation::Softmax, Activation::Linear];

const HEADS: [(Loss, Activation); 6] = [
    (Loss::BinaryCrossentropy, Activation::Sigmoid),
    (Loss::CategoricalCrossentropy, Activation::Softmax),
    (Loss::Mse, Activation::Linear),
    (Loss::Mse, Activation::Relu),
    (Loss::Mse, Activation::Tanh),
    (Loss::Mse, Activation::Sigmoid),
];

#[test]
fn gradients_are_the_differences_of_the_loss_for_every_layer_activation_loss_penalty_and_class_weight() {
    for (loss, output) in HEADS {
        for l2 in [0.0, 0.03] {
            for weighted in [false, true] {
                if weighted && loss == Loss::Mse {
                    continue;
                }
                // Linear, logistic and softmax regression.
                check(config(&[], loss, output, l2, weighted, 100), 30, 1);
                for (at, first) in ACTIVATIONS.into_iter().enumerate() {
                    let second = ACTIVATIONS[(at + 1) % 5];
                    check(config(&[(7, first), (9, second)], loss, output, l2, weighted, 100), 13, 3);
                }
            }
        }
    }
}

#[test]
fn every_activation_follows_every_other() {
    for first in ACTIVATIONS {
        for second in ACTIVATIONS {
            check(config(&[(5, first), (6, second)], Loss::BinaryCrossentropy, Activation::Sigmoid, 0.01, true, 100), 11, 4);
        }
    }
}

#[test]
fn a_batch_of_several_blocks_has_one_gradient() {
    let rows = 2 * BLOCK + 3;
    check(config(&[(5, Activation::Tanh)], Loss::CategoricalCrossentropy, Activation::Softmax, 0.01, true, rows), rows, 17);
}

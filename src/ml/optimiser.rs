//! Weight updates, by the formulas of Keras 3 (`keras/src/optimizers/sgd.py`, `adam.py`).

use super::config::Optimiser;
use super::kernel::{self, Kernel};

/// An optimiser with what it remembers between steps.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OptimiserState {
    rule: Optimiser,
    /// Momentum, or the mean of gradients. Empty if the rule needs none.
    pub(crate) first: Vec<f32>,
    /// The mean of squared gradients. Empty if the rule needs none.
    pub(crate) second: Vec<f32>,
    /// β₁ᵗ and β₂ᵗ, kept as products as `powi` may round differently elsewhere.
    pub(crate) powers: [f64; 2],
}

impl OptimiserState {
    pub(crate) fn new(rule: Optimiser, parameters: usize) -> Self {
        let (first, second) = match rule {
            Optimiser::Sgd { momentum, .. } => (if momentum > 0.0 { parameters } else { 0 }, 0),
            Optimiser::Adam { .. } => (parameters, parameters),
        };
        Self { rule, first: vec![0.0; first], second: vec![0.0; second], powers: [1.0; 2] }
    }

    /// Moves the weights against the gradient.
    pub(crate) fn step(&mut self, weights: &mut [f32], gradient: &[f32]) {
        match self.rule {
            Optimiser::Sgd { learning_rate, momentum, nesterov } => kernel::run(Sgd {
                weights,
                gradient,
                velocity: &mut self.first,
                rate: learning_rate as f32,
                momentum: momentum as f32,
                nesterov,
            }),
            Optimiser::Adam { learning_rate, beta_1, beta_2, epsilon } => {
                self.powers[0] *= beta_1;
                self.powers[1] *= beta_2;
                let rate = learning_rate * (1.0 - self.powers[1]).sqrt() / (1.0 - self.powers[0]);
                kernel::run(Adam {
                    weights,
                    gradient,
                    first: &mut self.first,
                    second: &mut self.second,
                    rate: rate as f32,
                    rest: [(1.0 - beta_1) as f32, (1.0 - beta_2) as f32],
                    epsilon: epsilon as f32,
                });
            }
        }
    }
}

/// `v ← μ v - η g`, `w ← w + v`; with Nesterov's look-ahead `w ← w + μ v - η g` (Sutskever et al., 2013).
struct Sgd<'a> {
    weights: &'a mut [f32],
    gradient: &'a [f32],
    velocity: &'a mut [f32],
    rate: f32,
    momentum: f32,
    nesterov: bool,
}

impl Kernel for Sgd<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { rate, momentum, nesterov, .. } = self;
        let steps = self.weights.iter_mut().zip(self.gradient);
        if self.velocity.is_empty() {
            steps.for_each(|(w, &g)| *w -= rate * g);
            return;
        }
        for ((w, &g), v) in steps.zip(self.velocity) {
            *v = momentum * *v - rate * g;
            *w += if nesterov { momentum * *v - rate * g } else { *v };
        }
    }
}

/// `m ← m + (g - m)(1 - β₁)`, `v ← v + (g² - v)(1 - β₂)`, `w ← w - α m / (√v + ε)` with the bias corrections in
/// `α = η √(1 - β₂ᵗ) / (1 - β₁ᵗ)` (Kingma and Ba, 2015, end of section 2).
struct Adam<'a> {
    weights: &'a mut [f32],
    gradient: &'a [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
    rate: f32,
    rest: [f32; 2],
    epsilon: f32,
}

impl Kernel for Adam<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { rate, rest, epsilon, .. } = self;
        let moments = self.first.iter_mut().zip(self.second);
        for ((w, &g), (m, v)) in self.weights.iter_mut().zip(self.gradient).zip(moments) {
            *m += (g - *m) * rest[0];
            *v += (g * g - *v) * rest[1];
            *w -= *m * rate / (v.sqrt() + epsilon);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn numbers(value: &Value) -> Vec<f32> {
        value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect()
    }

    /// tests/reference/ml_optimisers.py has the papers' formulas in double precision.
    #[test]
    fn weights_move_as_the_papers_say() {
        let reference: Value = serde_json::from_str(include_str!("../../tests/reference/ml_optimisers.json")).unwrap();
        let gradients: Vec<Vec<f32>> = reference["gradients"].as_array().unwrap().iter().map(numbers).collect();
        let cases = reference["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 5);
        for case in cases {
            let number = |key: &str| case[key].as_f64().unwrap();
            let rule = match case["rule"].as_str().unwrap() {
                "sgd" => Optimiser::Sgd {
                    learning_rate: number("rate"),
                    momentum: number("momentum"),
                    nesterov: case["nesterov"].as_bool().unwrap(),
                },
                _ => Optimiser::Adam {
                    learning_rate: number("rate"),
                    beta_1: number("beta_1"),
                    beta_2: number("beta_2"),
                    epsilon: number("epsilon"),
                },
            };
            let mut weights = numbers(&reference["start"]);
            let mut state = OptimiserState::new(rule, weights.len());
            for (gradient, want) in gradients.iter().zip(case["weights"].as_array().unwrap()) {
                state.step(&mut weights, gradient);
                for (found, want) in weights.iter().zip(numbers(want)) {
                    assert!((found - want).abs() <= 2e-6 * want.abs().max(1.0), "{rule:?}: {found} is not {want}");
                }
            }
        }
    }
}

//! Losses at the output layer: from pre-activations to the batch's loss, its metric and the gradient.
//!
//! The cross-entropies are taken of the logits (Goodfellow, Bengio and Courville, Deep Learning, 6.2.2), so they stay exact
//! where the probability rounds to 0 or 1, and `dL/dz` is `p - y` with no division.

use super::activation::{self, Backward, Forward};
use super::config::{Activation, Loss};
use super::kernel;
use super::math;

/// Sums over rows.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Totals {
    /// Weighted losses, without penalties.
    pub(crate) loss: f64,
    /// Right answers, or absolute errors in coded units.
    pub(crate) metric: f64,
    /// Rows.
    pub(crate) rows: u64,
}

impl Totals {
    pub(crate) fn add(&mut self, other: Self) {
        self.loss += other.loss;
        self.metric += other.metric;
        self.rows += other.rows;
    }

    pub(crate) fn mean_loss(&self) -> f64 {
        self.loss / self.rows as f64
    }

    pub(crate) fn mean_metric(&self) -> f64 {
        self.metric / self.rows as f64
    }
}

/// The output layer and what its answers are compared with.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) loss: Loss,
    pub(crate) activation: Activation,
    pub(crate) units: usize,
    pub(crate) stride: usize,
    /// A factor per class; empty for numbers.
    pub(crate) weights: Vec<f32>,
}

impl Head {
    /// Reads the pre-activations `z` of a block (one padded row per target), replaces them by the answers, and returns
    /// the sums. If `delta` is given, writes `scale · dL/dz` there.
    pub(crate) fn run(&self, z: &mut [f32], targets: &[f32], scale: f32, delta: Option<&mut [f32]>) -> Totals {
        match self.loss {
            Loss::BinaryCrossentropy => self.binary(z, targets, scale, delta),
            Loss::CategoricalCrossentropy => self.categorical(z, targets, scale, delta),
            Loss::Mse => self.squared(z, targets, scale, delta),
        }
    }

    fn binary(&self, z: &mut [f32], targets: &[f32], scale: f32, mut delta: Option<&mut [f32]>) -> Totals {
        let mut totals = Totals { rows: targets.len() as u64, ..Totals::default() };
        for (row, &target) in targets.iter().enumerate() {
            let weight = self.weights[target as usize];
            let z = &mut z[row * self.stride];
            // ln(1 + exp(-|z|)) + max(z, 0) - y z
            let tail = math::ln(1.0 + f64::from(math::exp(-z.abs())));
            let linear = f64::from(if *z > 0.0 { *z } else { 0.0 }) - f64::from(target * *z);
            totals.loss += f64::from(weight) * (tail + linear);
            totals.metric += f64::from(u8::from((*z > 0.0) == (target > 0.5)));
            *z = math::sigmoid(*z);
            if let Some(delta) = delta.as_deref_mut() {
                delta[row * self.stride] = (*z - target) * (scale * weight);
            }
        }
        totals
    }

    fn categorical(&self, z: &mut [f32], targets: &[f32], scale: f32, mut delta: Option<&mut [f32]>) -> Totals {
        let mut totals = Totals { rows: targets.len() as u64, ..Totals::default() };
        for (row, &target) in targets.iter().enumerate() {
            let class = target as usize;
            let weight = self.weights[class];
            let z = &mut z[row * self.stride..][..self.units];
            let own = z[class];
            let (largest, sum) = activation::softmax(z);
            let loss = math::ln(f64::from(sum).max(1.0)) + f64::from(largest) - f64::from(own);
            totals.loss += f64::from(weight) * loss;
            totals.metric += f64::from(u8::from(first_largest(z) == class));
            if let Some(delta) = delta.as_deref_mut() {
                let delta = &mut delta[row * self.stride..][..self.units];
                for (j, (d, &p)) in delta.iter_mut().zip(z.iter()).enumerate() {
                    *d = (p - f32::from(u8::from(j == class))) * (scale * weight);
                }
            }
        }
        totals
    }

    fn squared(&self, z: &mut [f32], targets: &[f32], scale: f32, delta: Option<&mut [f32]>) -> Totals {
        let (activation, units, stride) = (self.activation, self.units, self.stride);
        kernel::run(Forward { activation, values: z, units, stride });
        let mut totals = Totals { rows: targets.len() as u64, ..Totals::default() };
        for (row, &target) in targets.iter().enumerate() {
            let error = f64::from(z[row * stride]) - f64::from(target);
            totals.loss += error * error;
            totals.metric += error.abs();
        }
        if let Some(delta) = delta {
            for (row, &target) in targets.iter().enumerate() {
                delta[row * stride] = 2.0 * scale * (z[row * stride] - target);
            }
            kernel::run(Backward { activation, outputs: z, delta, units, stride });
        }
        totals
    }
}

/// Finds the first of the largest values, as NumPy's `argmax` does.
pub(crate) fn first_largest(values: &[f32]) -> usize {
    let mut best = 0;
    for (place, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = place;
        }
    }
    best
}

//! Activations of hidden layers and their derivatives, on blocks of padded rows.

use super::config::Activation;
use super::kernel::Kernel;
use super::math;

/// Replaces `z` by `f(z)` in every row. The padding stays zero.
pub(crate) struct Forward<'a> {
    pub(crate) activation: Activation,
    pub(crate) values: &'a mut [f32],
    pub(crate) units: usize,
    pub(crate) stride: usize,
}

impl Kernel for Forward<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { activation, values, units, stride } = self;
        match activation {
            Activation::Linear => {}
            // The test is this way round so that NaN stays NaN and a diverged fit shows.
            Activation::Relu => values.iter_mut().for_each(|z| *z = if *z < 0.0 { 0.0 } else { *z }),
            Activation::Tanh => values.iter_mut().for_each(|z| *z = math::tanh(*z)),
            Activation::Sigmoid => {
                for row in values.chunks_exact_mut(stride) {
                    row[..units].iter_mut().for_each(|z| *z = math::sigmoid(*z));
                }
            }
            Activation::Softmax => {
                for row in values.chunks_exact_mut(stride) {
                    softmax(&mut row[..units]);
                }
            }
        }
    }
}

/// Replaces `dL/dy` by `dL/dz`, given `y = f(z)`. The padding stays zero.
pub(crate) struct Backward<'a> {
    pub(crate) activation: Activation,
    pub(crate) outputs: &'a [f32],
    pub(crate) delta: &'a mut [f32],
    pub(crate) units: usize,
    pub(crate) stride: usize,
}

impl Kernel for Backward<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { activation, outputs, delta, units, stride } = self;
        let pairs = delta.iter_mut().zip(outputs);
        match activation {
            Activation::Linear => {}
            Activation::Relu => pairs.for_each(|(d, &y)| *d = if y > 0.0 { *d } else { 0.0 }),
            Activation::Tanh => pairs.for_each(|(d, &y)| *d *= 1.0 - y * y),
            Activation::Sigmoid => pairs.for_each(|(d, &y)| *d *= y * (1.0 - y)),
            Activation::Softmax => {
                for (d, y) in delta.chunks_exact_mut(stride).zip(outputs.chunks_exact(stride)) {
                    let mut mean = 0.0;
                    for j in 0..units {
                        mean += d[j] * y[j];
                    }
                    for j in 0..units {
                        d[j] = y[j] * (d[j] - mean);
                    }
                }
            }
        }
    }
}

/// Replaces logits by probabilities, shifted by the largest so that nothing overflows. Returns that largest logit and
/// the sum of the shifted exponentials.
#[inline(always)]
pub(crate) fn softmax(row: &mut [f32]) -> (f32, f32) {
    let mut largest = row[0];
    for &z in row.iter() {
        // Not `max`, which would drop a NaN.
        largest = if z < largest { largest } else { z };
    }
    let mut sum = 0.0;
    for z in row.iter_mut() {
        *z = math::exp(*z - largest);
        sum += *z;
    }
    row.iter_mut().for_each(|p| *p /= sum);
    (largest, sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_survives_large_logits_and_keeps_nan() {
        let mut row = [1000.0, 1000.0, -1000.0];
        assert_eq!(softmax(&mut row), (1000.0, 2.0));
        assert_eq!(row[0], 0.5);
        assert!(row[2] < 1e-37);
        let mut row = [f32::NAN, 1.0];
        softmax(&mut row);
        assert!(row[1].is_nan());
    }
}

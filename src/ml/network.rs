//! The network: where weights stand, how they start, and the passes forward and backward over a block of rows.
//!
//! All weights are one flat vector, so that the optimiser is one loop. A layer has a kernel `[padded inputs, padded units]`,
//! row-major, and a bias row; the padding is zero and stays zero, as no gradient ever reaches it.

use ndarray::{ArrayView1, ArrayView2, ShapeBuilder};

use super::activation::{Backward, Forward};
use super::config::{Activation, Dense};
use super::gemm::{Gemm, Left, ROWS, Start, Transpose, padded};
use super::kernel::{self, Kernel};
use super::rng::Rng;

/// Rows are worked on in blocks of at most this many, whatever the batch size, so buffers stay in the cache.
pub(crate) const BLOCK: usize = 256;

/// One dense layer's place among the weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// The number of inputs.
    pub inputs: usize,
    /// The number of outputs.
    pub units: usize,
    /// The function after the affine map.
    pub activation: Activation,
    l2: f32,
    kernel_at: usize,
    bias_at: usize,
}

impl Layer {
    fn stride(&self) -> usize {
        padded(self.units)
    }

    fn kernel_range(&self) -> std::ops::Range<usize> {
        self.kernel_at..self.bias_at
    }

    fn bias_range(&self) -> std::ops::Range<usize> {
        self.bias_at..self.bias_at + self.stride()
    }
}

/// A sequential dense network.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    pub(crate) layers: Vec<Layer>,
    pub(crate) weights: Vec<f32>,
}

impl Network {
    /// Lays out the layers and draws kernels by Glorot and Bengio (2010): uniform in ±√(6 / (inputs + units)). Biases
    /// are zero.
    pub(crate) fn new(inputs: usize, layers: &[Dense], rng: &mut Rng) -> Self {
        let mut placed: Vec<Layer> = Vec::with_capacity(layers.len());
        let mut end = 0;
        for dense in layers {
            let inputs = placed.last().map_or(inputs, |layer| layer.units);
            let bias_at = end + padded(inputs) * padded(dense.units);
            placed.push(Layer { inputs, units: dense.units, activation: dense.activation, l2: dense.l2, kernel_at: end, bias_at });
            end = bias_at + padded(dense.units);
        }
        let mut weights = vec![0.0; end];
        for layer in &placed {
            let limit = (6.0 / (layer.inputs + layer.units) as f64).sqrt() as f32;
            let kernel = &mut weights[layer.kernel_range()];
            for row in kernel.chunks_exact_mut(layer.stride()).take(layer.inputs) {
                row[..layer.units].fill_with(|| limit * (2.0 * rng.unit() - 1.0));
            }
        }
        Self { layers: placed, weights }
    }

    /// Returns the layers.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Returns a layer's kernel, `[inputs, units]`.
    pub fn kernel(&self, layer: usize) -> ArrayView2<'_, f32> {
        let layer = &self.layers[layer];
        let shape = (layer.inputs, layer.units).strides((layer.stride(), 1));
        #[expect(clippy::expect_used, reason = "the layout reserves padded inputs × stride")]
        ArrayView2::from_shape(shape, &self.weights[layer.kernel_range()]).expect("a view inside the kernel")
    }

    /// Returns a layer's bias, `[units]`.
    pub fn bias(&self, layer: usize) -> ArrayView1<'_, f32> {
        let layer = &self.layers[layer];
        ArrayView1::from(&self.weights[layer.bias_at..layer.bias_at + layer.units])
    }

    /// Returns the padded width of the input.
    pub(crate) fn input_stride(&self) -> usize {
        padded(self.layers[0].inputs)
    }

    /// Computes all layers for the block's rows. The output layer holds pre-activations if `raw`.
    pub(crate) fn forward(&self, block: &mut Block, raw: bool) {
        let rows = block.height();
        let last = self.layers.len() - 1;
        for (index, layer) in self.layers.iter().enumerate() {
            let (before, after) = block.outputs.split_at_mut(index);
            let (input, width) = match before.last() {
                None => (&block.input, self.input_stride()),
                Some(previous) => (previous, padded(layer.inputs)),
            };
            let values = &mut after[0][..rows * layer.stride()];
            kernel::run(Gemm {
                m: rows,
                n: layer.stride(),
                k: layer.inputs,
                a: Left::Plain(input, width),
                b: &self.weights[layer.kernel_range()],
                c: values,
                start: Start::Row(&self.weights[layer.bias_range()]),
            });
            if index < last || !raw {
                let (activation, units, stride) = (layer.activation, layer.units, layer.stride());
                kernel::run(Forward { activation, values, units, stride });
            }
        }
    }

    /// Turns the block's output `delta` (`dL/dz`) into the gradient of all weights. Adds to what is there unless
    /// `first`.
    pub(crate) fn backward(&self, block: &mut Block, gradient: &mut [f32], first: bool) {
        let rows = block.height();
        let start = if first { Start::Zero } else { Start::Sum };
        for (index, layer) in self.layers.iter().enumerate().rev() {
            let stride = layer.stride();
            let height = padded(layer.inputs);
            let delta = &block.delta[..rows * stride];
            let input = match index {
                0 => &block.input[..rows * height],
                _ => &block.outputs[index - 1][..rows * height],
            };
            kernel::run(Gemm {
                m: height,
                n: stride,
                k: rows,
                a: Left::Transposed(input, height),
                b: delta,
                c: &mut gradient[layer.kernel_range()],
                start,
            });
            kernel::run(ColumnSums { rows: delta, sums: &mut gradient[layer.bias_range()], first });
            if index == 0 {
                return;
            }
            let kernel = &self.weights[layer.kernel_range()];
            kernel::run(Transpose { from: kernel, rows: height, columns: stride, to: &mut block.transposed });
            kernel::run(Gemm {
                m: rows,
                n: height,
                k: layer.units,
                a: Left::Plain(&block.delta, stride),
                b: &block.transposed,
                c: &mut block.spare,
                start: Start::Zero,
            });
            std::mem::swap(&mut block.delta, &mut block.spare);
            let below = &self.layers[index - 1];
            kernel::run(Backward {
                activation: below.activation,
                outputs: &block.outputs[index - 1][..rows * height],
                delta: &mut block.delta[..rows * height],
                units: below.units,
                stride: height,
            });
        }
    }

    /// Adds the gradient of the penalties, `2 · l2 · w`.
    pub(crate) fn add_penalty_gradient(&self, gradient: &mut [f32]) {
        for layer in self.layers.iter().filter(|layer| layer.l2 > 0.0) {
            let weights = &self.weights[layer.kernel_range()];
            for (g, &w) in gradient[layer.kernel_range()].iter_mut().zip(weights) {
                *g += 2.0 * layer.l2 * w;
            }
        }
    }

    /// Sums the penalties, `l2 · Σ w²` over layers.
    pub(crate) fn penalty(&self) -> f64 {
        let layers = self.layers.iter().filter(|layer| layer.l2 > 0.0);
        layers
            .map(|layer| {
                let squares = self.weights[layer.kernel_range()].iter().map(|&w| f64::from(w) * f64::from(w));
                f64::from(layer.l2) * squares.sum::<f64>()
            })
            .sum()
    }
}

/// Buffers for a block of rows, allocated once.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    capacity: usize,
    rows: usize,
    /// Inputs, padded to whole vectors.
    pub(crate) input: Vec<f32>,
    /// A layer's outputs, padded to whole vectors.
    pub(crate) outputs: Vec<Vec<f32>>,
    /// `dL/dz` of the layer at hand.
    pub(crate) delta: Vec<f32>,
    spare: Vec<f32>,
    transposed: Vec<f32>,
}

impl Block {
    /// Makes buffers for up to `rows` rows; those for the way back only if `backward`.
    pub(crate) fn new(network: &Network, rows: usize, backward: bool) -> Self {
        let height = rows.next_multiple_of(ROWS);
        let strides = network.layers.iter().map(Layer::stride);
        let widest = strides.clone().max().unwrap_or(0).max(network.input_stride());
        let largest = network.layers.iter().map(|layer| layer.kernel_range().len()).max().unwrap_or(0);
        let (wide, large) = if backward { (height * widest, largest) } else { (0, 0) };
        Self {
            capacity: rows,
            rows: 0,
            input: vec![0.0; height * network.input_stride()],
            outputs: strides.map(|stride| vec![0.0; height * stride]).collect(),
            delta: vec![0.0; wide],
            spare: vec![0.0; wide],
            transposed: vec![0.0; large],
        }
    }

    /// Sets the number of rows and hands out the input to be filled. Rows that only fill up the last tile are zeroed,
    /// in the input and in `delta`, as is the padding of `delta`.
    pub(crate) fn start(&mut self, rows: usize, input_stride: usize, output_stride: usize) -> &mut [f32] {
        self.rows = rows;
        let height = self.height();
        self.input[rows * input_stride..height * input_stride].fill(0.0);
        if !self.delta.is_empty() {
            self.delta[..height * output_stride].fill(0.0);
        }
        &mut self.input[..rows * input_stride]
    }

    /// Returns the outputs of the last layer and the place for their gradient.
    pub(crate) fn output_and_delta(&mut self) -> (&mut [f32], &mut [f32]) {
        #[expect(clippy::expect_used, reason = "a configuration without layers is refused")]
        let output = self.outputs.last_mut().expect("a network has a layer");
        (output, &mut self.delta)
    }

    /// Returns how many rows fit in.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Returns the rows in whole tiles.
    fn height(&self) -> usize {
        self.rows.next_multiple_of(ROWS)
    }
}

/// Sums the rows of a matrix as wide as `sums`.
struct ColumnSums<'a> {
    rows: &'a [f32],
    sums: &'a mut [f32],
    first: bool,
}

impl Kernel for ColumnSums<'_> {
    #[inline(always)]
    fn run(self) {
        if self.first {
            self.sums.fill(0.0);
        }
        for row in self.rows.chunks_exact(self.sums.len()) {
            for (sum, &value) in self.sums.iter_mut().zip(row) {
                *sum += value;
            }
        }
    }
}

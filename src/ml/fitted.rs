//! A fitted model: preprocessing and network, ready to predict, to be judged and to be written.

use ndarray::Array2;

use super::config::Loss;
use super::error::FitError;
use super::metrics::{self, Binary, Multiclass, Regression};
use super::network::{BLOCK, Block, Network};
use super::onnx::export;
use super::prep::{Preparation, into_matrix};
use super::table::Table;
use super::target::{FittedTarget, TargetCoding};

/// A fitted model.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// What happens to the columns.
    pub preparation: Preparation,
    /// The weights.
    pub network: Network,
    /// What was minimised, which says what the output means.
    pub loss: Loss,
}

impl Fitted {
    /// Answers rows of raw columns: `[rows, units]`; the probability of the second of two classes, of each of more, or
    /// a number in the target's units. Columns that the model does not know are ignored.
    ///
    /// # Errors
    /// [`FitError::UnknownColumn`] and [`FitError::ColumnKind`] if the table lacks a feature or has it as another kind.
    pub fn predict(&self, table: &Table) -> Result<Array2<f32>, FitError> {
        table.check()?;
        let encoded = self.preparation.encode(table, 0..table.rows)?;
        let layout = self.preparation.layout();
        let units = self.network.layers().last().map_or(0, |layer| layer.units);
        let (stride, output_stride) = (self.network.input_stride(), super::gemm::padded(units));
        let mut block = Block::new(&self.network, BLOCK.min(table.rows.max(1)), false);
        let mut answers = Vec::with_capacity(table.rows * units);
        for rows in encoded.axis_chunks_iter(ndarray::Axis(0), block.capacity()) {
            let input = block.start(rows.nrows(), stride, output_stride);
            for (row, input) in rows.rows().into_iter().zip(input.chunks_exact_mut(stride)) {
                #[expect(clippy::expect_used, reason = "encode builds the matrix in row order")]
                layout.spread(row.to_slice().expect("row-major and contiguous"), input);
            }
            self.network.forward(&mut block, false);
            let (output, _) = block.output_and_delta();
            for row in output.chunks_exact(output_stride).take(rows.nrows()) {
                answers.extend_from_slice(&row[..units]);
            }
        }
        if let TargetCoding::Number { mean, deviation } = self.preparation.target.coding {
            answers.iter_mut().for_each(|y| *y = *y * deviation + mean);
        }
        Ok(into_matrix(table.rows, units, answers))
    }

    /// Compares the answers with the target column of held-out rows.
    ///
    /// # Errors
    /// As [`Fitted::predict`]; [`FitError::MissingTarget`], [`FitError::UnknownClass`], and [`FitError::TooFewRows`] for
    /// an empty table.
    pub fn evaluate(&self, table: &Table) -> Result<Evaluation, FitError> {
        if table.rows == 0 {
            return Err(FitError::TooFewRows { rows: 0, needed: 1 });
        }
        let answers = self.predict(table)?.mapv(f64::from);
        let truth = self.truth(table)?;
        Ok(match self.loss {
            Loss::BinaryCrossentropy => {
                let truth: Vec<bool> = truth.iter().map(|&class| class > 0.5).collect();
                let scores: Vec<f64> = answers.into_iter().collect();
                Evaluation::Binary(metrics::binary(&truth, &scores))
            }
            Loss::CategoricalCrossentropy => {
                let truth: Vec<usize> = truth.iter().map(|&class| class as usize).collect();
                Evaluation::Multiclass(metrics::multiclass(&truth, answers.view()))
            }
            Loss::Mse => {
                let truth: Vec<f64> = truth.iter().map(|&y| f64::from(y)).collect();
                let answers: Vec<f64> = answers.into_iter().collect();
                Evaluation::Regression(metrics::regression(&truth, &answers))
            }
        })
    }

    /// Writes the model as ONNX, preprocessing included.
    pub fn export(&self) -> Vec<u8> {
        export::export(self)
    }

    /// Returns the classes, none for a regression.
    pub fn class_labels(&self) -> &[String] {
        self.preparation.target.classes()
    }

    /// Names the task.
    pub fn task(&self) -> &'static str {
        self.loss.task()
    }

    /// Returns class indices, or the target in its own units.
    fn truth(&self, table: &Table) -> Result<Vec<f32>, FitError> {
        let target = &self.preparation.target;
        match target.coding {
            TargetCoding::Classes(_) => target.encode(table),
            TargetCoding::Number { .. } => {
                let coding = TargetCoding::Number { mean: 0.0, deviation: 1.0 };
                FittedTarget { name: target.name.clone(), coding }.encode(table)
            }
        }
    }
}

/// Figures on held-out rows.
#[derive(Debug, Clone, PartialEq)]
pub enum Evaluation {
    /// Of two classes.
    Binary(Binary),
    /// Of more.
    Multiclass(Multiclass),
    /// Of a number.
    Regression(Regression),
}

impl Evaluation {
    /// Lists the defined figures by their names in the API.
    pub fn values(&self) -> Vec<(&'static str, f64)> {
        let values = match self {
            Self::Binary(b) => vec![
                ("loss", Some(b.loss)),
                ("accuracy", Some(b.accuracy)),
                ("precision", Some(b.precision)),
                ("recall", Some(b.recall)),
                ("f1", Some(b.f1)),
                ("roc_auc", b.roc_auc),
            ],
            Self::Multiclass(m) => vec![
                ("loss", Some(m.loss)),
                ("accuracy", Some(m.accuracy)),
                ("precision", Some(m.precision)),
                ("recall", Some(m.recall)),
                ("f1", Some(m.f1)),
                ("roc_auc", m.roc_auc),
            ],
            Self::Regression(r) => vec![("loss", Some(r.mse)), ("mae", Some(r.mae)), ("rmse", Some(r.rmse)), ("r2", r.r2)],
        };
        values.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))).collect()
    }

    /// Returns the confusion matrix, `[truth, answer]`, for classes.
    pub fn confusion(&self) -> Option<Array2<u64>> {
        match self {
            Self::Binary(b) => Some(ndarray::arr2(&b.confusion)),
            Self::Multiclass(m) => Some(m.confusion.clone()),
            Self::Regression(_) => None,
        }
    }
}

//! What is computed: the built-in trainer, from a job's spec and a table to a model that can be stored.

mod compile;
mod outputs;

use crate::domain::training::TrainSpec;
use crate::ml::{Control, Event, FitError, Outcome, Table, Trainer};

pub use outputs::Outputs;

/// Steps after which a fit that logs epochs alone still asks whether it should go on.
const HEARING: u64 = 250;

/// What a fit reports while it runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// It goes on; there is nothing to log.
    Alive,
    /// Metrics at a step, and how many epochs are done.
    Metrics {
        /// Steps since the start of the fit.
        step: u64,
        /// Epochs that are complete.
        epochs: u64,
        /// Key and value.
        values: Vec<(&'static str, f64)>,
    },
    /// All that is needed to go on after `step`.
    Checkpoint {
        /// Steps since the start of the fit.
        step: u64,
        /// Opaque bytes for [`fit`].
        bytes: Vec<u8>,
    },
}

/// What the caller wants after a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Go on.
    GoOn,
    /// Report a checkpoint, then go on.
    Checkpoint,
    /// Report a checkpoint, then stop.
    CheckpointAndStop,
    /// Stop at once.
    Stop,
}

/// Fits what `spec` describes, from the start or from a checkpoint of an earlier attempt. `observe` sees every report on the
/// calling thread; `None` means that it asked to stop.
///
/// # Errors
/// What is wrong with spec, data or checkpoint, and [`FitError::Diverged`].
pub fn fit(
    spec: &TrainSpec,
    table: &Table,
    validation: Option<&Table>,
    checkpoint: Option<&[u8]>,
    observe: &mut dyn FnMut(Report) -> Wish,
) -> Result<Option<Outputs>, FitError> {
    let config = compile::config(spec, table)?;
    let metric = config.loss.metric_name();
    let mut trainer = match checkpoint {
        None => Trainer::new(config, table, validation)?,
        Some(bytes) => Trainer::restore(config, table, validation, bytes)?,
    };
    let mut at = trainer.steps_done();
    let mut stop = false;
    let every = if spec.log_every_n_steps == 0 { HEARING } else { spec.log_every_n_steps };
    let outcome = trainer.run(every, &mut |event| {
        let report = match event {
            Event::Steps(r) if spec.log_every_n_steps == 0 => {
                at = r.step;
                Report::Alive
            }
            Event::Steps(r) => {
                at = r.step;
                let values = vec![("loss", r.loss), (metric, r.metric)];
                Report::Metrics { step: r.step, epochs: r.epoch as u64 - 1, values }
            }
            Event::Epoch(r) => {
                at = r.step;
                let mut values = vec![("epoch", r.epoch as f64), ("loss", r.loss), (metric, r.metric)];
                values.extend(r.val_loss.map(|v| ("val_loss", v)));
                values.extend(r.val_metric.map(|v| (validation_name(metric), v)));
                Report::Metrics { step: r.step, epochs: r.epoch as u64, values }
            }
            Event::Checkpoint(bytes) => Report::Checkpoint { step: at, bytes: bytes.to_vec() },
        };
        match observe(report) {
            Wish::GoOn if stop => Control::Stop,
            Wish::GoOn => Control::Continue,
            Wish::Checkpoint => Control::Checkpoint,
            Wish::CheckpointAndStop => {
                stop = true;
                Control::Checkpoint
            }
            Wish::Stop => Control::Stop,
        }
    })?;
    if outcome == Outcome::Stopped {
        return Ok(None);
    }
    outputs::of(trainer, at, table, validation).map(Some)
}

fn validation_name(metric: &str) -> &'static str {
    if metric == "mae" { "val_mae" } else { "val_accuracy" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::{Column, NamedColumn};

    fn table() -> Table {
        let column = |name: &str, values: Vec<f32>| NamedColumn { name: name.to_owned(), column: Column::Numeric(values) };
        let x: Vec<f32> = (0..40u8).map(|i| f32::from(i) / 40.0).collect();
        let y = x.iter().map(|x| f32::from(u8::from(*x > 0.5))).collect();
        Table::new(vec![column("x", x), column("y", y)]).unwrap()
    }

    #[test]
    fn a_fit_that_is_resumed_at_any_of_its_checkpoints_comes_to_the_same_end() {
        let spec = r#"{"dataset": "d", "target": "y", "log_every_n_steps": 1, "network": {"epochs": 3, "batch_size": 8, "layers": [{"units": 4, "activation": "relu"}, {"units": 1, "activation": "sigmoid"}]}}"#;
        let (spec, table) = (serde_json::from_str(spec).unwrap(), table());
        let mut checkpoints = Vec::new();
        let whole = fit(&spec, &table, None, None, &mut |report| match report {
            Report::Checkpoint { step, bytes } => {
                checkpoints.push((step, bytes));
                Wish::GoOn
            }
            _ => Wish::Checkpoint,
        });
        let whole = whole.unwrap().unwrap();
        // four steps an epoch; the last checkpoint is at the very end of the fit
        assert_eq!(checkpoints.iter().map(|(step, _)| *step).collect::<Vec<_>>(), (1..=12).collect::<Vec<_>>());
        for (step, bytes) in checkpoints {
            let rest = fit(&spec, &table, None, Some(&bytes), &mut |_| Wish::GoOn).unwrap().unwrap();
            assert_eq!(rest.steps, 12, "resumed at {step}");
            assert_eq!(rest.onnx, whole.onnx, "resumed at {step}");
            assert_eq!(rest.metrics, whole.metrics, "resumed at {step}");
        }
    }
}

//! Early stopping: remembers the best epoch and says when to give up (Keras' `EarlyStopping`).

use super::config::{EarlyStopping, Loss, Monitor};
use super::trainer::EpochReport;

/// The rule and what it has seen.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stopper {
    rule: EarlyStopping,
    higher_is_better: bool,
    /// The best value so far, `None` before the first epoch.
    pub(crate) best: Option<f64>,
    /// The epoch of the best value, from 1.
    pub(crate) best_epoch: u64,
    /// Epochs since then.
    pub(crate) waited: u64,
    /// The weights of the best epoch, empty unless they are to be restored.
    pub(crate) best_weights: Vec<f32>,
}

impl Stopper {
    pub(crate) fn new(rule: EarlyStopping, loss: Loss) -> Self {
        let metric = matches!(rule.monitor, Monitor::Metric | Monitor::ValMetric);
        Self { rule, higher_is_better: metric && loss != Loss::Mse, best: None, best_epoch: 0, waited: 0, best_weights: Vec::new() }
    }

    /// Takes an epoch's numbers in.
    pub(crate) fn update(&mut self, report: &EpochReport, weights: &[f32]) {
        let value = match self.rule.monitor {
            Monitor::Loss => Some(report.loss),
            Monitor::Metric => Some(report.metric),
            Monitor::ValLoss => report.val_loss,
            Monitor::ValMetric => report.val_metric,
        };
        self.waited += 1;
        let Some(value) = value.filter(|value| !value.is_nan()) else { return };
        let better = match self.best {
            None => true,
            Some(best) if self.higher_is_better => value - self.rule.min_delta > best,
            Some(best) => value + self.rule.min_delta < best,
        };
        if better {
            self.best = Some(value);
            self.best_epoch = report.epoch as u64;
            self.waited = 0;
            if self.rule.restore_best {
                self.best_weights.clear();
                self.best_weights.extend_from_slice(weights);
            }
        }
    }

    /// Says whether patience is exhausted. A patience of 0 allows as little as one of 1, as in Keras.
    pub(crate) fn should_stop(&self) -> bool {
        self.waited >= self.rule.patience.max(1) as u64
    }

    /// Says whether the rule needs validation rows.
    pub(crate) fn needs_validation(rule: &EarlyStopping) -> bool {
        matches!(rule.monitor, Monitor::ValLoss | Monitor::ValMetric)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(epoch: usize, val_loss: f64) -> EpochReport {
        EpochReport { epoch, step: 0, loss: 1.0 / epoch as f64, metric: 0.5, val_loss: Some(val_loss), val_metric: Some(val_loss) }
    }

    fn run(monitor: Monitor, patience: usize, min_delta: f64, values: &[f64]) -> (usize, Stopper) {
        let rule = EarlyStopping { monitor, patience, min_delta, restore_best: true };
        let mut stopper = Stopper::new(rule, Loss::BinaryCrossentropy);
        for (i, &value) in values.iter().enumerate() {
            stopper.update(&report(i + 1, value), &[i as f32]);
            if stopper.should_stop() {
                return (i + 1, stopper);
            }
        }
        (values.len(), stopper)
    }

    #[test]
    fn stops_after_patience_and_keeps_the_best() {
        let (stopped, stopper) = run(Monitor::ValLoss, 2, 0.0, &[3.0, 1.0, 2.0, 1.0, 0.5]);
        assert_eq!((stopped, stopper.best_epoch, stopper.best), (4, 2, Some(1.0)));
        assert_eq!(stopper.best_weights, [1.0]);
    }

    #[test]
    fn small_gains_do_not_count() {
        assert_eq!(run(Monitor::ValLoss, 2, 0.5, &[3.0, 2.8, 2.6, 2.4]).0, 3);
        assert_eq!(run(Monitor::ValLoss, 2, 0.5, &[3.0, 2.4, 2.2, 1.0]).0, 4);
    }

    #[test]
    fn accuracy_should_grow() {
        let (stopped, stopper) = run(Monitor::ValMetric, 1, 0.0, &[0.5, 0.6, 0.55]);
        assert_eq!((stopped, stopper.best_epoch), (3, 2));
    }
}

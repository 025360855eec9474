//! The fit loop: epochs of mini-batch steps that can be watched, stopped, saved and continued.
//!
//! A run is a pure function of configuration and data. The row order of an epoch comes from seed and epoch number, sums are
//! taken in a fixed order, and a checkpoint holds all that is left, so a run that continues from one, also in the middle
//! of an epoch, reports and ends with the same bits as a run that was never interrupted.

use super::checkpoint::{Reader, Writer};
use super::config::FitConfig;
use super::error::FitError;
use super::fitted::Fitted;
use super::fnv::Fnv;
use super::loss::{Head, Totals};
use super::network::{BLOCK, Block, Network};
use super::optimiser::OptimiserState;
use super::prep::{Design, Layout, Preparation};
use super::rng::{Rng, Stream};
use super::stopping::Stopper;
use super::table::Table;
use super::target::TargetCoding;

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<'a> {
    /// A number of steps was done.
    Steps(StepReport),
    /// An epoch was done.
    Epoch(EpochReport),
    /// The checkpoint that was asked for, as of the event before. The answer is ignored unless it is
    /// [`Control::Stop`].
    Checkpoint(&'a [u8]),
}

/// Means over the rows that the epoch has seen so far, each taken before the step that used it. The loss includes the
/// penalties and class weights; the metric is the accuracy, or the MAE in the target's units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// Steps done since the start of the fit.
    pub step: u64,
    /// The epoch, from 1.
    pub epoch: usize,
    /// The mean loss.
    pub loss: f64,
    /// The mean metric.
    pub metric: f64,
}

/// An epoch's numbers, as in [`StepReport`], and the same of the validation rows after its last step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EpochReport {
    /// The epoch, from 1.
    pub epoch: usize,
    /// Steps done since the start of the fit.
    pub step: u64,
    /// The mean loss of the training rows.
    pub loss: f64,
    /// Their mean metric.
    pub metric: f64,
    /// The mean loss of the validation rows, if there are any.
    pub val_loss: Option<f64>,
    /// Their mean metric.
    pub val_metric: Option<f64>,
}

/// The observer's answer to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Go on.
    Continue,
    /// Hand out a checkpoint, then go on.
    Checkpoint,
    /// Return. The trainer stays as it is: it can be saved, or run on.
    Stop,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All epochs are done.
    Completed,
    /// Early stopping ended the fit.
    StoppedEarly,
    /// The observer ended the run.
    Stopped,
}

/// A fit in progress.
#[derive(Debug, Clone)]
pub struct Trainer {
    config: FitConfig,
    preparation: Preparation,
    layout: Layout,
    train: Design,
    validation: Option<Design>,
    fingerprint: u64,
    network: Network,
    optimiser: OptimiserState,
    stopper: Option<Stopper>,
    head: Head,
    progress: Progress,
    order: Vec<u32>,
    block: Block,
    gradient: Vec<f32>,
    held_out: Vec<u32>,
}

/// Where the run is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Progress {
    /// Epochs done.
    epoch: u64,
    /// Rows of the current epoch that are used up.
    position: usize,
    /// Steps done.
    step: u64,
    /// Sums over those rows; the loss with penalties.
    totals: Totals,
}

impl Trainer {
    /// Splits off validation rows unless a table of them is given, fits the preprocessing to the rest, and draws the
    /// initial weights.
    ///
    /// The tables are copied once, one f32 per feature and row, and not needed afterwards.
    ///
    /// # Errors
    /// Whatever is wrong with configuration or data, before any work is done.
    pub fn new(config: FitConfig, table: &Table, validation: Option<&Table>) -> Result<Self, FitError> {
        config.check()?;
        table.check()?;
        validation.map_or(Ok(()), Table::check)?;
        let (train_rows, held_out) = split(&config, table, validation.is_some())?;
        let preparation = Preparation::fit(&config, table, &train_rows)?;
        let train = preparation.design(table, &train_rows)?;
        let validation = match validation {
            Some(table) => Some(preparation.design(table, &all_rows(table)?)?),
            None if held_out.is_empty() => None,
            None => Some(preparation.design(table, &held_out)?),
        };
        let validation = validation.filter(|design| design.rows() > 0);
        if let Some(rule) = &config.early_stopping
            && Stopper::needs_validation(rule)
            && validation.is_none()
        {
            return Err(FitError::config("early_stopping.monitor", "needs validation rows"));
        }
        let mut rng = Rng::new(config.seed, Stream::Init);
        let network = Network::new(preparation.inputs(), &config.layers, &mut rng);
        let head = head(&config, &preparation, &network)?;
        let block = Block::new(&network, BLOCK.min(config.batch_size.max(32)), true);
        Ok(Self {
            layout: preparation.layout(),
            fingerprint: fingerprint(&config, &train, validation.as_ref()),
            optimiser: OptimiserState::new(config.optimiser, network.weights.len()),
            stopper: config.early_stopping.map(|rule| Stopper::new(rule, config.loss)),
            progress: Progress::default(),
            order: Vec::new(),
            gradient: vec![0.0; network.weights.len()],
            held_out,
            config,
            preparation,
            train,
            validation,
            network,
            head,
            block,
        })
    }

    /// Continues from a checkpoint of the same configuration and data.
    ///
    /// # Errors
    /// As [`Trainer::new`]; [`FitError::CheckpointDamaged`], [`FitError::CheckpointVersion`],
    /// [`FitError::CheckpointMismatch`].
    pub fn restore(config: FitConfig, table: &Table, validation: Option<&Table>, checkpoint: &[u8]) -> Result<Self, FitError> {
        let mut trainer = Self::new(config, table, validation)?;
        let mut reader = Reader::new(checkpoint, trainer.fingerprint)?;
        let progress = &mut trainer.progress;
        progress.epoch = reader.integer()?;
        progress.position = reader.integer()? as usize;
        progress.step = reader.integer()?;
        progress.totals = Totals { loss: reader.number()?, metric: reader.number()?, rows: reader.integer()? };
        let length = trainer.network.weights.len();
        trainer.network.weights = reader.vector(length, false)?;
        let optimiser = &mut trainer.optimiser;
        optimiser.first = reader.vector(optimiser.first.len(), false)?;
        optimiser.second = reader.vector(optimiser.second.len(), false)?;
        optimiser.powers = [reader.number()?, reader.number()?];
        if let Some(stopper) = &mut trainer.stopper {
            stopper.best_epoch = reader.integer()?;
            stopper.best = Some(reader.number()?).filter(|_| stopper.best_epoch > 0);
            stopper.waited = reader.integer()?;
            stopper.best_weights = reader.vector(length, true)?;
        }
        reader.finish()?;
        if trainer.progress.position > 0 {
            trainer.order_rows();
        }
        Ok(trainer)
    }

    /// Saves the state of the fit.
    pub fn checkpoint(&self) -> Vec<u8> {
        let mut writer = Writer::new(self.fingerprint, 256 + 16 * self.network.weights.len());
        let Progress { epoch, position, step, totals } = self.progress;
        for integer in [epoch, position as u64, step] {
            writer.integer(integer);
        }
        writer.number(totals.loss);
        writer.number(totals.metric);
        writer.integer(totals.rows);
        writer.vector(&self.network.weights);
        writer.vector(&self.optimiser.first);
        writer.vector(&self.optimiser.second);
        self.optimiser.powers.iter().for_each(|&power| writer.number(power));
        if let Some(stopper) = &self.stopper {
            writer.integer(stopper.best_epoch);
            writer.number(stopper.best.unwrap_or(0.0));
            writer.integer(stopper.waited);
            writer.vector(&stopper.best_weights);
        }
        writer.finish()
    }

    /// Runs until the end of the fit or until the observer stops it, with an [`Event::Steps`] after every
    /// `report_every` steps (0 for none) but the last of an epoch, and an [`Event::Epoch`] after every epoch: no two events
    /// share a step, so a step says exactly what a checkpoint has behind it.
    ///
    /// # Errors
    /// [`FitError::Diverged`]; the state is that before the step.
    pub fn run(&mut self, report_every: u64, observer: &mut dyn FnMut(&Event<'_>) -> Control) -> Result<Outcome, FitError> {
        loop {
            if self.stopper.as_ref().is_some_and(Stopper::should_stop) {
                return Ok(Outcome::StoppedEarly);
            }
            if self.progress.epoch >= self.config.epochs as u64 {
                return Ok(Outcome::Completed);
            }
            let event = if self.progress.position == self.train.rows() {
                Event::Epoch(self.end_epoch()?)
            } else {
                self.step()?;
                let epoch_ends = self.progress.position == self.train.rows();
                if report_every == 0 || epoch_ends || !self.progress.step.is_multiple_of(report_every) {
                    continue;
                }
                Event::Steps(self.step_report())
            };
            let answer = match observer(&event) {
                Control::Checkpoint => observer(&Event::Checkpoint(&self.checkpoint())),
                answer => answer,
            };
            if answer == Control::Stop {
                return Ok(Outcome::Stopped);
            }
        }
    }

    /// Returns the model with the weights of the last step, or of the best epoch if early stopping restores them.
    pub fn finish(mut self) -> Fitted {
        if let Some(stopper) = self.stopper
            && !stopper.best_weights.is_empty()
        {
            self.network.weights = stopper.best_weights;
        }
        Fitted { preparation: self.preparation, network: self.network, loss: self.config.loss }
    }

    /// Returns the best epoch by the early-stopping rule, from 1; `None` without a rule or before the first epoch.
    pub fn best_epoch(&self) -> Option<usize> {
        let epoch = self.stopper.as_ref().map_or(0, |stopper| stopper.best_epoch);
        (epoch > 0).then_some(epoch as usize)
    }

    /// Returns the number of rows that are trained on.
    pub fn train_rows(&self) -> usize {
        self.train.rows()
    }

    /// Returns the number of rows held out for validation.
    pub fn validation_rows(&self) -> usize {
        self.validation.as_ref().map_or(0, Design::rows)
    }

    /// Returns the rows of the table that were held out by `validation_split`, ascending.
    pub fn held_out(&self) -> &[u32] {
        &self.held_out
    }

    /// Returns the number of steps done since the start of the fit, those before a checkpoint included.
    pub fn steps_done(&self) -> u64 {
        self.progress.step
    }

    /// Returns the number of steps of the whole fit, if it is not stopped early.
    pub fn total_steps(&self) -> u64 {
        (self.train.rows().div_ceil(self.config.batch_size) * self.config.epochs) as u64
    }

    /// Returns the preprocessing.
    pub fn preparation(&self) -> &Preparation {
        &self.preparation
    }

    fn order_rows(&mut self) {
        self.order.clear();
        self.order.extend(0..self.train.rows() as u32);
        if self.config.shuffle {
            Rng::new(self.config.seed, Stream::Epoch(self.progress.epoch)).shuffle(&mut self.order);
        }
    }

    /// Does one step: gradient of the next batch, block by block, then the update.
    fn step(&mut self) -> Result<(), FitError> {
        if self.progress.position == 0 {
            self.order_rows();
        }
        let from = self.progress.position;
        let to = (from + self.config.batch_size).min(self.train.rows());
        let penalty = self.network.penalty();
        let mut totals = self.gradient_of(from, to);
        totals.loss += penalty * totals.rows as f64;
        if !totals.loss.is_finite() {
            return Err(self.diverged());
        }
        self.network.add_penalty_gradient(&mut self.gradient);
        self.optimiser.step(&mut self.network.weights, &self.gradient);
        self.progress.totals.add(totals);
        self.progress.position = to;
        self.progress.step += 1;
        Ok(())
    }

    /// Fills `gradient` with the mean gradient of the rows at `order[from..to]`, without penalties.
    fn gradient_of(&mut self, from: usize, to: usize) -> Totals {
        let (input_stride, features) = (self.network.input_stride(), self.train.features.ncols());
        let scale = 1.0 / (to - from) as f32;
        let values = self.train.values();
        let mut totals = Totals::default();
        let mut targets = [0.0; BLOCK];
        let height = BLOCK.min(self.config.batch_size);
        for (index, rows) in self.order[from..to].chunks(height).enumerate() {
            let input = self.block.start(rows.len(), input_stride, self.head.stride);
            for ((&row, input), target) in rows.iter().zip(input.chunks_exact_mut(input_stride)).zip(&mut targets) {
                let row = row as usize;
                self.layout.spread(&values[row * features..(row + 1) * features], input);
                *target = self.train.targets[row];
            }
            self.network.forward(&mut self.block, true);
            let (z, delta) = self.block.output_and_delta();
            totals.add(self.head.run(z, &targets[..rows.len()], scale, Some(delta)));
            self.network.backward(&mut self.block, &mut self.gradient, index == 0);
        }
        totals
    }

    fn step_report(&self) -> StepReport {
        let Progress { epoch, step, totals, .. } = self.progress;
        StepReport { step, epoch: epoch as usize + 1, loss: totals.mean_loss(), metric: totals.mean_metric() * self.metric_unit() }
    }

    fn end_epoch(&mut self) -> Result<EpochReport, FitError> {
        if !self.network.weights.iter().all(|weight| weight.is_finite()) {
            return Err(self.diverged());
        }
        let StepReport { step, epoch, loss, metric } = self.step_report();
        let validation = self.validate();
        let report = EpochReport {
            epoch,
            step,
            loss,
            metric,
            val_loss: validation.map(|totals| totals.mean_loss() + self.network.penalty()),
            val_metric: validation.map(|totals| totals.mean_metric() * self.metric_unit()),
        };
        if let Some(stopper) = &mut self.stopper {
            stopper.update(&report, &self.network.weights);
        }
        self.progress.epoch += 1;
        self.progress.position = 0;
        self.progress.totals = Totals::default();
        Ok(report)
    }

    /// Sums loss and metric of the validation rows. Class weights do not apply to them.
    fn validate(&mut self) -> Option<Totals> {
        let design = self.validation.as_ref()?;
        let (input_stride, features) = (self.network.input_stride(), design.features.ncols());
        let height = self.block.capacity();
        let head = Head { weights: vec![1.0; self.head.weights.len()], ..self.head.clone() };
        let mut totals = Totals::default();
        for (rows, targets) in design.values().chunks(height * features).zip(design.targets.chunks(height)) {
            let input = self.block.start(targets.len(), input_stride, head.stride);
            for (row, input) in rows.chunks_exact(features).zip(input.chunks_exact_mut(input_stride)) {
                self.layout.spread(row, input);
            }
            self.network.forward(&mut self.block, true);
            let (z, _) = self.block.output_and_delta();
            totals.add(head.run(z, targets, 1.0, None));
        }
        Some(totals)
    }

    /// Returns the target's units per coded unit, 1 for classes.
    fn metric_unit(&self) -> f64 {
        match self.preparation.target.coding {
            TargetCoding::Number { deviation, .. } => f64::from(deviation),
            TargetCoding::Classes(_) => 1.0,
        }
    }

    fn diverged(&self) -> FitError {
        FitError::Diverged { epoch: self.progress.epoch as usize + 1, step: self.progress.step + 1 }
    }
}

fn all_rows(table: &Table) -> Result<Vec<u32>, FitError> {
    let rows = u32::try_from(table.rows).map_err(|_| FitError::config("data", "has 2^32 rows or more"))?;
    Ok((0..rows).collect())
}

/// Divides the rows into those that are trained on and those held out.
fn split(config: &FitConfig, table: &Table, explicit: bool) -> Result<(Vec<u32>, Vec<u32>), FitError> {
    let mut rows = all_rows(table)?;
    let mut held_out = Vec::new();
    if config.validation_split > 0.0 && !explicit {
        Rng::new(config.seed, Stream::Split).shuffle(&mut rows);
        held_out = rows.split_off((rows.len() as f64 * (1.0 - config.validation_split)) as usize);
        held_out.sort_unstable();
        rows.sort_unstable();
    }
    if rows.len() < 2 {
        return Err(FitError::TooFewRows { rows: rows.len(), needed: 2 });
    }
    Ok((rows, held_out))
}

fn head(config: &FitConfig, preparation: &Preparation, network: &Network) -> Result<Head, FitError> {
    #[expect(clippy::expect_used, reason = "the configuration is checked")]
    let output = network.layers.last().expect("a network has a layer");
    Ok(Head {
        loss: config.loss,
        activation: output.activation,
        units: output.units,
        stride: super::gemm::padded(output.units),
        weights: preparation.target.weights(config)?,
    })
}

/// Hashes all that a run depends on. A field added to the configuration changes its `Debug` text, so an older checkpoint
/// is refused rather than misread.
fn fingerprint(config: &FitConfig, train: &Design, validation: Option<&Design>) -> u64 {
    let mut hash = Fnv::new();
    hash.bytes(format!("{config:?}").as_bytes());
    for design in std::iter::once(train).chain(validation) {
        hash.numbers(design.values());
        hash.numbers(&design.targets);
    }
    hash.finish()
}

#[cfg(test)]
mod tests;

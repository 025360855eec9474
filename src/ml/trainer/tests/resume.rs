//! The same seed gives the same bits, however often the run is interrupted.

use proptest::prelude::*;

use super::super::*;
use super::table;
use crate::ml::{Activation, Dense, EarlyStopping, Feature, Loss, Monitor, Optimiser, Target};

#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Steps(StepReport),
    Epoch(EpochReport),
}

fn bits(fitted: &Fitted) -> Vec<u32> {
    fitted.network.weights.iter().map(|weight| weight.to_bits()).collect()
}

/// Runs without an interruption.
fn straight(config: &FitConfig, table: &Table) -> (Vec<Seen>, Outcome, Fitted) {
    let mut seen = Vec::new();
    let mut trainer = Trainer::new(config.clone(), table, None).unwrap();
    let outcome = trainer.run(1, &mut |event| note(event, &mut seen)).unwrap();
    (seen, outcome, trainer.finish())
}

fn note(event: &Event<'_>, seen: &mut Vec<Seen>) -> Control {
    match event {
        Event::Steps(report) => seen.push(Seen::Steps(*report)),
        Event::Epoch(report) => seen.push(Seen::Epoch(*report)),
        Event::Checkpoint(_) => {}
    }
    Control::Continue
}

/// Runs until each of the given numbers of events in turn, takes a checkpoint, throws the trainer away and goes on from the
/// checkpoint. Between checkpoint and end of an attempt a few more steps are done, as when a process is killed; they are
/// done again.
fn interrupted(config: &FitConfig, table: &Table, stops: &[(usize, usize)]) -> (Vec<Seen>, Outcome, Fitted) {
    let mut seen: Vec<Seen> = Vec::new();
    let mut saved: Option<Vec<u8>> = None;
    let mut stops = stops.iter();
    loop {
        let mut trainer = match &saved {
            None => Trainer::new(config.clone(), table, None).unwrap(),
            Some(bytes) => Trainer::restore(config.clone(), table, None, bytes).unwrap(),
        };
        let stop = stops.next().copied();
        let mut left = stop.map_or(usize::MAX, |(before, _)| before + 1);
        let mut after = stop.map_or(0, |(_, after)| after);
        let mut made = None;
        let outcome = trainer
            .run(1, &mut |event| {
                if let Event::Checkpoint(bytes) = event {
                    made = Some(bytes.to_vec());
                    return if after == 0 { Control::Stop } else { Control::Continue };
                }
                if made.is_some() {
                    after -= 1;
                    return if after == 0 { Control::Stop } else { Control::Continue };
                }
                note(event, &mut seen);
                left -= 1;
                if left == 0 { Control::Checkpoint } else { Control::Continue }
            })
            .unwrap();
        match made {
            None => return (seen, outcome, trainer.finish()),
            Some(bytes) => saved = Some(bytes),
        }
    }
}

fn config() -> impl Strategy<Value = FitConfig> {
    let optimiser = prop_oneof![
        Just(Optimiser::adam()),
        Just(Optimiser::Sgd { learning_rate: 0.05, momentum: 0.0, nesterov: false }),
        Just(Optimiser::Sgd { learning_rate: 0.05, momentum: 0.9, nesterov: false }),
        Just(Optimiser::Sgd { learning_rate: 0.05, momentum: 0.9, nesterov: true }),
    ];
    let monitor = prop_oneof![Just(Monitor::Loss), Just(Monitor::Metric), Just(Monitor::ValLoss), Just(Monitor::ValMetric)];
    let stopping = proptest::option::of((monitor, 1..3usize, prop_oneof![Just(0.0), Just(0.05)], any::<bool>()));
    let loss = prop_oneof![Just(Loss::BinaryCrossentropy), Just(Loss::CategoricalCrossentropy), Just(Loss::Mse)];
    (optimiser, stopping, loss, 1..40usize, 1..5usize, any::<bool>(), any::<u64>(), prop_oneof![Just(0.0f32), Just(0.01)]).prop_map(
        |(optimiser, stopping, loss, batch_size, epochs, shuffle, seed, l2)| {
            let features = ["x0", "x1", "x2", "colour"].map(Feature::new).to_vec();
            let (target, units, output) = match loss {
                Loss::BinaryCrossentropy => (Target::new("side"), 1, Activation::Sigmoid),
                Loss::CategoricalCrossentropy => (Target::new("class"), 3, Activation::Softmax),
                Loss::Mse => (Target { standardise: true, ..Target::new("y") }, 1, Activation::Linear),
            };
            let layers = vec![Dense { l2, ..Dense::new(6, Activation::Tanh) }, Dense::new(units, output)];
            let mut config = FitConfig::new(features, target, layers, loss, epochs);
            if loss == Loss::BinaryCrossentropy {
                config.class_weights = vec![("yes".to_owned(), 2.0)];
            }
            config.early_stopping =
                stopping.map(|(monitor, patience, min_delta, restore_best)| EarlyStopping { monitor, patience, min_delta, restore_best });
            FitConfig { optimiser, batch_size, shuffle, seed, validation_split: 0.25, ..config }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_run_that_is_interrupted_anywhere_ends_with_the_same_bits(
        config in config(),
        stops in proptest::collection::vec((0..40usize, 0..6usize), 0..5),
    ) {
        let table = table(60);
        let (seen, outcome, fitted) = straight(&config, &table);
        let (seen_again, outcome_again, fitted_again) = interrupted(&config, &table, &stops);
        prop_assert_eq!(seen, seen_again);
        prop_assert_eq!(outcome, outcome_again);
        prop_assert_eq!(bits(&fitted), bits(&fitted_again));
        prop_assert_eq!(fitted.export(), fitted_again.export());
    }
}

/// A fit of three steps an epoch.
fn small(seed: u64) -> FitConfig {
    let layers = vec![Dense::new(6, Activation::Relu), Dense::new(1, Activation::Sigmoid)];
    let features = ["x0", "x1", "x2"].map(Feature::new).to_vec();
    let config = FitConfig::new(features, Target::new("side"), layers, Loss::BinaryCrossentropy, 4);
    FitConfig { seed, batch_size: 16, validation_split: 0.25, ..config }
}

#[test]
fn every_step_can_be_the_last_before_a_checkpoint() {
    let table = table(60);
    let (seen, _, fitted) = straight(&small(3), &table);
    assert_eq!(seen.len(), 12);
    for stop in 0..seen.len() {
        let (seen_again, _, again) = interrupted(&small(3), &table, &[(stop, 1)]);
        assert_eq!((seen_again, bits(&again)), (seen.clone(), bits(&fitted)), "checkpoint after event {stop}");
    }
}

#[test]
fn the_seed_decides_and_nothing_else() {
    let table = table(60);
    let fit = |seed| bits(&straight(&small(seed), &table).2);
    assert_eq!(fit(3), fit(3));
    assert_ne!(fit(3), fit(4));
    // How often somebody looks changes nothing.
    let mut trainer = Trainer::new(small(3), &table, None).unwrap();
    trainer.run(0, &mut |_| Control::Continue).unwrap();
    assert_eq!(bits(&trainer.finish()), fit(3));
}

#[test]
fn restoring_the_best_epoch_survives_an_interruption_after_it() {
    let table = table(60);
    let rule = EarlyStopping { monitor: Monitor::ValLoss, patience: 2, min_delta: 0.0, restore_best: true };
    // A rate this large overshoots after a few epochs.
    let optimiser = Optimiser::Sgd { learning_rate: 3.0, momentum: 0.9, nesterov: false };
    let config = FitConfig { early_stopping: Some(rule), optimiser, epochs: 40, ..small(1) };
    let (seen, outcome, fitted) = straight(&config, &table);
    assert_eq!(outcome, Outcome::StoppedEarly);
    for stop in [0, 1, seen.len() / 2, seen.len() - 2, seen.len() - 1] {
        let (_, outcome, again) = interrupted(&config, &table, &[(stop, 0)]);
        assert_eq!((outcome, bits(&again)), (Outcome::StoppedEarly, bits(&fitted)), "checkpoint after event {stop}");
    }
}

#[test]
fn a_checkpoint_of_another_fit_is_refused() {
    let table = table(60);
    let bytes = Trainer::new(small(3), &table, None).unwrap().checkpoint();
    let restore = |config, table: &Table| Trainer::restore(config, table, None, &bytes).map(|_| ()).unwrap_err();
    assert_eq!(restore(small(4), &table), FitError::CheckpointMismatch);
    assert_eq!(restore(small(3), &super::table(61)), FitError::CheckpointMismatch);
}

#[test]
fn a_fit_that_diverges_says_so_and_keeps_its_state() {
    let optimiser = Optimiser::Sgd { learning_rate: 1e30, momentum: 0.0, nesterov: false };
    let mut trainer = Trainer::new(FitConfig { optimiser, ..small(3) }, &table(60), None).unwrap();
    let error = trainer.run(1, &mut |_| Control::Continue).unwrap_err();
    assert!(matches!(error, FitError::Diverged { epoch: 1, .. }), "{error:?}");
}

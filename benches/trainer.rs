//! Speed and quality of the built-in trainer on synthetic rows, one thread.
//!
//! `cargo bench --bench trainer [-- FILE]` writes 120,000 rows of a non-linear teacher with 5 % flipped labels to FILE
//! (default `target/trainer-bench.csv`), fits 10 → 64 relu → 64 relu → 1 sigmoid to the first 100,000 with Adam, batches
//! of 32, ten epochs, and judges the rest, with five seeds. `benches/trainer_peers.py FILE` does the same with scikit-learn
//! and, if it is installed, Keras, and prints the ratios.
#![allow(clippy::expect_used, reason = "a bench ends at the first thing that goes wrong")]

use std::fmt::Write as _;
use std::time::Instant;

use slipway::ml::{Activation, Column, Control, Dense, Event, Feature, FitConfig, Loss, NamedColumn, Table, Target, Trainer};

const TRAIN: usize = 100_000;
const TEST: usize = 20_000;
const FEATURES: usize = 10;
const EPOCHS: usize = 10;
/// The loss of a single fit depends on its seed by about 2 %.
const SEEDS: u64 = 5;

fn main() {
    // Cargo passes `--bench`.
    let path = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let path = path.unwrap_or_else(|| "target/trainer-bench.csv".to_owned());
    let (rows, labels) = teacher();
    write_csv(&path, &rows, &labels);
    let (train, test) = (table(&rows, &labels, 0..TRAIN), table(&rows, &labels, TRAIN..TRAIN + TEST));
    drop((rows, labels));

    let before = memory("VmRSS");
    reset_peak();
    let fits: Vec<Fit> = (1..=SEEDS).map(|seed| fit(seed, &train, &test)).collect();
    let peak = memory("VmHWM");

    println!("file            {path}");
    for (fit, seed) in fits.iter().zip(1..) {
        println!(
            "seed {seed}          {:.3} s, train loss {:.4}, test loss {:.4}, test accuracy {:.4}",
            fit.seconds, fit.train_loss, fit.test_loss, fit.test_accuracy
        );
    }
    let mean = |figure: fn(&Fit) -> f64| fits.iter().map(figure).sum::<f64>() / fits.len() as f64;
    let rows = (TRAIN * EPOCHS) as f64;
    println!("means of {SEEDS} fits with a seed each");
    println!("fit seconds     {:.3}", mean(|fit| fit.seconds));
    println!("CPU seconds     {:.3}", mean(|fit| fit.cpu_seconds));
    println!("rows per second {:.0}", rows / mean(|fit| fit.seconds));
    println!("rows per CPU second {:.0}", rows / mean(|fit| fit.cpu_seconds));
    println!("train loss      {:.4}", mean(|fit| fit.train_loss));
    println!("test loss       {:.4}", mean(|fit| fit.test_loss));
    println!("test accuracy   {:.4}", mean(|fit| fit.test_accuracy));
    println!("checkpoint      {} bytes", fits[0].checkpoint);
    let data = (TRAIN * (FEATURES + 1) * 4) as f64;
    println!("data in f32     {:.1} MB, table in memory before the fits", data / 1e6);
    println!(
        "peak memory     {:.1} MB, {:.1} MB above the process before the fits, so {:.2} x the data with the table",
        peak / 1e6,
        (peak - before) / 1e6,
        (peak - before + data) / data
    );
}

/// What one fit came to.
struct Fit {
    seconds: f64,
    cpu_seconds: f64,
    train_loss: f64,
    test_loss: f64,
    test_accuracy: f64,
    checkpoint: usize,
}

/// Fits the reference network. Preparation of the table is part of the time, judging the rest is not.
fn fit(seed: u64, train: &Table, test: &Table) -> Fit {
    let features = (0..FEATURES).map(|i| Feature::new(format!("x{i}"))).collect();
    let layers = vec![Dense::new(64, Activation::Relu), Dense::new(64, Activation::Relu), Dense::new(1, Activation::Sigmoid)];
    let mut config = FitConfig::new(features, Target::new("label"), layers, Loss::BinaryCrossentropy, EPOCHS);
    config.seed = seed;

    let (started, cpu_before) = (Instant::now(), cpu_seconds());
    let mut trainer = Trainer::new(config, train, None).expect("a good configuration");
    let mut train_loss = f64::NAN;
    let mut watch = |event: &Event<'_>| {
        if let Event::Epoch(report) = event {
            train_loss = report.loss;
        }
        Control::Continue
    };
    trainer.run(100, &mut watch).expect("a fit");
    let (seconds, cpu_seconds) = (started.elapsed().as_secs_f64(), cpu_seconds() - cpu_before);
    let checkpoint = trainer.checkpoint().len();
    let values = trainer.finish().evaluate(test).expect("held-out rows").values();
    let value = |key| values.iter().find(|(name, _)| *name == key).map_or(f64::NAN, |(_, value)| *value);
    Fit { seconds, cpu_seconds, train_loss, test_loss: value("loss"), test_accuracy: value("accuracy"), checkpoint }
}

/// Draws normal rows and labels them by the sign of a random network's answer, then flips 5 % of the labels.
fn teacher() -> (Vec<[f32; FEATURES]>, Vec<bool>) {
    let mut random = Random(42);
    let hidden: Vec<[f64; FEATURES]> = (0..16).map(|_| std::array::from_fn(|_| 0.6 * random.normal())).collect();
    let outer: Vec<f64> = (0..16).map(|_| random.normal()).collect();
    let mut rows = Vec::with_capacity(TRAIN + TEST);
    let mut labels = Vec::with_capacity(TRAIN + TEST);
    for _ in 0..TRAIN + TEST {
        let row: [f32; FEATURES] = std::array::from_fn(|_| random.normal() as f32);
        let answer = |weights: &[f64; FEATURES]| {
            let sum: f64 = weights.iter().zip(&row).map(|(w, &x)| w * f64::from(x)).sum();
            sum.tanh()
        };
        let score: f64 = hidden.iter().zip(&outer).map(|(weights, w)| w * answer(weights)).sum();
        labels.push((score > 0.0) != (random.unit() < 0.05));
        rows.push(row);
    }
    (rows, labels)
}

fn table(rows: &[[f32; FEATURES]], labels: &[bool], range: std::ops::Range<usize>) -> Table {
    let column = |name: String, values| NamedColumn { name, column: Column::Numeric(values) };
    let mut columns: Vec<NamedColumn> =
        (0..FEATURES).map(|i| column(format!("x{i}"), rows[range.clone()].iter().map(|row| row[i]).collect())).collect();
    let labels = labels[range].iter().map(|&label| f32::from(u8::from(label))).collect();
    columns.push(column("label".to_owned(), labels));
    Table::new(columns).expect("columns of one length")
}

fn write_csv(path: &str, rows: &[[f32; FEATURES]], labels: &[bool]) {
    let mut text = (0..FEATURES).map(|i| format!("x{i},")).collect::<String>() + "label\n";
    for (row, &label) in rows.iter().zip(labels) {
        for x in row {
            write!(text, "{x},").expect("a string takes all");
        }
        writeln!(text, "{}", u8::from(label)).expect("a string takes all");
    }
    if let Some(folder) = std::path::Path::new(path).parent() {
        std::fs::create_dir_all(folder).expect("a folder for the file");
    }
    std::fs::write(path, text).expect("a writable file");
}

/// Sets the peak back to what is in use now, where the kernel allows it.
fn reset_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// Time that this thread, the only one, has had on a processor; other work on the machine does not count.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok()).map_or(f64::NAN, |n| n / 1e9)
}

fn memory(field: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
    let kib = line.split_whitespace().find_map(|word| word.parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) * 1024.0
}

/// SplitMix64, and Box and Muller's normal numbers.
struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}

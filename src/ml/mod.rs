//! Numerics of the built-in trainer: tables in, a fitted network out.
//!
//! A [`table::Table`] and a [`config::FitConfig`] make a [`trainer::Trainer`]; its run yields events and checkpoints and
//! ends in a [`fitted::Fitted`], which predicts, evaluates itself and writes itself as ONNX with the preprocessing inside.
//! Nothing here reads files, looks at a clock, starts threads or knows what a run or an artifact is.
//!
//! Every result is a function of configuration and data alone. The arithmetic uses only the operations that IEEE 754
//! rounds exactly (`+ - * / sqrt`) in an order fixed by the source, without fused multiply-add and without the system's
//! `exp` or `ln`, so neither the vector width nor the processor nor the C library changes a bit of the weights.

pub mod config;
pub mod error;
pub mod fitted;
pub mod metrics;
pub mod onnx;
pub mod prep;
pub mod table;
pub mod trainer;

mod activation;
mod checkpoint;
mod feature;
mod fnv;
mod gemm;
mod kernel;
mod loss;
mod math;
mod network;
mod optimiser;
mod rng;
mod stopping;
mod target;

pub use config::{Activation, Dense, EarlyStopping, Feature, FitConfig, Impute, Loss, Monitor, Optimiser, Target};
pub use error::FitError;
pub use fitted::{Evaluation, Fitted};
pub use prep::{Coding, FittedFeature, Preparation};
pub use table::{Column, NamedColumn, Table};
pub use trainer::{Control, EpochReport, Event, Outcome, StepReport, Trainer};

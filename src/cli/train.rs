//! `slipway train`: a training job from flags, a file, or both.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::failure::{Done, Failure};
use super::follow::follow;
use super::input;
use super::jobs::JOB;
use super::session::Common;

/// Submits a training job; flags go over what the file says.
///
/// The file is the job as the API takes it, in JSON or TOML. --set reaches whatever has no flag of its own:
/// --set network.early_stopping.patience=3 --set preprocessing.impute=median
#[derive(Args)]
pub(super) struct Command {
    /// The job in a file, JSON or (by its name) TOML; `-` is JSON on standard input.
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Data set to train on.
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
    /// Its version; the newest ready one when absent.
    #[arg(long, value_name = "N")]
    dataset_version: Option<i64>,
    /// Column to predict.
    #[arg(long, value_name = "COLUMN")]
    target: Option<String>,
    /// Columns to predict from, between commas; all others when absent.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    features: Option<Vec<String>>,
    /// Registered model that receives the result as a new version.
    #[arg(long, value_name = "MODEL")]
    register_as: Option<String>,
    /// Experiment that the run belongs to.
    #[arg(long, value_name = "NAME")]
    experiment: Option<String>,
    /// Name of the run; made up when absent.
    #[arg(long, value_name = "NAME")]
    run_name: Option<String>,
    /// Layers as UNITS:ACTIVATION between commas, for instance 64:relu,64:relu,1:sigmoid.
    #[arg(long, value_name = "LAYERS", value_delimiter = ',')]
    layers: Option<Vec<String>>,
    /// `binary_crossentropy`, `categorical_crossentropy` or `mse`.
    #[arg(long, value_name = "LOSS")]
    loss: Option<String>,
    /// `adam` or `sgd`.
    #[arg(long, value_name = "NAME")]
    optimizer: Option<String>,
    /// Step size of the optimiser.
    #[arg(long, value_name = "X")]
    learning_rate: Option<f64>,
    /// Times that all rows are seen.
    #[arg(long, value_name = "N")]
    epochs: Option<u64>,
    /// Rows a step.
    #[arg(long, value_name = "N")]
    batch_size: Option<u64>,
    /// Share of the rows that is held out.
    #[arg(long, value_name = "X")]
    validation_split: Option<f64>,
    /// Penalty on large weights.
    #[arg(long, value_name = "X")]
    l2: Option<f64>,
    /// Seed of everything random.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Longest time an attempt may run, in seconds.
    #[arg(long, value_name = "SECONDS")]
    max_duration: Option<u64>,
    /// Any other field by its path; the value is JSON, or text. Can be repeated.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    sets: Vec<String>,
    /// Follows the job to its end; the exit code is 1 unless it succeeds.
    #[arg(long, short)]
    watch: bool,
    #[command(flatten)]
    common: Common,
}

impl Command {
    pub(super) async fn run(self) -> Done {
        let spec = self.spec()?;
        let session = self.common.open()?;
        let job = session.client.post(session.client.v1(&["jobs"])?, &spec).await?;
        if !self.watch {
            return session.out.one(&job, &JOB);
        }
        follow(&session, job["job_id"].as_str().unwrap_or_default()).await
    }

    fn spec(&self) -> Result<Value, Failure> {
        let mut spec = match &self.file {
            Some(file) => input::document(file)?,
            None => json!({}),
        };
        let layers = self.layers.as_ref().map(|layers| layers.iter().map(|layer| read_layer(layer)).collect::<Result<Vec<_>, _>>());
        let flags = [
            ("dataset", self.dataset.as_ref().map(|v| json!(v))),
            ("dataset_version", self.dataset_version.map(|v| json!(v))),
            ("target", self.target.as_ref().map(|v| json!(v))),
            ("features", self.features.as_ref().map(|v| json!(v))),
            ("register_as", self.register_as.as_ref().map(|v| json!(v))),
            ("experiment", self.experiment.as_ref().map(|v| json!(v))),
            ("run_name", self.run_name.as_ref().map(|v| json!(v))),
            ("network.layers", layers.transpose()?.map(|v| json!(v))),
            ("network.loss", self.loss.as_ref().map(|v| json!(v))),
            ("network.optimizer.name", self.optimizer.as_ref().map(|v| json!(v))),
            ("network.optimizer.learning_rate", self.learning_rate.map(|v| json!(v))),
            ("network.epochs", self.epochs.map(|v| json!(v))),
            ("network.batch_size", self.batch_size.map(|v| json!(v))),
            ("network.validation_split", self.validation_split.map(|v| json!(v))),
            ("network.l2", self.l2.map(|v| json!(v))),
            ("network.seed", self.seed.map(|v| json!(v))),
            ("max_duration_seconds", self.max_duration.map(|v| json!(v))),
        ];
        for (path, value) in flags.into_iter().filter_map(|(path, value)| Some((path, value?))) {
            input::set(&mut spec, path, value)?;
        }
        for pair in &self.sets {
            let (path, value) = input::pair(pair)?;
            input::set(&mut spec, path, value)?;
        }
        if self.learning_rate.is_some() && spec["network"]["optimizer"]["name"].is_null() {
            input::set(&mut spec, "network.optimizer.name", json!("adam"))?;
        }
        for (field, flag) in [("dataset", "--dataset"), ("target", "--target")] {
            if spec[field].is_null() {
                return Err(Failure::usage(format!("a training job needs a {field}: say {flag}, or name it in --file")));
            }
        }
        Ok(spec)
    }
}

fn read_layer(text: &str) -> Result<Value, Failure> {
    let (units, activation) = text.split_once(':').unwrap_or((text, "linear"));
    let units = match units {
        "classes" => Value::Null,
        units => json!(
            units.parse::<u64>().map_err(|_| Failure::usage(format!("{text:?} is no layer: write UNITS:ACTIVATION, such as 64:relu")))?
        ),
    };
    Ok(json!({ "units": units, "activation": activation }))
}

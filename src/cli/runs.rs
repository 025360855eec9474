//! `slipway runs` and `slipway experiments`.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::failure::{Done, Failure, NOT_FOUND};
use super::files::{ARTIFACT, digest_of};
use super::output::View;
use super::session::{Common, Limit, Session};
use super::table::{Column, Kind};
use super::transfer::Target;
use super::{compare, search};
use crate::clock::{Clock as _, SystemClock};
use crate::domain::time::Timestamp;

/// A run.
pub(super) const RUN: View = View {
    plural: "runs",
    name: "run_id",
    columns: &[
        Column::new("RUN", "/run_id", Kind::Text),
        Column::new("NAME", "/run_name", Kind::Text),
        Column::new("STATUS", "/status", Kind::State),
        Column::new("EXPERIMENT", "/experiment_id", Kind::Text),
        Column::new("STARTED", "/start_time", Kind::Time),
        Column::new("ENDED", "/end_time", Kind::Time),
        Column::new("BY", "/user_id", Kind::Text),
    ],
    more: &[
        Column::new("JOB", "/job_id", Kind::Text),
        Column::new("PARAMS", "/params", Kind::Map),
        Column::new("METRICS", "/metrics", Kind::Metrics),
    ],
};

const EXPERIMENT: View = View {
    plural: "experiments",
    name: "name",
    columns: &[
        Column::new("NAME", "/name", Kind::Text),
        Column::new("EXPERIMENT", "/experiment_id", Kind::Text),
        Column::new("CREATED", "/created_at", Kind::Time),
    ],
    more: &[],
};

const POINT: View = View {
    plural: "points",
    name: "value",
    columns: &[
        Column::new("STEP", "/step", Kind::Number),
        Column::new("VALUE", "/value", Kind::Number),
        Column::new("TIME", "/at", Kind::Time),
    ],
    more: &[],
};

const METRIC: View = View {
    plural: "metrics",
    name: "key",
    columns: &[Column::new("METRIC", "/key", Kind::Text), Column::new("LAST VALUE", "/value", Kind::Number)],
    more: &[],
};

/// Experiments: what runs belong to.
#[derive(Args)]
pub(super) struct Experiments {
    #[command(subcommand)]
    verb: ExperimentVerb,
    #[command(flatten)]
    common: Common,
}

#[derive(Subcommand)]
enum ExperimentVerb {
    /// Lists experiments by name.
    Ls {
        #[command(flatten)]
        limit: Limit,
    },
}

impl Experiments {
    pub(super) async fn run(self) -> Done {
        let session = self.common.open()?;
        match self.verb {
            ExperimentVerb::Ls { limit } => session.list(session.client.v1(&["experiments"])?, &limit, &EXPERIMENT).await,
        }
    }
}

/// Runs: params, metrics and files of what was tried.
#[derive(Args)]
pub(super) struct Command {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    common: Common,
}

#[derive(Subcommand)]
enum Verb {
    /// Lists runs, newest first, or those that a filter finds.
    ///
    /// The filter is MLflow's search language: metrics.val_loss < 0.1 and params.seed = '1' and attributes.status = 'FINISHED'
    Ls(search::Query),
    /// Shows a run with its params and latest metrics.
    Get {
        /// Its id.
        run: String,
    },
    /// Lists the metrics of a run, or the points of one.
    Metrics {
        /// Id of the run.
        run: String,
        /// The metric; without one their latest values are listed.
        metric: Option<String>,
        #[command(flatten)]
        limit: Limit,
    },
    /// Files that a run left.
    #[command(subcommand)]
    Artifacts(Artifacts),
    /// Starts a run.
    Create {
        /// Experiment that it belongs to; made when there is none of that name.
        #[arg(long, value_name = "NAME", default_value = "Default")]
        experiment: String,
        /// Its name; made up when absent.
        #[arg(long)]
        name: Option<String>,
    },
    /// Logs params and points of metrics to a run.
    Log {
        /// Id of the run.
        run: String,
        /// A point, for instance loss=0.5; can be repeated.
        #[arg(long = "metric", value_name = "METRIC=VALUE")]
        metrics: Vec<String>,
        /// Step of the points.
        #[arg(long, default_value_t = 0, value_name = "N")]
        step: i64,
        /// A param, for instance seed=1; can be repeated.
        #[arg(long = "param", value_name = "PARAM=VALUE")]
        params: Vec<String>,
    },
    /// Ends a run that no job works on.
    End {
        /// Its id.
        run: String,
        /// FINISHED, FAILED or KILLED.
        #[arg(long, default_value = "FINISHED")]
        status: String,
    },
    /// Shows runs side by side; params and metrics that are the same in all are left out.
    Compare {
        /// Ids of two runs or more.
        #[arg(required = true, num_args = 2..=20)]
        runs: Vec<String>,
        /// Shows what is the same, too.
        #[arg(long)]
        all: bool,
    },
}

#[derive(Subcommand)]
enum Artifacts {
    /// Lists the files of a run.
    Ls {
        /// Id of the run.
        run: String,
    },
    /// Downloads a file of a run, and verifies it.
    Get {
        /// Id of the run.
        run: String,
        /// Path of the file, for instance model/model.onnx.
        path: String,
        #[command(flatten)]
        target: Target,
    },
}

impl Command {
    pub(super) async fn run(self) -> Done {
        let session = self.common.open()?;
        match self.verb {
            Verb::Ls(query) => query.run(&session).await,
            Verb::Get { run } => session.show(session.client.v1(&["runs", &run])?, &RUN).await,
            Verb::Metrics { run, metric: None, .. } => latest(&session, &run).await,
            Verb::Metrics { run, metric: Some(metric), limit } => points(&session, &run, &metric, &limit).await,
            Verb::Artifacts(Artifacts::Ls { run }) => {
                let answer = session.client.get(session.client.v1(&["runs", &run, "artifacts"])?).await?;
                session.out.all(answer["items"].as_array().map(Vec::as_slice).unwrap_or_default(), &ARTIFACT)
            }
            Verb::Artifacts(Artifacts::Get { run, path, target }) => {
                let listed = session.client.get(session.client.v1(&["runs", &run, "artifacts"])?).await?;
                let mut url = session.client.v1(&["runs", &run, "artifacts", "content"])?;
                url.query_pairs_mut().append_pair("path", &path);
                session.download(url, &target, &path, digest_of(&listed, &path)).await
            }
            Verb::Create { experiment, name } => {
                let body = json!({ "experiment": experiment, "run_name": name });
                session.post(session.client.v1(&["runs"])?, &body, &RUN).await
            }
            Verb::Log { run, metrics, step, params } => log(&session, &run, &metrics, step, &params).await,
            Verb::End { run, status } => {
                let body = json!({ "status": status.to_uppercase() });
                session.post(session.client.v1(&["runs", &run, "end"])?, &body, &RUN).await
            }
            Verb::Compare { runs, all } => compare::run(&session, &runs, all).await,
        }
    }
}

async fn log(session: &Session, run: &str, metrics: &[String], step: i64, params: &[String]) -> Done {
    let split = |text: &String| {
        let pair = text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        pair.ok_or_else(|| Failure::usage(format!("{text:?} is not of the form NAME=VALUE")))
    };
    let now = SystemClock.now();
    let point = |text| {
        let (key, value) = split(text)?;
        // infinities and NaN travel as text
        let value = value.parse::<f64>().ok().filter(|value| value.is_finite()).map_or_else(|| Value::from(value), Value::from);
        Ok(json!({ "key": key, "value": value, "step": step, "timestamp": now.0 }))
    };
    let points = metrics.iter().map(point).collect::<Result<Vec<Value>, Failure>>()?;
    let params = params.iter().map(split).collect::<Result<BTreeMap<_, _>, Failure>>()?;
    let url = session.client.v1(&["runs", run, "metrics"])?;
    session.client.post(url, &json!({ "metrics": points, "params": params })).await.map(drop)
}

async fn latest(session: &Session, run: &str) -> Done {
    let run = session.client.get(session.client.v1(&["runs", run])?).await?;
    let metrics = run["metrics"].as_object().into_iter().flatten();
    let items: Vec<Value> = metrics.map(|(key, value)| json!({ "key": key, "value": value })).collect();
    session.out.all(&items, &METRIC)
}

async fn points(session: &Session, run: &str, key: &str, limit: &Limit) -> Done {
    let mut list = session.out.list(&POINT);
    let url = session.client.v1(&["runs", run, "metrics", key])?;
    let mut none = true;
    let more = session
        .client
        .pages(&url, limit.get(), |mut points| {
            none &= points.is_empty();
            for point in points.iter_mut().filter_map(Value::as_object_mut) {
                let at = point.get("timestamp").and_then(Value::as_i64).map(Timestamp);
                point.insert("at".to_owned(), json!(at));
            }
            list.page(&points)
        })
        .await?;
    if none {
        return Err(
            Failure::new(NOT_FOUND, format!("the run has no metric {key:?}")).next(format!("`slipway runs metrics {run}` lists them"))
        );
    }
    list.end()?;
    session.note_more(more, limit);
    Ok(())
}

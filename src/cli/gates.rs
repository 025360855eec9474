//! Gates and tags of models.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Value, json};

use super::failure::{Done, Failure};
use super::input;
use super::session::Session;

#[derive(Subcommand)]
pub(super) enum Tags {
    /// Sets a tag.
    Set {
        /// Name of the model.
        name: String,
        /// The tag.
        tag: String,
        /// Its value.
        value: String,
        /// Tags this version instead of the model.
        #[arg(long, value_name = "N")]
        version: Option<i64>,
    },
    /// Removes a tag.
    Rm {
        /// Name of the model.
        name: String,
        /// The tag.
        tag: String,
        /// Of this version instead of the model.
        #[arg(long, value_name = "N")]
        version: Option<i64>,
    },
}

#[derive(Subcommand)]
pub(super) enum Gates {
    /// Shows the gates of a model.
    Get {
        /// Name of the model.
        name: String,
    },
    /// Replaces the gates of a model; none lets every version pass.
    Set {
        /// Name of the model.
        name: String,
        /// A threshold, `METRIC>=X` or `METRIC<=X`; can be repeated.
        #[arg(long, value_name = "CONDITION")]
        metric: Vec<String>,
        /// A metric that must be higher than the champion's; can be repeated.
        #[arg(long, value_name = "METRIC")]
        higher: Vec<String>,
        /// A metric that must be lower than the champion's; can be repeated.
        #[arg(long, value_name = "METRIC")]
        lower: Vec<String>,
        /// The gates in a file, a JSON list as the API takes it; `-` is standard input.
        #[arg(long, value_name = "FILE", conflicts_with_all = ["metric", "higher", "lower"])]
        file: Option<PathBuf>,
    },
}

impl Tags {
    pub(super) async fn run(self, session: &Session) -> Done {
        let address = |name: &str, version: Option<i64>, tag: &str| match version {
            Some(version) => session.client.v1(&["models", name, "versions", &version.to_string(), "tags", tag]),
            None => session.client.v1(&["models", name, "tags", tag]),
        };
        match self {
            Self::Set { name, tag, value, version } => {
                session.client.put(address(&name, version, &tag)?, &json!({ "value": value })).await.map(drop)
            }
            Self::Rm { name, tag, version } => session.client.delete(address(&name, version, &tag)?).await,
        }
    }
}

impl Gates {
    pub(super) async fn run(self, session: &Session) -> Done {
        let model = match self {
            Self::Get { name } => session.client.get(session.client.v1(&["models", &name])?).await?,
            Self::Set { name, metric, higher, lower, file } => {
                let gates = match file {
                    Some(file) => input::document(&file)?,
                    None => read(&metric, &higher, &lower)?,
                };
                session.client.patch(session.client.v1(&["models", &name])?, &json!({ "gates": gates })).await?
            }
        };
        session.out.value(&model["gates"])
    }
}

fn read(thresholds: &[String], higher: &[String], lower: &[String]) -> Result<Value, Failure> {
    let mut gates = thresholds.iter().map(|condition| threshold(condition)).collect::<Result<Vec<_>, _>>()?;
    for (metrics, is_higher) in [(higher, true), (lower, false)] {
        let versus = |metric: &String| json!({ "kind": "metric_vs_champion", "metric": metric, "higher_is_better": is_higher });
        gates.extend(metrics.iter().map(versus));
    }
    Ok(Value::from(gates))
}

/// Reads `METRIC>=X` or `METRIC<=X`.
fn threshold(text: &str) -> Result<Value, Failure> {
    let bad = || Failure::usage(format!("{text:?} is no condition: write METRIC>=X or METRIC<=X"));
    let (metric, bound, value) = [(">=", "min"), ("<=", "max")]
        .iter()
        .find_map(|(sign, bound)| text.split_once(sign).map(|(metric, value)| (metric.trim(), *bound, value.trim())))
        .ok_or_else(bad)?;
    let value: f64 = value.parse().map_err(|_| bad())?;
    Ok(json!({ "kind": "metric_threshold", "metric": metric, bound: value }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read() {
        let gate = |bound: &str, value: f64| json!({ "kind": "metric_threshold", "metric": "a b", bound: value });
        assert_eq!(threshold("a b>=0.9").unwrap(), gate("min", 0.9));
        assert_eq!(threshold("a b <= 1e-3").unwrap(), gate("max", 0.001));
        assert!(threshold("a").is_err() && threshold("a>=x").is_err() && threshold("a=1").is_err());
    }
}

//! `slipway monitor`: how models are watched, and what was found.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::failure::{Done, Failure};
use super::input;
use super::output::{Form, View};
use super::session::{Common, Limit, Session};
use super::table::{Column, Kind};
use super::text;
use crate::clock::{Clock as _, SystemClock};

const MONITOR: View = View {
    plural: "monitors",
    name: "model",
    columns: &[
        Column::new("MODEL", "/model", Kind::Text),
        Column::new("ENABLED", "/enabled", Kind::Text),
        Column::new("WINDOW MS", "/window_ms", Kind::Number),
        Column::new("SCANNED THROUGH", "/scanned_through", Kind::Time),
        Column::new("RULES", "/rules", Kind::Map),
    ],
    more: &[],
};

const REPORT: View = View {
    plural: "reports",
    name: "report_id",
    columns: &[
        Column::new("REPORT", "/report_id", Kind::Text),
        Column::new("VERSION", "/version", Kind::Number),
        Column::new("STATE", "/state", Kind::State),
        Column::new("FROM", "/window_start", Kind::Time),
        Column::new("TO", "/window_end", Kind::Time),
        Column::new("ROWS", "/num_rows", Kind::Number),
        Column::new("DRIFTED", "/report/drifted_columns", Kind::Number),
        Column::new("OF", "/report/evaluated_columns", Kind::Number),
    ],
    more: &[],
};

const COLUMN: View = View {
    plural: "columns",
    name: "name",
    columns: &[
        Column::new("COLUMN", "/name", Kind::Text),
        Column::new("VERDICT", "/verdict", Kind::State),
        Column::new("STATISTIC", "/statistic_name", Kind::Text),
        Column::new("P", "/p_adjusted", Kind::Metric),
        Column::new("EFFECT", "/effect", Kind::Metric),
        Column::new("OF", "/effect_name", Kind::Text),
    ],
    more: &[],
};

/// Monitoring: drift of what models see and answer.
#[derive(Args)]
pub(super) struct Command {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    common: Common,
}

#[derive(Subcommand)]
enum Verb {
    /// Shows how a model is watched.
    Get {
        /// Name of the model.
        model: String,
    },
    /// Changes how a model is watched; what is not said stays.
    Set {
        /// Name of the model.
        model: String,
        /// Whether closed windows are compared.
        #[arg(long, value_name = "true|false")]
        enabled: Option<bool>,
        /// Length of a window, in whole minutes.
        #[arg(long, value_name = "MINUTES")]
        window: Option<u32>,
        /// A threshold, for instance drifted_share=0.25; can be repeated.
        #[arg(long = "rule", value_name = "NAME=VALUE")]
        rules: Vec<String>,
        /// Forgets all thresholds that were set before.
        #[arg(long)]
        reset_rules: bool,
    },
    /// Compares a span of traffic with what the model was made from, now.
    Evaluate {
        /// Name of the model.
        model: String,
        /// Number of the version; the champion when absent.
        #[arg(long, value_name = "N")]
        version: Option<i64>,
        /// Begin: RFC 3339, or how long ago, such as 15m.
        #[arg(long, value_name = "TIME", default_value = "15m")]
        from: String,
        /// End.
        #[arg(long, value_name = "TIME", default_value = "now")]
        to: String,
        /// Keeps the report; drift raises an alert.
        #[arg(long)]
        store: bool,
    },
    /// Lists drift reports, newest window first.
    Reports {
        /// Name of the model.
        model: String,
        /// Only of this version.
        #[arg(long, value_name = "N")]
        version: Option<i64>,
        /// Only of this state: OK, DRIFTED, INSUFFICIENT_DATA or SUPERSEDED.
        #[arg(long)]
        state: Option<String>,
        #[command(flatten)]
        limit: Limit,
    },
    /// Shows a drift report, column by column.
    Report {
        /// Name of the model.
        model: String,
        /// Id of the report.
        report: String,
    },
}

impl Command {
    pub(super) async fn run(self) -> Done {
        let session = self.common.open()?;
        let client = &session.client;
        match self.verb {
            Verb::Get { model } => session.show(client.v1(&["models", &model, "monitor"])?, &MONITOR).await,
            Verb::Set { model, enabled, window, rules, reset_rules } => set(&session, &model, enabled, window, &rules, reset_rules).await,
            Verb::Evaluate { model, version, from, to, store } => {
                let now = SystemClock.now();
                let read = |text: &str| text::time(text, now).map_err(Failure::usage);
                let body = json!({ "version": version, "from": read(&from)?, "to": read(&to)?, "store": store });
                let report = client.post(client.v1(&["models", &model, "monitor", "evaluate"])?, &body).await?;
                show(&session, &report)
            }
            Verb::Reports { model, version, state, limit } => {
                let mut url = client.v1(&["models", &model, "drift-reports"])?;
                url.query_pairs_mut()
                    .extend_pairs(version.iter().map(|version| ("version", version.to_string())))
                    .extend_pairs(state.iter().map(|state| ("state", state.to_uppercase())));
                session.list(url, &limit, &REPORT).await
            }
            Verb::Report { model, report } => {
                let report = client.get(client.v1(&["models", &model, "drift-reports", &report])?).await?;
                show(&session, &report)
            }
        }
    }
}

/// The API's PUT sets what is absent to its default; here it stays.
async fn set(session: &Session, model: &str, enabled: Option<bool>, window: Option<u32>, rules: &[String], reset: bool) -> Done {
    let url = session.client.v1(&["models", model, "monitor"])?;
    let monitor = session.client.get(url.clone()).await?;
    let mut body = json!({ "enabled": monitor["enabled"], "window_ms": monitor["window_ms"] });
    body["rules"] = if reset { json!({}) } else { monitor["rules"].clone() };
    if let Some(enabled) = enabled {
        body["enabled"] = json!(enabled);
    }
    if let Some(minutes) = window {
        body["window_ms"] = json!(i64::from(minutes) * 60_000);
    }
    for rule in rules {
        let (name, value) = input::pair(rule)?;
        input::set(&mut body, &format!("rules.{name}"), value)?;
    }
    session.out.one(&session.client.put(url, &body).await?, &MONITOR)
}

/// Shows a report, and as a table its columns below.
fn show(session: &Session, report: &Value) -> Done {
    session.out.one(report, &REPORT)?;
    if session.out.form != Form::Table {
        return Ok(());
    }
    let columns = report["report"]["columns"].as_array().map(Vec::as_slice).unwrap_or_default();
    super::output::print("\n")?;
    session.out.all(columns, &COLUMN)
}

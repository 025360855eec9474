//! `slipway runs ls`: which runs, and which of their columns.

use clap::Args;
use serde_json::{Map, Value, json};

use super::failure::{Done, Failure, NOT_FOUND};
use super::output::Listing;
use super::runs::RUN;
use super::session::{Limit, Session};
use super::table::{Column, Kind};
use crate::domain::time::Timestamp;

/// The most that a page of a search is asked to hold.
const PAGE: u64 = 500;

/// Which runs.
#[derive(Args)]
pub(super) struct Query {
    /// Only runs of this experiment.
    #[arg(long, value_name = "NAME")]
    experiment: Option<String>,
    /// Only runs that a filter finds.
    #[arg(long, value_name = "FILTER")]
    filter: Option<String>,
    /// Order, for instance `metrics.val_loss ASC`; can be repeated.
    #[arg(long, value_name = "KEY")]
    order_by: Vec<String>,
    /// Metrics that get a column of the table, between commas.
    #[arg(long, value_name = "KEYS", value_delimiter = ',')]
    metrics: Vec<String>,
    /// Params that get a column of the table, between commas.
    #[arg(long, value_name = "KEYS", value_delimiter = ',')]
    params: Vec<String>,
    #[command(flatten)]
    limit: Limit,
}

impl Query {
    pub(super) async fn run(self, session: &Session) -> Done {
        let metrics = self.metrics.iter().map(|key| Column::of_key("metrics", key, Kind::Metric));
        let params = self.params.iter().map(|key| Column::of_key("params", key, Kind::Text));
        let list = session.out.list(&RUN).with(metrics.chain(params));
        let experiment = match &self.experiment {
            Some(name) => Some(find(session, name).await?),
            None => None,
        };
        if self.filter.is_none() && self.order_by.is_empty() {
            let mut url = session.client.v1(&["runs"])?;
            url.query_pairs_mut().extend_pairs(experiment.iter().map(|id| ("experiment_id", id)));
            return session.list_in(url, &self.limit, list).await;
        }
        self.search(session, experiment, list).await
    }

    /// Searches through MLflow's door, whose language the filter is in.
    async fn search(&self, session: &Session, experiment: Option<String>, mut list: Listing<'_>) -> Done {
        let experiments = match experiment {
            Some(id) => vec![id],
            None => all(session).await?,
        };
        let url = session.client.at(&["api", "2.0", "mlflow", "runs", "search"])?;
        let mut left = self.limit.get().unwrap_or(u64::MAX);
        let mut token: Option<String> = None;
        let more = loop {
            let body = json!({ "experiment_ids": experiments, "filter": self.filter, "order_by": self.order_by,
                "max_results": left.min(PAGE), "page_token": token });
            let page = session.client.post(url.clone(), &body).await?;
            let runs: Vec<Value> = page["runs"].as_array().into_iter().flatten().map(native).collect();
            left = left.saturating_sub(runs.len() as u64);
            list.page(&runs)?;
            token = page["next_page_token"].as_str().map(str::to_owned);
            if token.is_none() || left == 0 {
                break token.is_some();
            }
        };
        list.end()?;
        session.note_more(more, &self.limit);
        Ok(())
    }
}

/// The id of an experiment.
async fn find(session: &Session, name: &str) -> Result<String, Failure> {
    let mut found = None;
    let url = session.client.v1(&["experiments"])?;
    let look = |items: Vec<Value>| {
        found =
            found.take().or_else(|| items.iter().find(|e| e["name"] == name).and_then(|e| e["experiment_id"].as_str().map(str::to_owned)));
        Ok(())
    };
    session.client.pages(&url, None, look).await?;
    found.ok_or_else(|| {
        Failure::new(NOT_FOUND, format!("there is no experiment {name:?}")).next("`slipway experiments ls` lists the experiments")
    })
}

/// The ids of all experiments.
async fn all(session: &Session) -> Result<Vec<String>, Failure> {
    let mut ids = Vec::new();
    let url = session.client.v1(&["experiments"])?;
    let keep = |items: Vec<Value>| {
        ids.extend(items.iter().filter_map(|e| e["experiment_id"].as_str().map(str::to_owned)));
        Ok(())
    };
    session.client.pages(&url, None, keep).await?;
    Ok(ids)
}

/// A run as the native API has it.
fn native(run: &Value) -> Value {
    let (info, data) = (&run["info"], &run["data"]);
    let map = |pairs: &Value| -> Map<String, Value> {
        let pairs = pairs.as_array().into_iter().flatten();
        pairs.filter_map(|pair| Some((pair["key"].as_str()?.to_owned(), pair["value"].clone()))).collect()
    };
    let time = |value: &Value| value.as_i64().map(Timestamp);
    json!({
        "run_id": info["run_id"], "run_name": info["run_name"], "experiment_id": info["experiment_id"], "status": info["status"],
        "start_time": time(&info["start_time"]), "end_time": time(&info["end_time"]), "user_id": info["user_id"],
        "params": map(&data["params"]), "metrics": map(&data["metrics"]), "tags": map(&data["tags"]),
    })
}

//! `slipway runs compare`: a line a param or metric, a column a run.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::failure::Done;
use super::output::View;
use super::session::Session;
use super::table::{Column, Kind};

const LINE: View = View {
    plural: "differences",
    name: "key",
    columns: &[Column::new("", "/of", Kind::Text), Column::new("KEY", "/key", Kind::Text)],
    more: &[],
};

pub(super) async fn run(session: &Session, ids: &[String], all: bool) -> Done {
    let mut runs = Vec::new();
    for id in ids {
        runs.push(session.client.get(session.client.v1(&["runs", id])?).await?);
    }
    let lines: Vec<Value> = ["params", "metrics"].iter().flat_map(|of| differences(&runs, ids, of, all)).collect();
    let columns = ids.iter().map(|id| Column::of_key("values", id, Kind::Metric));
    let mut list = session.out.list(&LINE).with(columns);
    list.page(&lines)?;
    list.end()
}

fn differences(runs: &[Value], ids: &[String], of: &str, all: bool) -> Vec<Value> {
    let keys: BTreeSet<&String> = runs.iter().filter_map(|run| run[of].as_object()).flat_map(Map::keys).collect();
    let mut lines = Vec::new();
    for key in keys {
        let values: Vec<Value> = runs.iter().map(|run| run[of].get(key).cloned().unwrap_or_default()).collect();
        if all || values.windows(2).any(|pair| pair[0] != pair[1]) {
            let values: Map<String, Value> = ids.iter().cloned().zip(values).collect();
            lines.push(json!({ "of": of.trim_end_matches('s'), "key": key, "values": values }));
        }
    }
    lines
}

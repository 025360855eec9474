//! Spans on their way in. What a batch tells about its traces is worked out before the transaction; within it, a batch is a
//! handful of statements, whatever its size.

use std::collections::BTreeMap;

use super::{check_pairs, location, traces};
use crate::domain::identity::Caller;
use crate::domain::trace::span::{NewSpan, storable, storable_map, storable_text};
use crate::domain::trace::summary::{TraceSummary, cut, summarise, total};
use crate::domain::trace::{COST_KEY, LOCATION_TAG, NAME_TAG, SPANS_HERE, SPANS_TAG, USAGE_KEY};
use crate::domain::tracking::Pair;
use crate::error::{Error, Result};
use crate::service::Tracking;
use crate::service::tracking::experiments;
use crate::store::Tx;
use traces::Touched;

/// Spans of one request.
pub const MAX_SPANS: usize = 20_000;
/// Spans of one trace whose tokens are added up.
const MAX_SUMMED: usize = 20_000;

/// What became of a batch of spans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ingested {
    /// Traces whose root was among them.
    pub ended: Vec<String>,
}

impl Tracking<'_> {
    /// Keeps spans; one that is there already is replaced. Traces that are not there are made in the experiment, others widened.
    /// The answer means that all of them are durable.
    pub async fn ingest_spans(&self, caller: &Caller, experiment_id: &str, mut spans: Vec<NewSpan>) -> Result<Ingested> {
        if spans.len() > MAX_SPANS {
            return Err(Error::invalid("too_many_spans", format!("at most {MAX_SPANS} spans are taken in one request")));
        }
        for span in &mut spans {
            make_storable(span);
        }
        let summaries = summarise(&spans);
        let ended = spans.iter().filter(|span| span.parent.is_none()).map(NewSpan::trace_id).collect();
        if spans.is_empty() {
            return Ok(Ingested { ended });
        }
        let app = self.0;
        let mut tx = app.db().begin().await?;
        let experiment = experiments::find(&mut tx, caller, experiment_id).await?;
        let touched = traces::touch(&mut tx, &caller.workspace, &experiment.id, &summaries).await?;
        traces::span::put(&mut tx, &touched, &spans).await?;
        let tags = tags_of(&summaries);
        let mut rows: Vec<(i64, &str, &str)> = Vec::new();
        let mut locations: Vec<(i64, String)> = Vec::new();
        for (id, trace) in &touched {
            rows.push((trace.seq, SPANS_TAG, SPANS_HERE));
            for pair in tags.get(id).into_iter().flatten() {
                rows.push((trace.seq, &pair.key, &pair.value));
            }
            // a trace that moved to another experiment was told about by its client, tags and all
            if trace.experiment_id == experiment.id && !trace.finalized {
                locations.push((trace.seq, location(&experiment, id)));
            }
        }
        rows.extend(locations.iter().map(|(seq, value)| (*seq, LOCATION_TAG, value.as_str())));
        traces::set_tags(&mut tx, &rows).await?;
        let known: Vec<(i64, &str, &str)> = summaries
            .iter()
            .filter_map(|summary| touched.get(&summary.trace_id).map(|trace| (trace.seq, summary)))
            .flat_map(|(seq, summary)| summary.metadata.iter().map(move |pair| (seq, pair.key.as_str(), pair.value.as_str())))
            .collect();
        traces::add_metadata(&mut tx, &known).await?;
        add_up(&mut tx, &touched, &summaries).await?;
        tx.commit().await?;
        app.nudge();
        Ok(Ingested { ended })
    }
}

/// Replaces what no database keeps.
fn make_storable(span: &mut NewSpan) {
    storable_text(&mut span.name);
    storable_text(&mut span.content.message);
    storable_map(&mut span.content.attributes);
    for event in &mut span.content.events {
        storable_text(&mut event.name);
        storable_map(&mut event.attributes);
    }
    for link in &mut span.content.links {
        storable_map(&mut link.attributes);
    }
    if span.resource.keys().any(|key| key.contains('\0')) || span.resource.values().any(|value| value.to_string().contains("\\u0000")) {
        let mut resource = serde_json::Value::Object(span.resource.as_ref().clone());
        storable(&mut resource);
        if let serde_json::Value::Object(fields) = resource {
            span.resource = fields.into();
        }
    }
}

/// Returns the tags that spans give their traces, by trace. What is no tag is left out: it is still with the spans.
fn tags_of(summaries: &[TraceSummary]) -> BTreeMap<String, Vec<Pair>> {
    let of_trace = |summary: &TraceSummary| {
        let tags = summary.tags.iter().map(|(key, value)| {
            let most = if key == NAME_TAG { 4096 } else { 8000 };
            Pair { key: key.clone(), value: cut(value, most) }
        });
        let fits = |pair: &Pair| {
            !super::KEPT_TAGS.contains(&pair.key.as_str()) && pair.key != LOCATION_TAG && check_pairs(std::slice::from_ref(pair)).is_ok()
        };
        tags.filter(fits).collect()
    };
    summaries.iter().map(|summary| (summary.trace_id.clone(), of_trace(summary))).collect()
}

/// Adds up tokens and money over all spans of traces, unless their clients have told the sums.
async fn add_up(tx: &mut Tx, touched: &BTreeMap<String, Touched>, summaries: &[TraceSummary]) -> Result<()> {
    let of: Vec<&Touched> =
        summaries.iter().filter(|summary| summary.has_usage).filter_map(|summary| touched.get(&summary.trace_id)).collect();
    let finalized: Vec<i64> = of.iter().filter(|trace| trace.finalized).map(|trace| trace.seq).collect();
    let told = traces::with_metadata(tx, &finalized, USAGE_KEY).await?;
    let mut sums: Vec<(i64, &str, String)> = Vec::new();
    for trace in of.iter().filter(|trace| !told.contains(&trace.seq)) {
        if let Some(nodes) = traces::span::usage(tx, trace.seq, MAX_SUMMED).await? {
            let (usage, cost) = total(&nodes);
            sums.extend(usage.map(|text| (trace.seq, USAGE_KEY, text)));
            sums.extend(cost.map(|text| (trace.seq, COST_KEY, text)));
        }
    }
    let rows: Vec<(i64, &str, &str)> = sums.iter().map(|(seq, key, text)| (*seq, *key, text.as_str())).collect();
    Ok(traces::set_metadata(tx, &rows).await?)
}

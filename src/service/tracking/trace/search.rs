//! Searches over traces.

use super::{invalid, traces};
use crate::domain::identity::Caller;
use crate::domain::search::{Cursor, Mark, TraceField, TraceOrder, TraceOrderField, parse_trace_filter, parse_trace_order};
use crate::domain::trace::TraceInfo;
use crate::domain::tracking::Pair;
use crate::error::Result;
use crate::service::Tracking;
use crate::service::tracking::search::{MAX_EXPERIMENTS, check_size, page};

/// What is looked for.
#[derive(Clone, Debug, Default)]
pub struct TraceSearch {
    /// Experiments to look into.
    pub experiments: Vec<String>,
    /// In MLflow's search language.
    pub filter: String,
    /// Columns in MLflow's search language.
    pub order_by: Vec<String>,
    /// Size of the page.
    pub max_results: i64,
    /// Token of the page before, or empty.
    pub page_token: String,
}

/// How often two filters pass together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Correlation {
    /// Traces that pass the first.
    pub first: i64,
    /// Traces that pass the second.
    pub second: i64,
    /// Traces that pass both.
    pub both: i64,
    /// Traces looked at.
    pub all: i64,
}

impl Correlation {
    /// Returns the normalised pointwise mutual information, from -1 for never together to 1 for always; `smooth` is added to
    /// each count of the table of four. None where it is not defined (Bouma, 2009).
    pub fn npmi(&self, smooth: f64) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "counts of rows")]
        let count = |n: i64| n as f64;
        if self.all == 0 || (smooth == 0.0 && (self.first == 0 || self.second == 0)) {
            return None;
        }
        if smooth == 0.0 && self.both == 0 {
            return Some(-1.0);
        }
        let both = count(self.both) + smooth;
        let first = count(self.first) + 2.0 * smooth;
        let second = count(self.second) + 2.0 * smooth;
        let all = count(self.all) + 4.0 * smooth;
        if both >= all {
            return Some(1.0);
        }
        let mutual = (both / all).ln() - (first / all).ln() - (second / all).ln();
        Some((mutual / -(both / all).ln()).clamp(-1.0, 1.0))
    }
}

impl Tracking<'_> {
    /// Returns a page of traces without their spans and the token of the next.
    pub async fn search_traces(&self, caller: &Caller, request: &TraceSearch) -> Result<(Vec<TraceInfo>, Option<String>)> {
        check_size(request.max_results)?;
        check_experiments(&request.experiments)?;
        let filter = parse_trace_filter(&request.filter)?;
        let order = parse_trace_order(&request.order_by)?;
        let after = Cursor::parse_traces(&order, &request.page_token)?;
        let scope = traces::search::Scope { workspace: &caller.workspace, experiments: &request.experiments };
        let mut tx = self.0.db().read().await?;
        let found = traces::search::search(&mut tx, scope, &filter, (&order, after.as_ref()), request.max_results + 1).await?;
        let infos = found.into_iter().map(|(_, info)| info).collect();
        Ok(page(infos, request.max_results, |last| cursor(&order, last)))
    }

    /// Counts how often two filters pass together, among the traces that pass a third.
    pub async fn correlate_traces(
        &self,
        caller: &Caller,
        experiments: &[String],
        (first, second): (&str, &str),
        base: &str,
    ) -> Result<Correlation> {
        check_experiments(experiments)?;
        let (first, second, base) = (parse_trace_filter(first)?, parse_trace_filter(second)?, parse_trace_filter(base)?);
        let scope = traces::search::Scope { workspace: &caller.workspace, experiments };
        let mut tx = self.0.db().read().await?;
        let all = traces::search::count(&mut tx, scope, &base).await?;
        let with_first = [base.as_slice(), first.as_slice()].concat();
        let with_second = [base.as_slice(), second.as_slice()].concat();
        let with_both = [base.as_slice(), first.as_slice(), second.as_slice()].concat();
        Ok(Correlation {
            first: traces::search::count(&mut tx, scope, &with_first).await?,
            second: traces::search::count(&mut tx, scope, &with_second).await?,
            both: traces::search::count(&mut tx, scope, &with_both).await?,
            all,
        })
    }
}

fn check_experiments(ids: &[String]) -> Result<()> {
    if ids.len() > MAX_EXPERIMENTS || ids.iter().any(|id| id.contains('\0')) {
        return Err(invalid(format!("Invalid value for parameter 'experiment_ids' supplied: at most {MAX_EXPERIMENTS} ids without NUL")));
    }
    Ok(())
}

fn cursor(order: &[TraceOrder], last: &TraceInfo) -> Cursor {
    let text = |value: &str| Mark::Text(value.to_owned());
    let pair = |pairs: &[Pair], key: &str| pairs.iter().find(|pair| pair.key == key).map_or(Mark::Missing, |pair| text(&pair.value));
    let mark = |column: &TraceOrder| match &column.field {
        TraceOrderField::Field(field) => match field {
            TraceField::RequestTime => Mark::Number(last.request_time),
            TraceField::EndTime => Mark::Number(last.end_time.unwrap_or(last.request_time)),
            TraceField::Duration => last.duration_ms().map_or(Mark::Missing, Mark::Number),
            TraceField::ClientRequestId => last.client_request_id.as_deref().map_or(Mark::Missing, text),
            TraceField::State => text(last.state.as_str()),
            TraceField::ExperimentId => text(&last.experiment_id),
            TraceField::Id => text(&last.trace_id),
        },
        TraceOrderField::Tag(key) => pair(&last.tags, key),
        TraceOrderField::Metadata(key) => pair(&last.metadata, key),
    };
    Cursor(order.iter().map(mark).collect())
}

#[cfg(test)]
mod tests {
    use super::Correlation;

    #[test]
    fn the_ends_of_the_scale_mean_never_and_always() {
        let of = |first, second, both, all| Correlation { first, second, both, all }.npmi(0.0);
        assert_eq!((of(5, 5, 0, 10), of(5, 5, 5, 10), of(10, 10, 10, 10)), (Some(-1.0), Some(1.0), Some(1.0)));
        assert_eq!((of(0, 5, 0, 10), of(0, 0, 0, 0)), (None, None));
        assert!(of(5, 4, 2, 10).unwrap().abs() < 1e-12, "independent");
        assert!(Correlation { first: 5, second: 5, both: 0, all: 10 }.npmi(0.5).unwrap() > -1.0);
    }
}

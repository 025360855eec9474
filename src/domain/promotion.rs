//! Moving an alias: what a version has to pass, and where a rollback leads.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Invalid;
use super::model::{AliasEventKind, ModelVersionState};
use super::run::Number;

/// A condition on a version's metrics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Gate {
    /// The metric is within bounds.
    MetricThreshold {
        /// Its key.
        metric: String,
        /// Least value.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<f64>,
        /// Greatest value.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<f64>,
    },
    /// The metric is better than that of the version which the alias points at; passed when there is none.
    MetricVsChampion {
        /// Its key.
        metric: String,
        /// Whether more is better.
        #[serde(default = "yes")]
        higher_is_better: bool,
        /// By how much it has to be better; a negative number allows it to be worse by as much.
        #[serde(default)]
        min_improvement: f64,
    },
}

fn yes() -> bool {
    true
}

/// What a gate said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GateResult {
    /// The gate.
    pub gate: Gate,
    /// Whether the version may pass.
    pub passed: bool,
    /// The version's value; none when it has no such metric.
    #[schema(value_type = Option<f64>)]
    pub value: Option<Number>,
    /// The champion's value, for gates that look at it.
    #[schema(value_type = Option<f64>)]
    pub champion: Option<Number>,
}

/// Metrics by key.
pub type Metrics = BTreeMap<String, Number>;

impl Gate {
    /// Checks that the gate can be passed and failed.
    pub fn check(&self) -> Result<(), Invalid> {
        let bad = |message: &str| Err(Invalid::new("invalid_gate", message));
        match self {
            Self::MetricThreshold { metric, .. } | Self::MetricVsChampion { metric, .. } if metric.is_empty() => {
                bad("a gate names a metric")
            }
            Self::MetricThreshold { min: None, max: None, .. } => bad("a threshold has min, max or both"),
            Self::MetricThreshold { min, max, .. } if [min, max].into_iter().flatten().any(|v| !v.is_finite()) => bad("bounds are finite"),
            Self::MetricVsChampion { min_improvement, .. } if !min_improvement.is_finite() => bad("min_improvement is finite"),
            _ => Ok(()),
        }
    }

    fn judge(&self, metrics: &Metrics, champion: Option<&Metrics>) -> GateResult {
        let find = |metrics: &Metrics, key: &str| metrics.get(key).copied().filter(|v| !v.0.is_nan());
        let (passed, value, champion) = match self {
            Self::MetricThreshold { metric, min, max } => {
                let value = find(metrics, metric);
                let passed = value.is_some_and(|v| min.is_none_or(|min| v.0 >= min) && max.is_none_or(|max| v.0 <= max));
                (passed, value, None)
            }
            Self::MetricVsChampion { metric, higher_is_better, min_improvement } => {
                let value = find(metrics, metric);
                let theirs = champion.and_then(|metrics| find(metrics, metric));
                let better = |v: f64, c: f64| if *higher_is_better { v - c >= *min_improvement } else { c - v >= *min_improvement };
                (value.is_some_and(|v| theirs.is_none_or(|c| better(v.0, c.0))), value, theirs)
            }
        };
        GateResult { gate: self.clone(), passed, value, champion }
    }
}

/// Where an alias points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pointer {
    /// The version; none when the alias was deleted or never set.
    pub version: Option<i64>,
    /// How often it moved, 0 before the first time.
    pub revision: i64,
}

/// A promotion that is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The version.
    pub version: i64,
    /// Where it stands.
    pub state: ModelVersionState,
    /// Its metrics.
    pub metrics: &'a Metrics,
    /// The revision that the caller saw.
    pub expected_revision: Option<i64>,
    /// Whether failed gates are overridden.
    pub override_gates: bool,
}

/// Why an alias does not move.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// Somebody else moved it.
    Revision,
    /// The version can't be served.
    NotReady,
    /// The version does not pass.
    Gates(Vec<GateResult>),
}

/// Decides a promotion: the gates' results when the alias is to move, `None` when it points there already.
pub fn promote(at: Pointer, to: &Candidate<'_>, gates: &[Gate], champion: Option<&Metrics>) -> Result<Option<Vec<GateResult>>, Refusal> {
    if to.expected_revision.is_some_and(|expected| expected != at.revision) {
        return Err(Refusal::Revision);
    }
    if to.state != ModelVersionState::Ready {
        return Err(Refusal::NotReady);
    }
    if at.version == Some(to.version) {
        return Ok(None);
    }
    let results: Vec<GateResult> = gates.iter().map(|gate| gate.judge(to.metrics, champion)).collect();
    if !to.override_gates && results.iter().any(|result| !result.passed) {
        return Err(Refusal::Gates(results));
    }
    Ok(Some(results))
}

/// A move of the past, for [`previous`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The revision after it.
    pub revision: i64,
    /// How the alias moved.
    pub kind: AliasEventKind,
    /// Where to.
    pub to: Option<i64>,
}

/// Finds the version that a plain rollback leads to, and the revision that it takes back: the one that the current version
/// replaced, or further back the first that `ready` accepts. A version that was itself rolled away from is not returned to.
pub fn previous(history: &[Step], ready: impl Fn(i64) -> bool) -> Option<(i64, i64)> {
    let mut path: Vec<(i64, i64)> = Vec::new();
    for step in history {
        let Some(to) = step.to else { continue };
        match (step.kind, path.iter().rposition(|(version, _)| *version == to)) {
            (AliasEventKind::Rollback, Some(place)) => path.truncate(place + 1),
            (_, Some(place)) if place + 1 == path.len() => {}
            _ => path.push((to, step.revision)),
        }
    }
    let (current, since) = path.pop()?;
    path.into_iter()
        .rev()
        .map(|(version, _)| version)
        .find(|version| *version != current && ready(*version))
        .map(|version| (version, since))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn metrics(pairs: &[(&str, f64)]) -> Metrics {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), Number(*value))).collect()
    }

    fn candidate<'a>(metrics: &'a Metrics, expected_revision: Option<i64>, override_gates: bool) -> Candidate<'a> {
        Candidate { version: 2, state: ModelVersionState::Ready, metrics, expected_revision, override_gates }
    }

    const AT: Pointer = Pointer { version: Some(1), revision: 7 };

    #[test]
    fn a_promotion_needs_the_revision_the_state_and_the_gates() {
        let own = metrics(&[("auc", 0.9)]);
        let gates = [Gate::MetricThreshold { metric: "auc".to_owned(), min: Some(0.95), max: None }];
        assert_eq!(promote(AT, &candidate(&own, Some(6), true), &gates, None), Err(Refusal::Revision));
        let quarantined = Candidate { state: ModelVersionState::Quarantined, ..candidate(&own, Some(7), true) };
        assert_eq!(promote(AT, &quarantined, &gates, None), Err(Refusal::NotReady));
        let Err(Refusal::Gates(results)) = promote(AT, &candidate(&own, Some(7), false), &gates, None) else { panic!("0.9 is below 0.95") };
        assert_eq!(results[0].value, Some(Number(0.9)));
        assert!(promote(AT, &candidate(&own, Some(7), true), &gates, None).unwrap().is_some());
        let same = Candidate { version: 1, ..candidate(&own, None, false) };
        assert_eq!(promote(AT, &same, &gates, None), Ok(None));
    }

    #[test]
    fn a_missing_metric_and_nan_pass_no_gate() {
        let threshold = Gate::MetricThreshold { metric: "auc".to_owned(), min: None, max: Some(2.0) };
        let against = Gate::MetricVsChampion { metric: "auc".to_owned(), higher_is_better: true, min_improvement: 0.0 };
        for own in [metrics(&[]), metrics(&[("auc", f64::NAN)])] {
            assert!(!threshold.judge(&own, None).passed);
            assert!(!against.judge(&own, None).passed);
        }
        let own = metrics(&[("auc", 0.9)]);
        assert!(against.judge(&own, None).passed, "there is no champion yet");
        assert!(against.judge(&own, Some(&metrics(&[("auc", 0.9)]))).passed);
        assert!(!against.judge(&own, Some(&metrics(&[("auc", 0.91)]))).passed);
        let lower = Gate::MetricVsChampion { metric: "auc".to_owned(), higher_is_better: false, min_improvement: 0.01 };
        assert!(lower.judge(&own, Some(&metrics(&[("auc", 0.92)]))).passed);
        assert!(!lower.judge(&own, Some(&metrics(&[("auc", 0.905)]))).passed);
    }

    fn steps(moves: &[(AliasEventKind, i64)]) -> Vec<Step> {
        (1..).zip(moves).map(|(revision, (kind, to))| Step { revision, kind: *kind, to: Some(*to) }).collect()
    }

    #[test]
    fn rollbacks_go_further_back_and_never_forth() {
        use AliasEventKind::{Promote, Rollback};
        let back = |moves: &[(AliasEventKind, i64)]| previous(&steps(moves), |_| true).map(|(version, _)| version);
        assert_eq!(back(&[]), None);
        assert_eq!(back(&[(Promote, 1)]), None);
        assert_eq!(back(&[(Promote, 1), (Promote, 2), (Promote, 3)]), Some(2));
        assert_eq!(back(&[(Promote, 1), (Promote, 2), (Promote, 3), (Rollback, 2)]), Some(1));
        assert_eq!(back(&[(Promote, 1), (Promote, 2), (Rollback, 1), (Promote, 4)]), Some(1));
        assert_eq!(back(&[(Promote, 1), (Promote, 2), (Promote, 1)]), Some(2));
        assert_eq!(previous(&steps(&[(Promote, 1), (Promote, 2), (Promote, 3)]), |v| v != 2), Some((1, 3)));
    }

    proptest! {
        /// However an alias moved, rolling back again and again ends, visits ready versions only and none twice in a row.
        #[test]
        fn rollbacks_end(moves in prop::collection::vec(1..5i64, 0..30), ready in prop::collection::vec(any::<bool>(), 5)) {
            let mut history = steps(&moves.iter().map(|to| (AliasEventKind::Promote, *to)).collect::<Vec<_>>());
            let mut count = 0;
            while let Some((to, _)) = previous(&history, |v| ready[v as usize]) {
                prop_assert!(ready[to as usize]);
                prop_assert_ne!(history.last().and_then(|step| step.to), Some(to));
                history.push(Step { revision: history.len() as i64 + 1, kind: AliasEventKind::Rollback, to: Some(to) });
                count += 1;
                prop_assert!(count <= moves.len());
            }
        }

        /// After any mixture of promotions, deletions and rollbacks, a rollback leads to a ready version that was served before and is
        /// not the one that is served now; it finds none only if there is none among those not rolled away from.
        #[test]
        fn a_rollback_leads_to_another_version_that_was_served(
            moves in prop::collection::vec(prop_oneof![3 => (1..6i64).prop_map(Some), 2 => Just(None)], 1..40),
            deletions in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
            ready in prop::collection::vec(any::<bool>(), 6),
        ) {
            let deletions: Vec<usize> = deletions.iter().map(|index| index.index(moves.len())).collect();
            let mut history: Vec<Step> = Vec::new();
            for (number, ask) in moves.iter().enumerate() {
                let revision = history.len() as i64 + 1;
                let served: Vec<i64> = history.iter().filter_map(|step| step.to).collect();
                let current = history.last().and_then(|step| step.to);
                let step = match ask {
                    _ if deletions.contains(&number) => Step { revision, kind: AliasEventKind::Delete, to: None },
                    Some(to) => Step { revision, kind: AliasEventKind::Promote, to: Some(*to) },
                    None => {
                        let Some((to, reverts)) = previous(&history, |version| ready[version as usize]) else { continue };
                        prop_assert!(ready[to as usize], "{} is not ready", to);
                        prop_assert!(served.contains(&to), "{} was never served", to);
                        prop_assert_ne!(Some(to), current);
                        prop_assert!((1..revision).contains(&reverts));
                        Step { revision, kind: AliasEventKind::Rollback, to: Some(to) }
                    }
                };
                history.push(step);
            }
        }
    }
}

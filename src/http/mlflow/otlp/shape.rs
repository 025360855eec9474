//! What both spellings have in common: ids, times and what makes a span unfit.

use crate::domain::trace::span::{NewSpan, SpanLink};
use crate::domain::trace::{hex, id_of};

/// Ids and times as they were sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Head<'a> {
    pub(super) trace: &'a [u8],
    pub(super) span: &'a [u8],
    pub(super) parent: &'a [u8],
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
}

/// Puts ids and times into a span.
///
/// # Errors
/// Why the span can't be kept.
pub(super) fn fit(head: Head<'_>, span: &mut NewSpan) -> Result<(), String> {
    span.trace = id(head.trace).ok_or_else(|| format!("a trace id of {} bytes", head.trace.len()))?;
    span.span = id(head.span).ok_or_else(|| format!("a span id of {} bytes", head.span.len()))?;
    span.parent = match head.parent.iter().all(|byte| *byte == 0) {
        true => None,
        false => Some(id(head.parent).ok_or_else(|| format!("a parent id of {} bytes", head.parent.len()))?),
    };
    let time = |ns: u64| i64::try_from(ns).map_err(|_| format!("a time of {ns} ns"));
    span.start_ns = time(head.start_ns)?;
    span.end_ns = Some(time(head.end_ns)?).filter(|ns| *ns > 0);
    Ok(())
}

/// Reads an id, which short ones stand at the end of.
fn id<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    let mut id = [0; N];
    let start = N.checked_sub(bytes.len())?;
    id.get_mut(start..)?.copy_from_slice(bytes);
    id.iter().any(|byte| *byte != 0).then_some(id)
}

/// Makes a link; none for one that leads nowhere.
pub(super) fn link(trace: &[u8], span: &[u8], attributes: serde_json::Map<String, serde_json::Value>) -> Option<SpanLink> {
    Some(SpanLink { trace_id: id_of(&id(trace)?), span_id: hex(&id::<8>(span)?), attributes })
}

/// Writes a double as JSON; what it has no number for is a text.
pub(super) fn double(value: f64) -> serde_json::Value {
    match serde_json::Number::from_f64(value) {
        Some(number) => serde_json::Value::Number(number),
        None if value.is_nan() => "NaN".into(),
        None if value > 0.0 => "Infinity".into(),
        None => "-Infinity".into(),
    }
}

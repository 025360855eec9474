//! What is said about traces.

use super::{held, invalid, no_trace, traces};
use crate::domain::identity::Caller;
use crate::domain::trace::assessment::{Assessment, AssessmentChange, AssessmentKind};
use crate::error::{Error, Result};
use crate::service::Tracking;

/// Longest text of an assessment in bytes.
const MAX_TEXT: usize = 65_536;

impl Tracking<'_> {
    /// Keeps what is said about a trace. What it overrides does not count any more.
    pub async fn create_assessment(&self, caller: &Caller, trace_id: &str, mut assessment: Assessment) -> Result<Assessment> {
        check(&assessment)?;
        self.complete(&mut assessment);
        let mut tx = self.0.db().begin().await?;
        let seq = held(&mut tx, caller, trace_id).await?;
        if let Some(other) = &assessment.overrides
            && !traces::assessment::set_valid(&mut tx, seq, other, false).await?
        {
            return Err(no_assessment(trace_id, other));
        }
        assessment.valid = true;
        traces::assessment::put(&mut tx, seq, &assessment).await?;
        tx.commit().await?;
        Ok(assessment)
    }

    /// Gives an assessment its id, and its times where the client gave none.
    pub(super) fn complete(&self, assessment: &mut Assessment) {
        if assessment.id.is_empty() {
            assessment.id = format!("a-{}", self.0.new_id());
        }
        for time in [&mut assessment.created_at, &mut assessment.updated_at] {
            if time.0 == 0 {
                *time = self.0.now();
            }
        }
    }

    /// Returns an assessment.
    pub async fn get_assessment(&self, caller: &Caller, trace_id: &str, id: &str) -> Result<Assessment> {
        if trace_id.contains('\0') || id.contains('\0') {
            return Err(no_trace(trace_id));
        }
        let mut tx = self.0.db().read().await?;
        let (seq, _) = traces::find(&mut tx, &caller.workspace, trace_id).await?.ok_or_else(|| no_trace(trace_id))?;
        traces::assessment::find(&mut tx, seq, id).await?.ok_or_else(|| no_assessment(trace_id, id))
    }

    /// Changes an assessment; its source and its kind stay.
    pub async fn update_assessment(&self, caller: &Caller, trace_id: &str, id: &str, change: AssessmentChange) -> Result<Assessment> {
        if change.feedback.is_some() && change.expectation.is_some() {
            return Err(invalid("Cannot specify both `expectation` and `feedback` parameters."));
        }
        if id.contains('\0') {
            return Err(no_assessment(trace_id, id));
        }
        let mut tx = self.0.db().begin().await?;
        let seq = held(&mut tx, caller, trace_id).await?;
        let found = traces::assessment::find(&mut tx, seq, id).await?;
        let mut assessment = found.ok_or_else(|| no_assessment(trace_id, id))?;
        if let Some(value) = change.expectation {
            if assessment.kind != AssessmentKind::Expectation {
                return Err(invalid("Cannot update expectation value on a Feedback assessment."));
            }
            assessment.value = value;
        }
        if let Some((value, error)) = change.feedback {
            if assessment.kind != AssessmentKind::Feedback {
                return Err(invalid("Cannot update feedback value on an Expectation assessment."));
            }
            (assessment.value, assessment.error) = (value, error);
        }
        if let Some(name) = change.name {
            assessment.name = name;
        }
        if change.rationale.is_some() {
            assessment.rationale = change.rationale;
        }
        assessment.metadata.extend(change.metadata);
        assessment.updated_at = self.0.now();
        check(&assessment)?;
        traces::assessment::put(&mut tx, seq, &assessment).await?;
        tx.commit().await?;
        Ok(assessment)
    }

    /// Deletes an assessment; what it overrode counts again. One that is not there changes nothing.
    pub async fn delete_assessment(&self, caller: &Caller, trace_id: &str, id: &str) -> Result<()> {
        let mut tx = self.0.db().begin().await?;
        let seq = held(&mut tx, caller, trace_id).await?;
        if id.contains('\0') {
            return Ok(());
        }
        let Some(assessment) = traces::assessment::find(&mut tx, seq, id).await? else { return Ok(()) };
        if let Some(other) = &assessment.overrides {
            traces::assessment::set_valid(&mut tx, seq, other, true).await?;
        }
        traces::assessment::delete(&mut tx, seq, id).await?;
        tx.commit().await?;
        Ok(())
    }
}

fn no_assessment(trace_id: &str, id: &str) -> Error {
    Error::not_found("assessment_not_found", format!("Assessment with ID '{id}' not found for trace '{trace_id}'"))
}

/// Checks an assessment.
pub(super) fn check(a: &Assessment) -> Result<()> {
    if a.name.is_empty() || a.name.chars().count() > 250 {
        return Err(invalid("Invalid value for parameter 'assessment_name' supplied: it must have 1 to 250 characters"));
    }
    let texts = [&a.id, &a.name, &a.source_type, &a.source_id].into_iter();
    let more = [&a.run_id, &a.span_id, &a.rationale, &a.overrides].into_iter().flatten();
    for text in texts.chain(more) {
        if text.contains('\0') || text.len() > MAX_TEXT {
            return Err(invalid(format!("a text of an assessment contains a NUL character or has more than {MAX_TEXT} bytes")));
        }
    }
    Ok(())
}

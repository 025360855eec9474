//! Registered models, their versions, and the aliases that point at versions. Names are MLflow's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Invalid;
use super::promotion::{Gate, GateResult};
use super::registry::ModelStage;
use super::run::Number;
use super::time::Timestamp;

/// Where a version stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ModelVersionState {
    /// Announced.
    PendingRegistration,
    /// Can be promoted and served.
    Ready,
    /// Could not be registered.
    FailedRegistration,
    /// Its bytes do not match its digest.
    Quarantined,
    /// Should not be promoted any more.
    Deprecated,
    /// Put aside.
    Archived,
    /// Gone.
    Deleted,
}

impl ModelVersionState {
    const ALL: [(Self, &'static str); 7] = [
        (Self::PendingRegistration, "PENDING_REGISTRATION"),
        (Self::Ready, "READY"),
        (Self::FailedRegistration, "FAILED_REGISTRATION"),
        (Self::Quarantined, "QUARANTINED"),
        (Self::Deprecated, "DEPRECATED"),
        (Self::Archived, "ARCHIVED"),
        (Self::Deleted, "DELETED"),
    ];

    /// Returns the name as stored.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(state, _)| *state == self).map_or("", |(_, name)| name)
    }

    /// Reads a stored name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(state, _)| *state)
    }

    /// Tells whether a version may go from here to `to`.
    pub fn allows(self, to: Self) -> bool {
        matches!(
            (self, to),
            (Self::PendingRegistration, Self::Ready | Self::FailedRegistration)
                | (Self::Ready, Self::Quarantined | Self::Deprecated)
                | (Self::Quarantined, Self::Ready | Self::Deprecated)
                | (Self::Deprecated, Self::Ready | Self::Archived | Self::Quarantined)
                | (Self::Archived, Self::Deleted | Self::Deprecated)
        )
    }
}

/// A registered model.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct RegisteredModel {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What a version has to pass before it is promoted.
    pub gates: Vec<Gate>,
    /// Number of the newest version, 0 before the first.
    pub last_version: i64,
    /// Which version each alias points at.
    pub aliases: BTreeMap<String, i64>,
    /// Labels that people put on it.
    pub tags: BTreeMap<String, String>,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A version of a registered model. Its content never changes.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ModelVersion {
    /// Its id.
    pub id: String,
    /// The model.
    pub name: String,
    /// Its number from 1.
    pub version: i64,
    /// Where it stands.
    pub status: ModelVersionState,
    /// What a person should know about that.
    pub status_message: String,
    /// What it is.
    pub description: String,
    /// The run that made it.
    pub run_id: Option<String>,
    /// `sha256:` over paths, digests and sizes of its files.
    pub manifest_digest: String,
    /// `sha256:` of the model file.
    pub model_digest: String,
    /// Size of its files in bytes.
    pub size_bytes: i64,
    /// How the model file is written, for instance `onnx`; empty when the files are not kept here.
    pub flavor: String,
    /// Why it can't be served; none when it can.
    pub unservable: Option<String>,
    /// Where it came from, for instance `runs:/…/model`.
    pub source: String,
    /// Where its files are when they are not kept here; else empty.
    pub location: String,
    /// A page about the run that made it, on another server.
    pub run_link: String,
    /// The logged model that it was made from, as MLflow's clients know it.
    pub logged_model_id: Option<String>,
    /// The stage that MLflow's clients put it into.
    pub stage: ModelStage,
    /// Inputs, outputs, task and class labels.
    pub signature: serde_json::Value,
    /// Digests of the data that it was made from.
    pub dataset_digests: Vec<String>,
    /// Figures from its run.
    #[schema(value_type = BTreeMap<String, f64>)]
    pub metrics: BTreeMap<String, Number>,
    /// Aliases that point at it.
    pub aliases: Vec<String>,
    /// Labels that people put on it.
    pub tags: BTreeMap<String, String>,
    /// Who registered it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// An alias of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Alias {
    /// The model.
    pub name: String,
    /// The alias, for instance `champion`.
    pub alias: String,
    /// The version that it points at; none after it was deleted.
    pub version: Option<i64>,
    /// Grows with every move: pass it as `expected_revision` to move the alias only if nobody else did.
    pub revision: i64,
    /// When it last moved.
    pub updated_at: Timestamp,
}

/// How an alias moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum AliasEventKind {
    /// To a version that passed the gates, or for which they were overridden.
    Promote,
    /// Back to a version of its history.
    Rollback,
    /// Nowhere.
    Delete,
}

impl AliasEventKind {
    /// Returns the name as stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Promote => "PROMOTE",
            Self::Rollback => "ROLLBACK",
            Self::Delete => "DELETE",
        }
    }

    /// Reads a stored name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Promote, Self::Rollback, Self::Delete].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// One move of an alias. The history is only ever appended to.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct AliasEvent {
    /// The alias's revision after the move.
    pub revision: i64,
    /// How it moved.
    pub kind: AliasEventKind,
    /// From which version.
    pub from_version: Option<i64>,
    /// To which.
    pub to_version: Option<i64>,
    /// Of a rollback: the revision that it took back.
    pub reverts_revision: Option<i64>,
    /// Digest of the version that it moved to.
    pub manifest_digest: Option<String>,
    /// What the gates said.
    pub gates: Vec<GateResult>,
    /// Who moved it.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// Checks the name of an alias by MLflow's rule: letters, digits, `_` and `-`; not `latest`, not `v` and a number.
pub fn check_alias(alias: &str) -> Result<(), Invalid> {
    let letters = alias.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let number = alias.strip_prefix(['v', 'V']).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()));
    if alias.is_empty() || alias.len() > 255 || !letters || number || alias.eq_ignore_ascii_case("latest") {
        let message = "an alias has 1 to 255 letters, digits, '_' or '-', and is neither 'latest' nor 'v' and a number";
        return Err(Invalid::new("invalid_alias", message));
    }
    Ok(())
}

/// Checks a tag: a key of 1 to 250 bytes and a value of at most 5000.
pub fn check_tag(key: &str, value: &str) -> Result<(), Invalid> {
    if key.is_empty() || key.len() > 250 || value.len() > 5000 || key.contains('\0') || value.contains('\0') {
        return Err(Invalid::new("invalid_tag", "the key of a tag has 1 to 250 bytes, its value at most 5000, neither holds NUL"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_follow_mlflows_rule() {
        for good in ["champion", "a-b_c", "v", "vx1", "1"] {
            assert!(check_alias(good).is_ok(), "{good}");
        }
        for bad in ["", "latest", "Latest", "v1", "V12", "a b", "é", "a/b"] {
            assert_eq!(check_alias(bad).unwrap_err().code, "invalid_alias", "{bad}");
        }
    }

    #[test]
    fn stored_names_are_read_back_and_nothing_leaves_the_last_state() {
        for (state, name) in ModelVersionState::ALL {
            assert_eq!(ModelVersionState::parse(name), Some(state));
            assert_eq!(serde_json::to_value(state).unwrap(), name);
            assert!(!ModelVersionState::Deleted.allows(state));
        }
    }
}

//! Who is calling, in which workspace, and what the roles may do.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::time::Timestamp;

/// The workspace that exists from the first start on.
pub const DEFAULT_WORKSPACE: &str = "default";

/// What a caller may do; each role includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads and predicts.
    Viewer,
    /// Uploads data, logs runs, submits jobs, registers versions.
    Developer,
    /// Promotes, rolls back, deletes.
    Operator,
    /// Manages keys.
    Admin,
}

impl Role {
    /// Returns the name as stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Developer => "developer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// Reads a stored name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Viewer, Self::Developer, Self::Operator, Self::Admin].into_iter().find(|role| role.as_str() == text)
    }
}

/// What a route asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Anyone who reaches the port, without credentials.
    Public,
    /// Any valid credentials of at least this role.
    AtLeast(Role),
}

/// An authenticated caller. Every query takes its workspace from here and from nowhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The workspace whose rows the caller sees.
    pub workspace: String,
    /// Who it is, as written into histories: `key:<id>`, `local` or `system`.
    pub principal: String,
    /// What it may do.
    pub role: Role,
}

impl Caller {
    /// The owner of the machine, on loopback and without a key.
    pub fn local() -> Self {
        Self { workspace: DEFAULT_WORKSPACE.to_owned(), principal: "local".to_owned(), role: Role::Admin }
    }

    /// Whoever uses a key of `workspace`.
    pub fn of_key(workspace: String, key: &ApiKey) -> Self {
        Self { workspace, principal: format!("key:{}", key.key_id), role: key.role }
    }

    /// slipway itself, acting in `workspace`.
    pub fn system(workspace: &str) -> Self {
        Self { workspace: workspace.to_owned(), principal: "system".to_owned(), role: Role::Admin }
    }
}

/// An API key without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApiKey {
    /// Public part of the key.
    pub key_id: String,
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl ApiKey {
    /// Tells whether the key is neither revoked nor expired.
    pub fn works_at(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| end > now)
    }
}

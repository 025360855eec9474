//! `slipway keys`.

use clap::{Args, Subcommand};
use serde_json::json;

use super::failure::{Done, Failure};
use super::output::{Form, View, print};
use super::session::{Common, Limit};
use super::table::{Column, Kind};
use super::text;
use crate::clock::{Clock as _, SystemClock};
use crate::domain::time::Timestamp;

const KEY: View = View {
    plural: "keys",
    name: "key_id",
    columns: &[
        Column::new("KEY", "/key_id", Kind::Text),
        Column::new("NAME", "/name", Kind::Text),
        Column::new("ROLE", "/role", Kind::Text),
        Column::new("CREATED", "/created_at", Kind::Time),
        Column::new("EXPIRES", "/expires_at", Kind::Time),
        Column::new("REVOKED", "/revoked_at", Kind::Time),
        Column::new("BY", "/created_by", Kind::Text),
    ],
    more: &[],
};

/// API keys and their roles.
#[derive(Args)]
pub(super) struct Command {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    common: Common,
}

#[derive(Subcommand)]
enum Verb {
    /// Lists keys by id, revoked ones included; secrets are not kept.
    Ls {
        #[command(flatten)]
        limit: Limit,
    },
    /// Makes a key. The secret is printed this once.
    Create {
        /// What people call it.
        name: String,
        /// What it may do: viewer, developer, operator or admin, each including the ones before.
        #[arg(long)]
        role: String,
        /// When it stops working: RFC 3339, or in how many days, such as 90d.
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
    },
    /// Revokes a key, at once and for good.
    Revoke {
        /// Its id.
        id: String,
        /// Does not ask.
        #[arg(long)]
        yes: bool,
    },
}

impl Command {
    pub(super) async fn run(self) -> Done {
        let session = self.common.open()?;
        let client = &session.client;
        match self.verb {
            Verb::Ls { limit } => session.list(client.v1(&["keys"])?, &limit, &KEY).await,
            Verb::Create { name, role, expires } => {
                let expires = expires.as_deref().map(|text| expiry(text, SystemClock.now())).transpose()?;
                let body = json!({ "name": name, "role": role.to_lowercase(), "expires_at": expires });
                let made = client.post(client.v1(&["keys"])?, &body).await?;
                if session.out.form != Form::Table {
                    return session.out.one(&made, &KEY);
                }
                let (id, role) = (text::scalar(&made["key_id"]), text::scalar(&made["role"]));
                session.out.note(&format!("key {id} of role {role}; its secret is shown this once:"));
                print(&format!("{}\n", made["key"].as_str().unwrap_or_default()))
            }
            Verb::Revoke { id, yes } => {
                session.confirm(&format!("revokes the key {id}"), yes)?;
                client.delete(client.v1(&["keys", &id])?).await
            }
        }
    }
}

fn expiry(when: &str, now: Timestamp) -> Result<Timestamp, Failure> {
    let days = when.strip_suffix('d').and_then(|days| days.parse::<u32>().ok());
    let time = days.map(|days| now.plus_ms(i64::from(days) * 86_400_000)).or_else(|| Timestamp::parse(when));
    time.ok_or_else(|| Failure::usage(format!("{when:?} is no time: write 2027-01-31T12:00:00Z, or in how many days, such as 90d")))
}

//! `slipway events`: what happened, and what happens.

use std::time::Duration;

use clap::{Args, Subcommand};
use reqwest::{Method, Response};
use serde_json::Value;

use super::failure::{Done, Failure, UNAVAILABLE};
use super::output::View;
use super::session::{Common, Session};
use super::table::{Column, Kind};
use super::text;

const EVENT: View = View {
    plural: "events",
    name: "seq",
    columns: &[
        Column::new("SEQ", "/seq", Kind::Number),
        Column::new("AT", "/at", Kind::Time),
        Column::new("KIND", "/kind", Kind::Text),
        Column::new("ENTITY", "/entity", Kind::Text),
        Column::new("ID", "/entity_id", Kind::Text),
        Column::new("BY", "/actor", Kind::Text),
    ],
    more: &[],
};

/// The most that a request lists.
const PAGE: u64 = 1_000;
/// The server says something every 15 s; one that is silent for longer is gone.
const SILENCE: Duration = Duration::from_secs(45);
/// How often a stream that broke off is taken up again without an event in between.
const TRIES: u32 = 8;
/// The longest line of a stream.
const LONGEST: usize = 16 << 20;

/// Events: everything that changed, in the order in which it did.
#[derive(Args)]
pub(super) struct Command {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    common: Common,
}

#[derive(Subcommand)]
enum Verb {
    /// Lists events.
    Ls {
        /// Only those after this number.
        #[arg(long, default_value_t = 0, value_name = "SEQ")]
        after: i64,
        /// Events at most; 0 for all.
        #[arg(long, default_value_t = 100, value_name = "N")]
        limit: u64,
    },
    /// Prints events as they happen, a line each; a connection that breaks is taken up again without a gap.
    Follow {
        /// Begins after this number; with those to come when absent.
        #[arg(long, value_name = "SEQ")]
        after: Option<i64>,
        /// Only events of this kind, for instance drift.detected; can be repeated.
        #[arg(long)]
        kind: Vec<String>,
        /// Ends after so many events.
        #[arg(long, value_name = "N")]
        count: Option<u64>,
    },
}

impl Command {
    pub(super) async fn run(self) -> Done {
        let session = self.common.open()?;
        match self.verb {
            Verb::Ls { after, limit } => list(&session, after, limit).await,
            Verb::Follow { after, kind, count } => {
                Follow { session: &session, after, kinds: kind, left: count.unwrap_or(u64::MAX) }.run().await
            }
        }
    }
}

async fn list(session: &Session, mut after: i64, limit: u64) -> Done {
    let mut list = session.out.list(&EVENT);
    let mut left = if limit == 0 { u64::MAX } else { limit };
    while left > 0 {
        let mut url = session.client.v1(&["events"])?;
        let size = left.min(PAGE);
        url.query_pairs_mut().append_pair("after", &after.to_string()).append_pair("limit", &size.to_string());
        let answer = session.client.get(url).await?;
        let items = answer["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        list.page(items)?;
        left -= items.len() as u64;
        let Some(last) = items.last().filter(|_| items.len() as u64 == size) else { break };
        after = last["seq"].as_i64().unwrap_or(i64::MAX);
    }
    list.end()
}

/// A stream of events that outlives its connections.
struct Follow<'a> {
    session: &'a Session,
    after: Option<i64>,
    kinds: Vec<String>,
    left: u64,
}

impl Follow<'_> {
    async fn run(mut self) -> Done {
        let mut tries = 0;
        while self.left > 0 {
            let seen = self.after;
            let ended = match self.open().await {
                Ok(stream) => self.read(stream).await,
                Err(e) => Err(e),
            };
            match ended {
                Err(e) if e.code() != UNAVAILABLE || tries == TRIES => return Err(e),
                // once it has begun there is a place to take it up again from
                Err(e) if self.after.is_none() => return Err(e),
                Ok(()) | Err(_) => {}
            }
            tries = if self.after == seen { tries + 1 } else { 0 };
            if self.left > 0 {
                tokio::time::sleep(Duration::from_millis(250) * 2_u32.pow(tries.min(5))).await;
            }
        }
        Ok(())
    }

    async fn open(&mut self) -> Result<Response, Failure> {
        let client = &self.session.client;
        if self.after.is_none() {
            self.after = Some(last(self.session).await?);
        }
        let mut url = client.v1(&["events", "stream"])?;
        url.query_pairs_mut().extend_pairs(self.after.iter().map(|after| ("after", after.to_string())));
        let answer = client.request(Method::GET, url).send().await.map_err(|e| client.unreachable(&e))?;
        client.good(answer).await
    }

    /// Prints what a connection brings until it ends.
    async fn read(&mut self, mut stream: Response) -> Done {
        let server = self.session.client.base().clone();
        let broken = || Failure::new(UNAVAILABLE, format!("{server} has stopped sending events"));
        let mut waiting: Vec<u8> = Vec::new();
        loop {
            let Ok(Ok(chunk)) = tokio::time::timeout(SILENCE, stream.chunk()).await else { return Err(broken()) };
            let Some(chunk) = chunk else { return Ok(()) };
            waiting.extend_from_slice(&chunk);
            while let Some(end) = waiting.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = waiting.drain(..=end).collect();
                let Some(data) = line.strip_prefix(b"data:") else { continue };
                let Ok(event) = serde_json::from_slice::<Value>(data) else { continue };
                self.after = event["seq"].as_i64().or(self.after);
                self.show(&event)?;
                if self.left == 0 {
                    return Ok(());
                }
            }
            if waiting.len() > LONGEST {
                return Err(broken());
            }
        }
    }

    fn show(&mut self, event: &Value) -> Done {
        if !self.kinds.is_empty() && !self.kinds.iter().any(|kind| event["kind"] == **kind) {
            return Ok(());
        }
        self.left -= 1;
        let out = &self.session.out;
        out.line(event, &EVENT, || {
            let word = |name: &str| text::scalar(&event[name]);
            format!("{}  {}  {}  {} {}  by {}", word("seq"), word("at"), word("kind"), word("entity"), word("entity_id"), word("actor"))
        })
    }
}

/// The number of the last event that there is. Numbers have no gaps, so halving finds it.
async fn last(session: &Session) -> Result<i64, Failure> {
    let (mut low, mut high) = (0, 1);
    while is_any_after(session, high).await? {
        low = high;
        high *= 2;
    }
    while low < high {
        let middle = (low + high) / 2;
        if is_any_after(session, middle).await? { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}

async fn is_any_after(session: &Session, seq: i64) -> Result<bool, Failure> {
    let mut url = session.client.v1(&["events"])?;
    url.query_pairs_mut().append_pair("after", &seq.to_string()).append_pair("limit", "1");
    Ok(session.client.get(url).await?["items"].as_array().is_some_and(|items| !items.is_empty()))
}

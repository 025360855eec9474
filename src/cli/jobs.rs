//! `slipway jobs`.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::failure::{Done, Failure};
use super::follow::follow;
use super::output::View;
use super::session::{Common, Limit, Session};
use super::table::{Column, Kind};
use super::text;

/// A job.
pub(super) const JOB: View = View {
    plural: "jobs",
    name: "job_id",
    columns: &[
        Column::new("JOB", "/job_id", Kind::Text),
        Column::new("STATE", "/state", Kind::State),
        Column::new("DATA SET", "/spec/dataset", Kind::Text),
        Column::new("DONE", "/progress/completed", Kind::Number),
        Column::new("OF", "/progress/total", Kind::Number),
        Column::new("MODEL", "/spec/register_as", Kind::Text),
        Column::new("VERSION", "/result/version", Kind::Number),
        Column::new("CREATED", "/created_at", Kind::Time),
    ],
    more: &[
        Column::new("RUN", "/run_id", Kind::Text),
        Column::new("REASON", "/termination_reason", Kind::Text),
        Column::new("MESSAGE", "/message", Kind::Text),
        Column::new("ATTEMPT", "/attempt_no", Kind::Number),
        Column::new("FAILURES", "/failures", Kind::Number),
        Column::new("LOST", "/lost", Kind::Number),
        Column::new("ENDED", "/ended_at", Kind::Time),
        Column::new("BY", "/created_by", Kind::Text),
    ],
};

const ATTEMPT: View = View {
    plural: "attempts",
    name: "attempt_no",
    columns: &[
        Column::new("ATTEMPT", "/attempt_no", Kind::Number),
        Column::new("STATE", "/state", Kind::State),
        Column::new("WORKER", "/worker_id", Kind::Text),
        Column::new("LEASED", "/leased_at", Kind::Time),
        Column::new("ENDED", "/ended_at", Kind::Time),
        Column::new("FROM STEP", "/resume_step", Kind::Number),
        Column::new("REASON", "/termination_reason", Kind::Text),
        Column::new("MESSAGE", "/message", Kind::Text),
    ],
    more: &[],
};

const LINE: View = View { plural: "lines", name: "text", columns: &[], more: &[] };

/// How often the log of a job is read while it is followed.
const LOOK: Duration = Duration::from_millis(500);

/// Jobs on the queue: what they do, and how they ended.
#[derive(Args)]
pub(super) struct Command {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    common: Common,
}

#[derive(Subcommand)]
enum Verb {
    /// Lists jobs, newest first.
    Ls {
        /// Only jobs of this state: PENDING, RUNNING, SUCCEEDED, FAILED, TIMEOUT or CANCELED.
        #[arg(long)]
        state: Option<String>,
        #[command(flatten)]
        limit: Limit,
    },
    /// Shows a job.
    Get {
        /// Its id.
        job: String,
        /// Follows it to its end; the exit code is 1 unless it succeeds.
        #[arg(long, short)]
        watch: bool,
    },
    /// Lists the attempts of a job.
    Attempts {
        /// Its id.
        job: String,
    },
    /// Prints what a job reported: its attempts, and its figures step by step.
    Logs {
        /// Its id.
        job: String,
        /// Goes on until the job has ended.
        #[arg(long, short)]
        follow: bool,
    },
    /// Asks a job to stop. From the answer on it will not succeed.
    Cancel {
        /// Its id.
        job: String,
    },
}

impl Command {
    pub(super) async fn run(self) -> Done {
        let session = self.common.open()?;
        match self.verb {
            Verb::Ls { state, limit } => {
                let mut url = session.client.v1(&["jobs"])?;
                if let Some(state) = state {
                    url.query_pairs_mut().append_pair("state", &state.to_uppercase());
                }
                session.list(url, &limit, &JOB).await
            }
            Verb::Get { job, watch: true } => follow(&session, &job).await,
            Verb::Get { job, watch: false } => session.show(session.client.v1(&["jobs", &job])?, &JOB).await,
            Verb::Attempts { job } => {
                let answer = session.client.get(session.client.v1(&["jobs", &job, "attempts"])?).await?;
                session.out.all(answer["items"].as_array().map(Vec::as_slice).unwrap_or_default(), &ATTEMPT)
            }
            Verb::Logs { job, follow } => logs(&session, &job, follow).await,
            Verb::Cancel { job } => session.post(session.client.v1(&["jobs", &job, "cancel"])?, &json!({}), &JOB).await,
        }
    }
}

/// What was printed already.
#[derive(Default)]
struct Printed {
    /// Attempts, and whether their end was told.
    attempts: BTreeMap<i64, bool>,
    /// Of each metric the page that was the last, and its last step.
    points: BTreeMap<String, (Option<String>, Option<i64>)>,
}

async fn logs(session: &Session, job_id: &str, follow: bool) -> Done {
    let mut printed = Printed::default();
    loop {
        // read first: what the job reports before its end is there when it has ended
        let job = session.client.get(session.client.v1(&["jobs", job_id])?).await?;
        let mut lines = attempts(session, job_id, &mut printed).await?;
        lines.extend(points(session, &job, &mut printed).await?);
        lines.sort_by(|a, b| a["at"].as_str().cmp(&b["at"].as_str()));
        for line in &lines {
            session.out.line(line, &LINE, || format!("{}  {}", text::scalar(&line["at"]), text::scalar(&line["text"])))?;
        }
        if !follow || !matches!(job["state"].as_str(), Some("PENDING" | "RUNNING")) {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn attempts(session: &Session, job_id: &str, printed: &mut Printed) -> Result<Vec<Value>, Failure> {
    let answer = session.client.get(session.client.v1(&["jobs", job_id, "attempts"])?).await?;
    let mut lines = Vec::new();
    for attempt in answer["items"].as_array().into_iter().flatten() {
        let number = attempt["attempt_no"].as_i64().unwrap_or(0);
        let begin = attempt["resume_step"].as_i64().map_or_else(String::new, |step| format!(" from step {step}"));
        let told = printed.attempts.entry(number).or_insert_with(|| {
            let text = format!("attempt {number} begins{begin} on {}", text::scalar(&attempt["worker_id"]));
            lines.push(json!({ "at": attempt["leased_at"], "attempt": number, "text": text }));
            false
        });
        if !*told && !attempt["ended_at"].is_null() {
            *told = true;
            let message = text::scalar(&attempt["message"]);
            let text =
                format!("attempt {number} {}{}{message}", text::scalar(&attempt["state"]), if message.is_empty() { "" } else { ": " });
            lines.push(json!({ "at": attempt["ended_at"], "attempt": number, "text": text }));
        }
    }
    Ok(lines)
}

/// Reads the points of a metric from a page on; returns where the last page began and the last step on it.
async fn read_on(
    session: &Session,
    run_id: &str,
    key: &str,
    mut token: Option<String>,
    mut each: impl FnMut(&Value),
) -> Result<(Option<String>, Option<i64>), Failure> {
    loop {
        let mut url = session.client.v1(&["runs", run_id, "metrics", key])?;
        url.query_pairs_mut().append_pair("page_size", "500").extend_pairs(token.iter().map(|token| ("page_token", token)));
        let page = session.client.get(url).await?;
        let items = page["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().for_each(&mut each);
        match page["next_page_token"].as_str() {
            Some(next) => token = Some(next.to_owned()),
            None => return Ok((token, items.last().and_then(|point| point["step"].as_i64()))),
        }
    }
}

/// A line a step: all metrics of the run that have a point there.
async fn points(session: &Session, job: &Value, printed: &mut Printed) -> Result<Vec<Value>, Failure> {
    let run_id = job["run_id"].as_str().unwrap_or_default();
    let run = session.client.get(session.client.v1(&["runs", run_id])?).await?;
    let mut steps: BTreeMap<i64, (i64, Vec<(String, Value)>)> = BTreeMap::new();
    for key in run["metrics"].as_object().into_iter().flatten().map(|(key, _)| key) {
        let (token, seen) = printed.points.get(key).cloned().unwrap_or_default();
        let place = read_on(session, run_id, key, token, |point| {
            let step = point["step"].as_i64().unwrap_or(0);
            if seen.is_none_or(|seen| step > seen) {
                let line = steps.entry(step).or_insert((i64::MAX, Vec::new()));
                line.0 = line.0.min(point["timestamp"].as_i64().unwrap_or(0));
                line.1.push((key.clone(), point["value"].clone()));
            }
        });
        let (token, last) = place.await?;
        printed.points.insert(key.clone(), (token, last.max(seen)));
    }
    let line = |(step, (at, metrics)): (i64, (i64, Vec<(String, Value)>))| {
        let shown: Vec<String> = metrics.iter().map(|(key, value)| format!("{} {}", text::plain(key), text::metric(value))).collect();
        let metrics: serde_json::Map<String, Value> = metrics.into_iter().collect();
        let at = crate::domain::time::Timestamp(at).to_rfc3339();
        json!({ "at": at, "step": step, "metrics": metrics, "text": format!("step {step}  {}", shown.join("  ")) })
    };
    Ok(steps.into_iter().map(line).collect())
}

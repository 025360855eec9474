//! How a command ends when it does not end well: an exit code, what went wrong, and what to do next.

use std::process::ExitCode;

use reqwest::StatusCode;
use serde_json::Value;

use super::text::{metric, plain, scalar};

/// It went wrong.
pub(super) const FAILED: u8 = 1;
/// The command line or the settings can't be used.
pub(super) const USAGE: u8 = 2;
/// What was asked for is not there.
pub(super) const NOT_FOUND: u8 = 3;
/// The key is missing or unknown, or may not do that.
pub(super) const AUTH: u8 = 4;
/// The state of things does not allow it.
pub(super) const CONFLICT: u8 = 5;
/// The server does not answer, not in time or not now.
pub(super) const UNAVAILABLE: u8 = 6;
/// Ended from the keyboard.
pub(super) const INTERRUPTED: u8 = 130;

/// What to do next, by a problem's code.
const HINTS: [(&str, &str); 25] = [
    ("alias_not_found", "`slipway models aliases ls MODEL` lists the aliases"),
    ("already_current", "`slipway models history MODEL` shows its moves"),
    ("artifact_not_found", "`slipway runs artifacts ls RUN` and `slipway models artifacts ls MODEL VERSION` list the files"),
    ("dataset_not_found", "`slipway datasets ls` lists the data sets"),
    ("dataset_version_not_found", "`slipway datasets versions NAME` lists the versions; `slipway datasets upload` makes one"),
    ("experiment_not_found", "`slipway experiments ls` lists the experiments"),
    ("gates_failed", "`slipway models gates get MODEL` shows the gates; the role admin may use --override-gates with a --reason"),
    ("invalid_filter", "for instance: metrics.loss < 0.1 and params.seed = '1'"),
    ("invalid_key", "`slipway login` keeps another key; an admin makes one with `slipway keys create`"),
    ("job_not_found", "`slipway jobs ls` lists the jobs"),
    ("key_not_found", "`slipway keys ls` lists the keys"),
    ("missing_key", "`slipway login` keeps a key, SLIPWAY_KEY gives one"),
    ("model_not_found", "`slipway models ls` lists the models"),
    ("model_version_not_found", "`slipway models versions MODEL` lists the versions"),
    ("no_champion", "`slipway models promote MODEL VERSION` makes one"),
    ("no_traffic", "predictions are counted by the minute: ask for another --from and --to"),
    ("not_in_history", "`slipway models history MODEL` shows where the alias has pointed"),
    ("nothing_to_roll_back_to", "`slipway models history MODEL` shows where the alias has pointed"),
    ("override_refused", "overriding gates needs the role admin and a --reason"),
    ("permission_denied", "ask an admin for a key of another role"),
    ("revision_conflict", "`slipway models aliases get MODEL ALIAS` shows where the alias is now"),
    ("run_not_found", "`slipway runs ls` lists the runs"),
    ("run_owned_by_job", "`slipway jobs cancel JOB` ends the job, and its run with it"),
    ("unknown_format", "say --format csv, jsonl or parquet"),
    ("version_in_use", "`slipway models get MODEL` shows its aliases; move or remove them first"),
];

/// The end of a command that did not do what it was asked to.
#[derive(Debug)]
pub(super) struct Failure {
    code: u8,
    message: String,
    /// Code of the server's problem and id of the request.
    origin: Vec<String>,
    next: Option<String>,
}

/// What a command returns.
pub(super) type Done = Result<(), Failure>;

impl Failure {
    pub(super) fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), origin: Vec::new(), next: None }
    }

    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::new(USAGE, message)
    }

    /// The reader of standard output has seen enough, which is no failure.
    pub(super) fn reader_left() -> Self {
        Self::new(0, "")
    }

    /// The same with advice.
    pub(super) fn next(mut self, advice: impl Into<String>) -> Self {
        self.next = Some(advice.into());
        self
    }

    /// Reads a refusal: a problem document, or what MLflow's and the serving doors say.
    pub(super) fn of_answer(status: StatusCode, request_id: Option<&str>, body: &str) -> Self {
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        let word = |names: [&str; 3]| names.iter().find_map(|name| body[*name].as_str());
        let message = match word(["detail", "message", "error"]) {
            Some(detail) => with_gates(detail, &body),
            None => format!("the server answers {status}"),
        };
        let code = word(["code", "error_code", ""]);
        let mut origin: Vec<String> = code.map(str::to_owned).into_iter().collect();
        origin.extend(request_id.map(|id| format!("request {id}")));
        let exit = match status.as_u16() {
            401 | 403 => AUTH,
            404 => NOT_FOUND,
            409 | 412 => CONFLICT,
            408 | 429 | 502..=504 => UNAVAILABLE,
            _ => FAILED,
        };
        let next = HINTS.iter().find(|(known, _)| Some(*known) == code).map(|(_, advice)| (*advice).to_owned());
        Self { code: exit, message, origin, next }
    }

    /// The exit code.
    pub(super) fn code(&self) -> u8 {
        self.code
    }

    /// Tells it on standard error; returns the exit code.
    pub(super) fn report(&self) -> ExitCode {
        if !self.message.is_empty() {
            let origin = if self.origin.is_empty() { String::new() } else { format!(" ({})", self.origin.join(", ")) };
            eprintln!("slipway: {}{}", plain(&self.message), plain(&origin));
            if let Some(advice) = &self.next {
                eprintln!("  {}", plain(advice));
            }
        }
        ExitCode::from(self.code)
    }
}

/// Adds which gates did not pass, and by how much.
fn with_gates(detail: &str, body: &Value) -> String {
    let mut message = detail.to_owned();
    for result in body["gates"].as_array().into_iter().flatten().filter(|result| result["passed"] == false) {
        let gate = &result["gate"];
        let asked = match (gate["min"].as_f64(), gate["max"].as_f64(), gate["higher_is_better"].as_bool()) {
            (Some(_), Some(_), _) => format!("must be from {} to {}", metric(&gate["min"]), metric(&gate["max"])),
            (Some(_), None, _) => format!("must be at least {}", metric(&gate["min"])),
            (None, Some(_), _) => format!("must be at most {}", metric(&gate["max"])),
            (_, _, higher) => {
                let way = if higher == Some(false) { "below" } else { "above" };
                format!("must be {way} the champion's {}", metric(&result["champion"]))
            }
        };
        let value = if result["value"].is_null() { "is not there".to_owned() } else { format!("is {}", metric(&result["value"])) };
        message.push_str(&format!("; {} {value}, {asked}", scalar(&gate["metric"])));
    }
    message
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::new(FAILED, message)
    }
}

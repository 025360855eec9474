//! How far it is: a line that is written over on a terminal, a line now and then elsewhere.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

const ON_TERMINAL: Duration = Duration::from_millis(100);
const ELSEWHERE: Duration = Duration::from_secs(10);
const WIDTH: usize = 24;

/// What was done so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Done {
    /// Experiments that are finished, and all of them.
    pub(super) experiments: (usize, usize),
    /// Runs that are finished, and all of them where that is known.
    pub(super) runs: (i64, Option<i64>),
    /// Points read.
    pub(super) points: i64,
    /// Files looked at.
    pub(super) files: i64,
    /// Bytes of files that were copied.
    pub(super) bytes: i64,
}

/// Shows progress on standard error.
#[derive(Debug)]
pub struct Progress {
    terminal: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    done: Done,
    shown: Option<Instant>,
    dirty: bool,
}

impl Default for Progress {
    fn default() -> Self {
        let state = State { done: Done::default(), shown: None, dirty: false };
        Self { terminal: std::io::stderr().is_terminal(), state: Mutex::new(state) }
    }
}

impl Progress {
    /// Notes something, and shows it when it is time.
    pub(super) fn note(&self, change: impl FnOnce(&mut Done)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state.done);
        state.dirty = true;
        let pause = if self.terminal { ON_TERMINAL } else { ELSEWHERE };
        let shown = *state.shown.get_or_insert_with(Instant::now);
        if shown.elapsed() >= pause {
            self.show(&mut state);
        }
    }

    /// Leaves the line behind.
    pub(super) fn end(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if self.terminal && state.dirty {
            self.show(&mut state);
            eprintln!();
        }
    }

    fn show(&self, state: &mut State) {
        let line = state.done.line(self.terminal);
        let mut stderr = std::io::stderr().lock();
        // nobody may be looking
        let _ = if self.terminal { write!(stderr, "\r\x1b[2K{line}") } else { writeln!(stderr, "{line}") };
        let _ = stderr.flush();
        state.shown = Some(Instant::now());
    }
}

impl Done {
    fn line(&self, with_bar: bool) -> String {
        let (experiments, all) = self.experiments;
        let runs = match self.runs {
            (runs, Some(all)) => format!("{runs} of {all}"),
            (runs, None) => runs.to_string(),
        };
        let text = format!(
            "experiments {experiments} of {all} · runs {runs} · points {} · files {} ({} MiB)",
            self.points,
            self.files,
            self.bytes >> 20
        );
        if !with_bar {
            return text;
        }
        let (part, whole) = match self.runs {
            (runs, Some(all)) => (usize::try_from(runs).unwrap_or(0), usize::try_from(all).unwrap_or(0)),
            _ => self.experiments,
        };
        let filled = (part * WIDTH).checked_div(whole).unwrap_or(0).min(WIDTH);
        format!("[{}{}] {text}", "█".repeat(filled), "░".repeat(WIDTH - filled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_follows_the_runs_where_their_number_is_known_and_else_the_experiments() {
        let mut done = Done { experiments: (1, 2), runs: (3, Some(4)), points: 5, files: 6, bytes: 7 << 20 };
        assert_eq!(done.line(false), "experiments 1 of 2 · runs 3 of 4 · points 5 · files 6 (7 MiB)");
        assert!(done.line(true).starts_with(&format!("[{}{}]", "█".repeat(18), "░".repeat(6))));
        done.runs = (3, None);
        assert!(done.line(true).starts_with(&format!("[{}{}]", "█".repeat(12), "░".repeat(12))));
        assert!(Done::default().line(true).starts_with(&format!("[{}]", "░".repeat(24))));
    }
}

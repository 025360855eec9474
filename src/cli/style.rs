//! Colours, on terminals that want them.

/// Whether to colour.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style(bool);

impl Style {
    /// Colours where `wanted`, unless the environment asks for none (no-color.org) or the terminal can't.
    pub(super) fn new(wanted: bool) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self(wanted && !refused && !dumb)
    }

    pub(super) fn heading(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(super) fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// Colours the word for a state by what it means.
    pub(super) fn state(self, text: &str) -> String {
        match text.trim() {
            "SUCCEEDED" | "READY" | "FINISHED" | "OK" | "succeeded" | "loaded" | "AVAILABLE" => self.paint("32", text),
            "FAILED"
            | "TIMEOUT"
            | "QUARANTINED"
            | "FAILED_REGISTRATION"
            | "DRIFTED"
            | "failed"
            | "lost"
            | "timed_out"
            | "severe"
            | "alert" => self.paint("31", text),
            "PENDING" | "RUNNING" | "SCHEDULED" | "UPLOADING" | "VALIDATING" | "PENDING_REGISTRATION" | "running" | "starting" => {
                self.paint("36", text)
            }
            "CANCELED" | "KILLED" | "cancelled" | "warn" | "stopping" => self.paint("33", text),
            "ARCHIVED" | "DEPRECATED" | "DELETED" | "SUPERSEDED" => self.faint(text),
            _ => text.to_owned(),
        }
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

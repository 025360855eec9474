//! Bars: on a terminal, on standard error, and only there.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output::Output;

/// Shows how far something of `total` bytes is; without a total it counts.
pub(super) fn bytes(out: &Output, what: &str, total: Option<u64>) -> ProgressBar {
    let template = match total {
        Some(_) => "{msg}  {wide_bar} {binary_bytes}/{binary_total_bytes}  {binary_bytes_per_sec}  {eta}",
        None => "{msg}  {spinner} {binary_bytes}  {binary_bytes_per_sec}",
    };
    bar(out, what, total, template)
}

/// Shows how far something of `total` steps is.
pub(super) fn steps(out: &Output, what: &str) -> ProgressBar {
    bar(out, what, Some(0), "{prefix}  {wide_bar} {pos}/{len}  {msg}")
}

fn bar(out: &Output, what: &str, total: Option<u64>, template: &str) -> ProgressBar {
    let target = if out.quiet || !std::io::stderr().is_terminal() { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let bar = ProgressBar::with_draw_target(total, target);
    // a template that can't be read leaves the default one
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("━╸ "));
    }
    bar.set_prefix(what.to_owned());
    if template.starts_with("{msg}") {
        bar.set_message(what.to_owned());
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

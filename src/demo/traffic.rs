//! The demo's rows as requests: as they are, and as a miscalibrated scanner would measure them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use reqwest::Method;
use serde_json::{Value, json};

use super::client::Client;

/// The data set, with its attribution in demo/README.md.
pub(super) const CSV: &str = include_str!("../../demo/breast_cancer.csv");
/// Sizes come out larger by this factor when the scanner's scale is off: radii and perimeters by it, areas by its square.
const SCALE: f64 = 1.15;

/// Rows of features in the order of the file, the target left out.
pub(super) fn rows(drifted: bool) -> Vec<Vec<f64>> {
    let mut lines = CSV.lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let read = |line: &str| {
        let fields = names.iter().zip(line.split(','));
        fields.filter_map(|(name, field)| Some(field.parse::<f64>().ok()? * if drifted { factor(name) } else { 1.0 })).collect()
    };
    lines.map(read).collect()
}

/// A malignant and a benign case.
pub(super) fn two_rows() -> [Vec<f64>; 2] {
    let rows = rows(false);
    [rows[0].clone(), rows[19].clone()]
}

fn factor(name: &str) -> f64 {
    if name.contains("area") {
        SCALE * SCALE
    } else if name.contains("radius") || name.contains("perimeter") {
        SCALE
    } else {
        1.0
    }
}

/// A `:predict` request of the given rows.
pub(super) fn request(rows: &[Vec<f64>]) -> Value {
    json!({ "instances": rows })
}

/// Requests that go on beside the story, and how they fared.
#[derive(Default)]
pub(super) struct Load {
    stop: AtomicBool,
    /// Good answers.
    pub(super) answered: AtomicU64,
    /// Everything else.
    pub(super) failed: AtomicU64,
}

impl Load {
    /// Sends one row after the other until it is stopped.
    pub(super) async fn run(self: Arc<Self>, client: Arc<Client>, path: String) {
        let rows = rows(false);
        for row in rows.iter().cycle() {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let sent = client.request(Method::POST, &path).json(&request(std::slice::from_ref(row))).send().await;
            let good = sent.is_ok_and(|answer| answer.status().is_success());
            let counter = if good { &self.answered } else { &self.failed };
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

//! The native API and the serving doors, in this process and on both engines: what each noun answers, and what every route has in
//! common. The stories are whole conversations, kept as snapshots; the same snapshot holds for both engines.

mod access;
mod broken_files;
mod client;
mod dataset;
mod document;
mod event;
mod fuzz;
mod given;
mod idempotency;
mod job;
mod key;
mod model;
mod monitor;
mod pages;
mod registry;
mod run;
mod serving;
mod tour;
mod webhook;

pub use given::{rows_in, version};

/// Compares a story with its snapshot.
macro_rules! assert_story {
    ($name:literal, $story:expr) => {
        let story = $story;
        insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "stories", omit_expression => true }, {
            insta::assert_json_snapshot!($name, story);
        });
    };
}
pub(crate) use assert_story;

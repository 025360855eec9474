//! Integration tests in one binary: each test has its own database and object store, on SQLite and on Postgres.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, dead_code, reason = "a test fails by panicking; support is shared")]
#![allow(clippy::disallowed_methods, reason = "tests make their own ids")]

mod api;
mod architecture;
mod blob;
mod command_line;
mod documentation;
mod faults;
mod flows;
mod jobs;
mod mlflow;
mod numbers;
mod runs;
mod schema;
mod store;
mod support;

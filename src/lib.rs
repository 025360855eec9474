//! slipway carries a model through its whole life: data, training runs, registry, serving, monitoring. The binary is `main.rs`;
//! this library exists so that tests and benches can reach the parts. ARCHITECTURE.md has the map.

pub mod blob;
pub mod boot;
pub mod cli;
pub mod clock;
pub mod config;
pub mod data;
mod demo;
pub mod domain;
pub mod error;
pub mod http;
pub mod infer;
pub mod ml;
pub mod moving;
pub mod queue;
pub mod service;
pub mod stats;
pub mod store;
pub mod telemetry;
pub mod train;
pub mod worker;

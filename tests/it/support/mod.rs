//! What every test is given.

pub mod db;
pub mod postgres;
pub mod process;
pub mod rng;
pub mod s3;

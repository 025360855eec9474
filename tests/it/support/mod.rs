//! What every test is given.

pub mod db;
pub mod s3;

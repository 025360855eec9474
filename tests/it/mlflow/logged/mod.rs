//! Logged models.

mod life;
mod search;

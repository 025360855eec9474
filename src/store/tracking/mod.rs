//! Experiments and runs as MLflow's clients see them. `sql` builds statements whose text depends on what is asked, `filter`
//! compiles search clauses, `order` compiles orders and the positions in them; the other files are named after their noun.

pub mod experiment;
pub mod file;
mod filter;
pub mod input;
pub mod link;
pub mod logged_model;
pub mod logged_model_search;
pub mod metric;
mod order;
pub mod registry;
pub mod run;
mod sql;
pub mod trace;

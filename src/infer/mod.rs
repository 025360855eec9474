//! Loaded models and the road from a request's tensors to an answer: engines behind one trait, and the routing table.
//!
//! [`engine`] is what callers see; [`native`] is the engine that is always there; [`router`] says which loaded version
//! answers for a name. What should be loaded, and where its bytes come from, is decided in the service layer.

pub mod engine;
pub mod native;
pub mod router;
pub mod signature;
pub mod tensor;

//! Predictions on their way to monitoring: a bounded queue that never makes a request wait. What does not fit is counted and
//! dropped.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use crate::domain::time::Timestamp;
use crate::infer::router::Served;
use crate::infer::tensor::Tensor;

/// Predictions that may wait.
const CAPACITY: usize = 4096;

/// One answered request.
pub struct Observation {
    /// The version that answered.
    pub served: Arc<Served>,
    /// What came in, in the signature's order.
    pub inputs: Vec<Tensor>,
    /// What went out, all outputs that were asked for.
    pub outputs: Vec<Tensor>,
    /// When.
    pub at: Timestamp,
}

/// The queue.
pub struct Observations {
    tell: mpsc::Sender<Observation>,
    told: Mutex<Option<mpsc::Receiver<Observation>>>,
}

impl Default for Observations {
    fn default() -> Self {
        let (tell, told) = mpsc::channel(CAPACITY);
        Self { tell, told: Mutex::new(Some(told)) }
    }
}

impl Observations {
    /// Puts one in, if there is room.
    pub fn offer(&self, make: impl FnOnce() -> Observation) {
        match self.tell.try_reserve() {
            Ok(place) => place.send(make()),
            Err(_) => metrics::counter!("slipway_observations_dropped_total").increment(1),
        }
    }

    /// Takes the other end, once.
    pub fn take(&self) -> Option<mpsc::Receiver<Observation>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

//! Predictions on their way to monitoring: a bounded queue that never makes a request wait. What does not fit is counted and
//! dropped.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

use crate::domain::time::Timestamp;
use crate::infer::router::Served;
use crate::infer::tensor::Tensor;

/// Predictions that may wait.
const CAPACITY: usize = 4096;
/// Numbers and texts that they may hold together: predictions of many rows are large.
const VALUES: usize = 4 << 20;

/// One answered request.
pub struct Observation {
    /// The version that answered.
    pub served: Arc<Served>,
    /// What came in, in the signature's order.
    pub inputs: Vec<Tensor>,
    /// What went out, the outputs that were asked for.
    pub outputs: Vec<Tensor>,
    /// When.
    pub at: Timestamp,
}

impl Observation {
    fn values(&self) -> usize {
        self.inputs.iter().chain(&self.outputs).map(|tensor| tensor.data.len()).sum()
    }
}

/// What travels in the queue.
pub enum Item {
    /// A prediction.
    Seen(Box<Observation>),
    /// Asks to write down everything that came before.
    Flush(oneshot::Sender<()>),
}

/// The queue.
pub struct Observations {
    tell: mpsc::Sender<Item>,
    told: Mutex<Option<mpsc::Receiver<Item>>>,
    /// Values of what waits.
    waiting: AtomicUsize,
}

impl Default for Observations {
    fn default() -> Self {
        let (tell, told) = mpsc::channel(CAPACITY);
        Self { tell, told: Mutex::new(Some(told)), waiting: AtomicUsize::new(0) }
    }
}

impl Observations {
    /// Puts one in, if there is room.
    pub fn offer(&self, make: impl FnOnce() -> Observation) {
        match self.tell.try_reserve() {
            Ok(place) if self.waiting.load(Ordering::Relaxed) < VALUES => {
                let seen = Box::new(make());
                self.waiting.fetch_add(seen.values(), Ordering::Relaxed);
                place.send(Item::Seen(seen));
            }
            _ => metrics::counter!("slipway_observations_dropped_total").increment(1),
        }
    }

    /// Notes that an observation has left the queue.
    pub fn taken(&self, seen: &Observation) {
        self.waiting.fetch_sub(seen.values(), Ordering::Relaxed);
    }

    /// Waits until everything that was put in before is in the database, or the recorder has ended. Where none has begun, nothing
    /// is waited for.
    pub async fn flush(&self) {
        if self.told.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            return;
        }
        let (done, wait) = oneshot::channel();
        if self.tell.send(Item::Flush(done)).await.is_ok() {
            let _ = wait.await;
        }
    }

    /// Takes the other end, once.
    pub fn take(&self) -> Option<mpsc::Receiver<Item>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

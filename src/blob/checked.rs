//! Ranges of objects that were found right. A digest speaks of all bytes of an object, so the first range that is asked for costs
//! a read of the whole; that it was right is remembered as long as this process lives, or until many others were asked for.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use super::error::BlobError;
use super::key::BlobKey;
use super::root::BlobStore;
use super::stream::BlobStream;

/// Objects that are remembered.
const REMEMBERED: usize = 4096;

/// What was found right.
#[derive(Debug, Default)]
pub(super) struct Checked(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    cells: HashMap<BlobKey, Arc<OnceCell<()>>>,
    oldest_first: VecDeque<BlobKey>,
}

impl Checked {
    /// Returns the cell of an object, which is set when the object was found right. Whoever sets it lets the others wait.
    fn cell(&self, key: &BlobKey) -> Arc<OnceCell<()>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = known.cells.get(key) {
            return Arc::clone(cell);
        }
        if known.oldest_first.len() == REMEMBERED
            && let Some(oldest) = known.oldest_first.pop_front()
        {
            known.cells.remove(&oldest);
        }
        known.oldest_first.push_back(key.clone());
        Arc::clone(known.cells.entry(key.clone()).or_default())
    }
}

impl BlobStore {
    /// Opens the bytes `range` of an object that was found right as a whole, now or before in this process.
    ///
    /// # Errors
    /// As [`Self::verify`] and [`Self::get_range`].
    pub async fn get_checked_range(&self, key: &BlobKey, range: Range<u64>) -> Result<BlobStream, BlobError> {
        self.checked.cell(key).get_or_try_init(|| self.verify(key)).await?;
        self.get_range(key, range).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::Digest;

    #[test]
    fn the_oldest_is_forgotten_first() {
        let checked = Checked::default();
        let key = |i: u32| BlobKey::new("default", Digest::of(b""), i).unwrap();
        let first = checked.cell(&key(0));
        first.set(()).unwrap();
        assert!(checked.cell(&key(0)).initialized());
        (1..=4096).for_each(|i| drop(checked.cell(&key(i))));
        assert!(!checked.cell(&key(0)).initialized());
        assert_eq!(checked.0.lock().unwrap().cells.len(), REMEMBERED);
    }
}

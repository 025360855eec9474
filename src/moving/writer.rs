//! The hand that writes what readers hand over.

use std::collections::{HashMap, HashSet};

use super::report::Report;
use super::{Result, Trouble};
use crate::domain::identity::Caller;
use crate::domain::moving::MovedRun;
use crate::service::{App, Import, Imported, Parcel};

/// Points and runs that one transaction takes in.
pub(super) const BATCH_POINTS: usize = 10_000;
pub(super) const BATCH_RUNS: usize = 200;

/// What a reader hands to the writer.
pub(super) enum Message {
    /// A part of a run.
    Parcel(Box<Parcel>),
    /// All of a run was read; its files may follow.
    Whole(Box<MovedRun>),
    /// Something could not be read.
    Trouble(Trouble),
}

/// Writes parcels and counts them.
pub(super) struct Writer<'a> {
    pub(super) app: &'a App,
    pub(super) caller: &'a Caller,
    pub(super) import: &'a Import,
    pub(super) report: &'a mut Report,
    pub(super) known: &'a HashMap<String, Imported>,
    /// Runs that could not be taken in.
    pub(super) lost: HashSet<String>,
}

impl Writer<'_> {
    /// Writes parcels together, or one by one where some can't be written.
    pub(super) async fn put(&mut self, parcels: Vec<Parcel>) -> Result<()> {
        let parcels: Vec<Parcel> = parcels.into_iter().filter(|parcel| !self.lost.contains(&parcel.run_id)).collect();
        if parcels.is_empty() {
            return Ok(());
        }
        match self.app.moving().put_runs(self.caller, self.import, &parcels).await.map_err(Trouble::from) {
            Ok(()) => parcels.iter().for_each(|parcel| self.count(parcel)),
            Err(Trouble::Thing(_)) => {
                for parcel in &parcels {
                    self.put_alone(parcel).await?;
                }
            }
            Err(trouble) => return Err(trouble),
        }
        Ok(())
    }

    async fn put_alone(&mut self, parcel: &Parcel) -> Result<()> {
        if self.lost.contains(&parcel.run_id) {
            return Ok(());
        }
        match self.app.moving().put_runs(self.caller, self.import, std::slice::from_ref(parcel)).await.map_err(Trouble::from) {
            Ok(()) => self.count(parcel),
            Err(Trouble::Thing(message)) => {
                self.lost.insert(parcel.run_id.clone());
                self.report.trouble(message);
            }
            Err(trouble) => return Err(trouble),
        }
        Ok(())
    }

    fn count(&mut self, parcel: &Parcel) {
        let Some(whole) = parcel.whole.as_ref().filter(|_| !parcel.unchanged) else { return };
        let before = self.known.get(&parcel.run_id).map_or(0, |before| before.items);
        self.report.new_ones("runs", 1);
        self.report.new_ones("items of runs", (whole.items - before).max(0));
    }
}

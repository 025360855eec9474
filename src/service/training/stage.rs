//! Bringing an attempt's inputs into memory: verified data, and the checkpoint to go on from.

use super::{Failure, Training};
use crate::blob::{BlobKey, Digest};
use crate::data;
use crate::domain::job::Reason;
use crate::ml::{Column, NamedColumn, Table};
use crate::service::Claim;
use crate::store;

/// Checkpoints are the weights and what the optimiser knows about each; this is far above any network of ours.
const CHECKPOINT_LIMIT: u64 = 4 << 30;

/// What a fit starts from.
pub(super) struct Inputs {
    pub(super) table: Table,
    pub(super) validation: Option<Table>,
    pub(super) checkpoint: Option<Vec<u8>>,
}

impl Training<'_> {
    pub(super) async fn stage(&self, claim: &Claim) -> Result<Inputs, Failure> {
        let spec = &claim.spec;
        let mut wanted = spec.features.clone();
        if let Some(columns) = &mut wanted {
            columns.push(spec.target.clone());
        }
        let table = self.table(claim, &spec.dataset, spec.dataset_version, wanted.clone()).await?;
        let validation = match &spec.validation_dataset {
            None => None,
            Some(name) => Some(self.table(claim, name, spec.validation_dataset_version, wanted).await?),
        };
        let checkpoint = match &claim.resume {
            None => None,
            Some((step, digest)) => Some(self.read_checkpoint(claim, *step, digest).await?),
        };
        Ok(Inputs { table, validation, checkpoint })
    }

    async fn table(&self, claim: &Claim, name: &str, version: Option<i64>, columns: Option<Vec<String>>) -> Result<Table, Failure> {
        let app = self.0;
        let version = version.ok_or_else(|| Failure::new(Reason::InvalidSpec, "the job names no data set version"))?;
        let staged = app.datasets().fetch(&claim.caller, name, version).await?;
        let read = move || data::read_frame(staged.file.path(), staged.format, &staged.schema, columns.as_deref());
        let frame = tokio::task::spawn_blocking(read);
        let frame = frame.await.map_err(|_| Failure::new(Reason::ServerError, "the reader panicked"))??;
        let column = |values| match values {
            data::Values::Numbers(values) => Column::Numeric(values),
            data::Values::Texts { codes, levels } => Column::Category { codes, levels },
        };
        Ok(Table::new(frame.columns.into_iter().map(|(name, values)| NamedColumn { name, column: column(values) }).collect())?)
    }

    async fn read_checkpoint(&self, claim: &Claim, step: i64, digest: &str) -> Result<Vec<u8>, Failure> {
        let app = self.0;
        let read = async {
            let mut tx = app.db().read().await?;
            let generation = store::artifact::find_generation(&mut tx, &claim.caller.workspace, digest).await?;
            drop(tx);
            let digest: Digest = digest.parse()?;
            let key = BlobKey::new(&claim.caller.workspace, digest, generation)?;
            Ok::<_, crate::error::Error>(app.blobs().get_bytes(&key, CHECKPOINT_LIMIT).await?)
        };
        match read.await {
            Ok(bytes) => Ok(bytes.to_vec()),
            Err(e) if e.kind == crate::error::Kind::Unavailable => Err(e.into()),
            Err(e) => {
                tracing::warn!(job.id = claim.job_id, step, error = %e, "a checkpoint could not be read and is forgotten");
                self.forget_checkpoint(claim).await?;
                Err(Failure::new(Reason::ArtifactError, format!("the checkpoint of step {step} can't be read: {e}")))
            }
        }
    }

    /// Forgets the checkpoint that the attempt began from; the next attempt takes the one before it.
    pub(super) async fn forget_checkpoint(&self, claim: &Claim) -> Result<(), Failure> {
        if let Some((step, _)) = claim.resume {
            let forget = async {
                let mut tx = self.0.db().begin().await?;
                store::job::delete_checkpoint(&mut tx, &claim.job_id, step).await?;
                tx.commit().await
            };
            forget.await.map_err(crate::error::Error::from)?;
        }
        Ok(())
    }
}

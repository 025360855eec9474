//! A run, read to its end.

use tokio::sync::mpsc;

use super::progress::Progress;
use super::source::Source;
use super::writer::{BATCH_POINTS, Message};
use super::{Result, Trouble};
use crate::domain::moving::{MovedRun, Tally};
use crate::domain::run::MetricPoint;
use crate::service::{Imported, Parcel, check_run};

/// Reads a run to its end and hands it over in parcels. One that came in before is read twice if it has changed: what is as it
/// was is not written again.
pub(super) async fn read_run(
    source: &Source,
    progress: &Progress,
    run: &mut MovedRun,
    target: &str,
    before: Option<&Imported>,
    send: &mpsc::Sender<Message>,
) -> Result<()> {
    source.complete(run).await?;
    let run = &*run;
    check_run(run).map_err(|e| Trouble::Thing(format!("run {}: {}", run.run_id, e.message)))?;
    let parcel = |run_data: Option<MovedRun>, points, whole| Parcel {
        run_id: run.run_id.clone(),
        experiment_id: target.to_owned(),
        unchanged: false,
        run: run_data,
        points,
        whole,
    };
    let hand_over = async |parcel: Parcel| {
        // without a writer there is nobody to tell either
        let _ = send.send(Message::Parcel(Box::new(parcel))).await;
    };
    if let Some(before) = before {
        let tally = read_points(source, progress, run, async |_| {}).await?;
        if tally.digest() == before.digest {
            hand_over(Parcel { unchanged: true, ..parcel(None, Vec::new(), Some(tally)) }).await;
            return Ok(());
        }
    }
    let (mut first, mut waiting) = (Some(run.clone()), Vec::new());
    let tally = read_points(source, progress, run, async |page| {
        waiting.extend(page);
        if waiting.len() >= BATCH_POINTS {
            hand_over(parcel(first.take(), std::mem::take(&mut waiting), None)).await;
        }
    })
    .await?;
    hand_over(parcel(first, waiting, Some(tally))).await;
    Ok(())
}

/// Reads all points of a run in pages, and counts all that the run consists of.
async fn read_points(source: &Source, progress: &Progress, run: &MovedRun, mut each: impl AsyncFnMut(Vec<MetricPoint>)) -> Result<Tally> {
    let mut tally = Tally::default();
    tally.add_run(run);
    for key in &run.metrics {
        let mut place = None;
        loop {
            let (page, next) = source.points(&run.run_id, key, place).await?;
            page.iter().for_each(|point| tally.add_point(point));
            progress.note(|done| done.points += i64::try_from(page.len()).unwrap_or(0));
            each(page).await;
            match next {
                Some(next) => place = Some(next),
                None => break,
            }
        }
    }
    Ok(tally)
}

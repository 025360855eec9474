//! From an MLflow server or database into this one. Experiments first; then, experiment by experiment, runs in pages: some are read
//! at once, one hand writes them in batches, and the files of what was written follow. At the end everything that this round has
//! seen is read back and compared with what was read at the source.
//!
//! Nothing has to be remembered here: `service::Moving` knows what came in before, so an import that was cut off goes on, and one
//! that is repeated adds what is new.

use std::collections::{HashMap, HashSet};

use futures::StreamExt as _;
use tokio::sync::mpsc;

use super::files;
use super::progress::Progress;
use super::report::Report;
use super::source::Source;
use super::{Result, Trouble};
use crate::domain::identity::Caller;
use crate::domain::moving::{MovedRun, Tally};
use crate::domain::run::MetricPoint;
use crate::service::{App, Import, Imported, Parcel, check_run};

/// Runs that are read at once, and files that are copied at once.
const AT_ONCE: usize = 4;
/// Points and runs that one transaction takes in.
const BATCH_POINTS: usize = 10_000;
const BATCH_RUNS: usize = 200;

/// What an import is told.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// URL of a server, or of MLflow's database.
    pub from: String,
    /// Where `mlflow-artifacts:` is, if the source is a database: a server, a folder or a bucket.
    pub artifacts: Option<String>,
    /// Leaves files where they are.
    pub without_files: bool,
    /// Reads files again that have the same path and size here.
    pub check_files: bool,
}

/// Imports everything, or what is new since the last time.
///
/// # Errors
/// When source, database or store can't be reached any more; the same call goes on from there.
pub async fn import(app: &App, caller: &Caller, options: &Options, progress: &Progress) -> Result<Report, String> {
    let told = crate::config::mask(&options.from);
    let name = name_of(&options.from);
    let work = async {
        let source = Source::open(&options.from, options.artifacts.as_deref()).await?;
        let import = app.moving().begin(caller, &name).await?;
        let mut mover = Mover { app, caller, source, import, options, progress, report: Report::new(&told) };
        mover.run().await?;
        app.moving().end(caller, &mover.import, &mover.report.totals()).await?;
        Ok(mover.report)
    };
    let done: Result<Report> = work.await;
    progress.end();
    done.map_err(|trouble| format!("{trouble}; the same command goes on from here"))
}

/// Names a source, without what is secret and what may change between two imports.
fn name_of(url: &str) -> String {
    match url::Url::parse(url) {
        Ok(mut parsed) => {
            let _cleared = (parsed.set_username(""), parsed.set_password(None));
            parsed.set_query(None);
            parsed.as_str().trim_end_matches('/').to_owned()
        }
        Err(_) => url.to_owned(),
    }
}

struct Mover<'a> {
    app: &'a App,
    caller: &'a Caller,
    source: Source,
    import: Import,
    options: &'a Options,
    progress: &'a Progress,
    report: Report,
}

/// What a reader hands to the writer.
enum Message {
    Parcel(Box<Parcel>),
    /// All of a run was read; its files may follow.
    Whole(Box<MovedRun>),
    Trouble(Trouble),
}

impl Mover<'_> {
    async fn run(&mut self) -> Result<()> {
        let all_runs = self.source.count_runs().await?;
        let experiments = self.put_experiments().await?;
        self.progress.note(|done| (done.experiments.1, done.runs.1) = (experiments.len(), all_runs));
        for (source_id, target_id) in &experiments {
            self.put_runs(source_id, target_id).await?;
            self.progress.note(|done| done.experiments.0 += 1);
        }
        self.compare_runs().await
    }

    /// Takes all experiments in and returns their ids there and here.
    async fn put_experiments(&mut self) -> Result<Vec<(String, String)>> {
        let (mut ids, mut token) = (Vec::new(), String::new());
        loop {
            let (page, next) = self.source.experiments(&token).await?;
            let names: Vec<&str> = page.iter().map(|experiment| experiment.source_id.as_str()).collect();
            let known = self.app.moving().known(&self.import, "experiment", &names).await?;
            for experiment in &page {
                self.report.read("experiments", 1);
                let stays = self.options.without_files && !experiment.location.starts_with("mlflow-artifacts:");
                let location = if stays { experiment.location.as_str() } else { "" };
                match self.app.moving().put_experiment(self.caller, &self.import, experiment, location).await.map_err(Trouble::from) {
                    Ok(id) => {
                        self.report.there("experiments", 1);
                        self.report.new_ones("experiments", i64::from(!known.contains_key(&experiment.source_id)));
                        ids.push((experiment.source_id.clone(), id));
                    }
                    Err(Trouble::Thing(message)) => self.report.trouble(format!("experiment {:?}: {message}", experiment.name)),
                    Err(trouble) => return Err(trouble),
                }
            }
            match next {
                Some(next) => token = next,
                None => return Ok(ids),
            }
        }
    }

    /// Takes the runs of an experiment in.
    async fn put_runs(&mut self, experiment: &str, target: &str) -> Result<()> {
        let mut token = String::new();
        loop {
            let (page, next) = self.source.runs(experiment, &token).await?;
            let ids: Vec<&str> = page.iter().map(|run| run.run_id.as_str()).collect();
            let known = self.app.moving().known(&self.import, "run", &ids).await?;
            let filed = self.app.moving().known(&self.import, "files", &ids).await?;
            self.put_page(page, target, &known, &filed).await?;
            match next {
                Some(next) => token = next,
                None => return Ok(()),
            }
        }
    }

    async fn put_page(
        &mut self,
        page: Vec<MovedRun>,
        target: &str,
        known: &HashMap<String, Imported>,
        filed: &HashMap<String, Imported>,
    ) -> Result<()> {
        let round = self.import.round;
        let (send, mut receive) = mpsc::channel::<Message>(2 * AT_ONCE);
        let (source, progress) = (&self.source, self.progress);
        let reading = async move {
            let each = |run: MovedRun| {
                let send = send.clone();
                let before = known.get(&run.run_id);
                async move {
                    // what this round has seen before it was cut off needs no second look
                    let read = match before {
                        Some(before) if before.round == round => Ok(()),
                        before => read_run(source, progress, &run, target, before, &send).await,
                    };
                    let message = match read {
                        Ok(()) => Message::Whole(Box::new(run)),
                        Err(trouble) => Message::Trouble(trouble),
                    };
                    // without a writer nothing is to be done
                    let _ = send.send(message).await;
                }
            };
            futures::stream::iter(page).map(each).buffer_unordered(AT_ONCE).collect::<()>().await;
        };
        let mut writer =
            Writer { app: self.app, caller: self.caller, import: &self.import, report: &mut self.report, known, lost: HashSet::new() };
        let writing = async {
            let (mut parcels, mut points, mut whole) = (Vec::new(), 0, Vec::new());
            while let Some(message) = receive.recv().await {
                match message {
                    Message::Parcel(parcel) => {
                        points += parcel.points.len();
                        parcels.push(*parcel);
                    }
                    Message::Whole(run) => whole.push(*run),
                    Message::Trouble(Trouble::Thing(message)) => writer.report.trouble(message),
                    Message::Trouble(trouble) => return Err(trouble),
                }
                if points >= BATCH_POINTS || parcels.len() >= BATCH_RUNS {
                    writer.put(std::mem::take(&mut parcels)).await?;
                    points = 0;
                }
            }
            writer.put(parcels).await?;
            whole.retain(|run: &MovedRun| !writer.lost.contains(&run.run_id));
            Ok(whole)
        };
        let ((), written) = tokio::join!(reading, writing);
        let whole = written?;
        self.progress.note(|done| done.runs.0 += i64::try_from(whole.len()).unwrap_or(0));
        if self.options.without_files {
            return Ok(());
        }
        let waiting: Vec<MovedRun> =
            whole.into_iter().filter(|run| filed.get(&run.run_id).is_none_or(|before| before.round < round)).collect();
        self.put_files(waiting).await
    }

    /// Copies the files of runs that are here.
    async fn put_files(&mut self, runs: Vec<MovedRun>) -> Result<()> {
        let here = files::Here { app: self.app, caller: self.caller, progress: self.progress, check_files: self.options.check_files };
        let (source, import) = (self.source.files(), &self.import);
        let mut copying = futures::stream::iter(runs)
            .map(|run| {
                let here = &here;
                async move { files::copy(here, source, import, &run).await.map_err(|trouble| (run.run_id.clone(), trouble)) }
            })
            .buffer_unordered(AT_ONCE);
        while let Some(copied) = copying.next().await {
            match copied {
                Ok(copied) => {
                    self.report.read("files", copied.read);
                    self.report.there("files", copied.there);
                    self.report.new_ones("files", copied.new);
                    copied.troubles.into_iter().for_each(|message| self.report.trouble(message));
                }
                Err((run_id, Trouble::Thing(message))) => self.report.trouble(format!("files of run {run_id}: {message}")),
                Err((_, trouble)) => return Err(trouble),
            }
        }
        Ok(())
    }

    /// Reads back every run that this round has seen, and compares it with what was read at the source.
    async fn compare_runs(&mut self) -> Result<()> {
        let mut after = String::new();
        loop {
            let page = self.app.moving().seen(&self.import, "run", &after).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after.clone_from(&last.source_id);
            for run in page {
                self.report.read("runs", 1);
                self.report.read("items of runs", run.items);
                match self.app.moving().tally(self.caller, &run.target_id).await? {
                    Some(tally) if tally.digest() == run.digest => {
                        self.report.there("runs", 1);
                        self.report.there("items of runs", tally.items);
                    }
                    Some(tally) => self.report.trouble(format!(
                        "run {} differs from its source: {} items here, {} there; was it changed here?",
                        run.target_id, tally.items, run.items
                    )),
                    None => self.report.trouble(format!("run {} is not here any more", run.target_id)),
                }
            }
        }
    }
}

/// The hand that writes.
struct Writer<'a> {
    app: &'a App,
    caller: &'a Caller,
    import: &'a Import,
    report: &'a mut Report,
    known: &'a HashMap<String, Imported>,
    /// Runs that could not be taken in.
    lost: HashSet<String>,
}

impl Writer<'_> {
    /// Writes parcels together, or one by one where some can't be written.
    async fn put(&mut self, parcels: Vec<Parcel>) -> Result<()> {
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

/// Reads a run to its end and hands it over in parcels. One that came in before is read twice if it has changed: what is as it
/// was is not written again.
async fn read_run(
    source: &Source,
    progress: &Progress,
    run: &MovedRun,
    target: &str,
    before: Option<&Imported>,
    send: &mpsc::Sender<Message>,
) -> Result<()> {
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

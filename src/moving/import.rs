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
use super::reading::read_run;
use super::report::Report;
use super::source::Source;
use super::writer::{BATCH_POINTS, BATCH_RUNS, Message, Writer};
use super::{Result, Trouble};
use crate::domain::identity::Caller;
use crate::domain::moving::{Home, HomeKind, MovedRun};
use crate::service::{App, Import, Imported};

/// Runs that are read at once, and files that are copied at once.
const AT_ONCE: usize = 4;

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

pub(super) struct Mover<'a> {
    pub(super) app: &'a App,
    pub(super) caller: &'a Caller,
    pub(super) source: Source,
    pub(super) import: Import,
    options: &'a Options,
    progress: &'a Progress,
    pub(super) report: Report,
}

impl Mover<'_> {
    async fn run(&mut self) -> Result<()> {
        let all_runs = self.source.count_runs().await?;
        let experiments = self.put_experiments().await?;
        self.progress.note(|done| (done.experiments.1, done.runs.1) = (experiments.len(), all_runs));
        for (source_id, target_id) in &experiments {
            self.put_runs(source_id, target_id).await?;
            self.put_models(source_id, target_id).await?;
            self.progress.note(|done| done.experiments.0 += 1);
        }
        self.put_registry().await?;
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
            let each = |mut run: MovedRun| {
                let send = send.clone();
                let before = known.get(&run.run_id);
                async move {
                    // what this round has seen before it was cut off needs no second look
                    let read = match before {
                        Some(before) if before.round == round => Ok(()),
                        before => read_run(source, progress, &mut run, target, before, &send).await,
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
        let homes = whole.into_iter().map(|run| Home { kind: HomeKind::Run, id: run.run_id, uri: run.artifact_uri });
        self.put_files(homes.collect(), filed).await
    }

    /// Copies the files of runs and logged models that are here, but for those whose files this round has seen.
    pub(super) async fn put_files(&mut self, mut homes: Vec<Home>, filed: &HashMap<String, Imported>) -> Result<()> {
        if self.options.without_files {
            return Ok(());
        }
        homes.retain(|home| filed.get(&home.id).is_none_or(|before| before.round < self.import.round));
        let here = files::Here { app: self.app, caller: self.caller, progress: self.progress, check_files: self.options.check_files };
        let (source, import) = (self.source.files(), &self.import);
        let mut copying = futures::stream::iter(homes)
            .map(|home| {
                let here = &here;
                async move { files::copy(here, source, import, &home).await.map_err(|trouble| (home.id.clone(), trouble)) }
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
                Err((id, Trouble::Thing(message))) => self.report.trouble(format!("files of {id}: {message}")),
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

//! Where a version that a client registers comes from: what the request says, held against what is there.

use super::{NewTrackedVersion, Registry, invalid, model, no_version};
use crate::domain::artifact::Artifact;
use crate::domain::identity::Caller;
use crate::domain::logged_model::LoggedModel;
use crate::domain::promotion::Metrics;
use crate::domain::registry::{BadSource, PROMPT_SOURCES, PROMPT_TAG, Source, Which, path_within};
use crate::domain::tracking::Stage;
use crate::error::{Error, Result};
use crate::store::{self, Tx};

/// What is known of a source.
#[derive(Clone, Debug, Default)]
pub(super) struct Origin {
    /// The source as it is kept.
    pub(super) source: String,
    /// The run that made the files.
    pub(super) run_id: Option<String>,
    /// The logged model that they are.
    pub(super) logged_model_id: Option<String>,
    /// Where the files are, should they not be kept here.
    pub(super) location: String,
    /// The files.
    pub(super) artifacts: Vec<Artifact>,
    /// Figures of the run.
    pub(super) metrics: Metrics,
    /// Digests of the data of the run.
    pub(super) dataset_digests: Vec<String>,
}

impl Registry<'_> {
    /// Finds out where a version comes from.
    pub(super) async fn trace(&self, caller: &Caller, new: &NewTrackedVersion, prompt: bool) -> Result<Origin> {
        let source = &new.source;
        if prompt {
            if !PROMPT_SOURCES.contains(&source.as_str()) {
                return Err(invalid(format!("Invalid prompt source: '{source}'. Prompt sources must use an MLflow placeholder.")));
            }
            return Ok(Origin { location: source.clone(), run_id: new.run_id.clone(), ..Origin::plain(source) });
        }
        let parsed = Source::parse(source).map_err(|bad| refused(bad, new))?;
        let mut tx = self.0.db().read().await?;
        let mut origin = match parsed {
            Source::Host(scheme) => {
                return Err(invalid(format!(
                    "'source' cannot use the '{scheme}' scheme: the '{scheme}' scheme addresses a host other than the tracking server's \
                     configured artifact storage, so the server would connect to the host named in the URI."
                )));
            }
            Source::Local => return Err(local(new)),
            Source::Version(name, which) => of_version(&mut tx, caller, new, &name, &which).await?,
            Source::LoggedModel(id) if new.logged_model_id.as_ref() == Some(&id) => {
                let model = logged_model(&mut tx, caller, &id).await?.ok_or_else(|| no_logged_model(&id))?;
                of_logged_model(&mut tx, caller, source, model, "").await?
            }
            Source::LoggedModel(_) => return Err(unidentified(source, "model_id")),
            Source::Run { run_id, path } if new.logged_model_id.is_none() => {
                if new.run_id.as_ref() != Some(&run_id) {
                    return Err(unidentified(source, "run_id"));
                }
                Origin { artifacts: files_in(&mut tx, caller, ("run", &run_id), &path).await?, ..Origin::plain(source) }
            }
            Source::Run { .. } => return Err(unidentified(source, "model_id")),
            Source::Artifacts if new.logged_model_id.is_some() => {
                let id = new.logged_model_id.as_deref().unwrap_or_default();
                let model = logged_model(&mut tx, caller, id).await?;
                let inside = model.and_then(|model| path_within(source, &model.artifact_uri).map(|path| (model, path)));
                let (model, path) = inside.ok_or_else(|| unidentified(source, "model_id"))?;
                of_logged_model(&mut tx, caller, source, model, &path).await?
            }
            Source::Artifacts => of_artifacts(&mut tx, caller, new).await?,
            Source::Elsewhere => Origin::plain(source),
        };
        if new.run_id.as_ref().is_some_and(|id| !id.is_empty()) {
            origin.run_id.clone_from(&new.run_id);
        }
        origin.logged_model_id = origin.logged_model_id.or_else(|| new.logged_model_id.clone());
        if let Some(run_id) = &origin.run_id
            && origin.metrics.is_empty()
            && let Some(run) = store::run::find(&mut tx, &caller.workspace, run_id).await?
        {
            let seq = store::run::find_seq(&mut tx, &caller.workspace, run_id).await?.unwrap_or_default();
            origin.dataset_digests = store::run::input_digests(&mut tx, seq).await?;
            origin.metrics = run.metrics;
        }
        if origin.artifacts.is_empty() && origin.location.is_empty() {
            origin.location.clone_from(&origin.source);
        }
        if !origin.artifacts.is_empty() {
            origin.location.clear();
        }
        Ok(origin)
    }
}

impl Origin {
    fn plain(source: &str) -> Self {
        Self { source: source.to_owned(), ..Self::default() }
    }
}

/// Lists the files in a folder of a run or of a logged model, by their paths in it.
async fn files_in(tx: &mut Tx, caller: &Caller, (owner, id): (&str, &str), path: &str) -> Result<Vec<Artifact>> {
    if id.contains('\0') {
        return Ok(Vec::new());
    }
    let files = store::artifact::list_artifacts(tx, &caller.workspace, owner, id).await?;
    let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
    let inside = |file: Artifact| Some(Artifact { path: file.path.strip_prefix(&prefix)?.to_owned(), ..file });
    Ok(files.into_iter().filter_map(inside).collect())
}

async fn of_artifacts(tx: &mut Tx, caller: &Caller, new: &NewTrackedVersion) -> Result<Origin> {
    let refused = || unidentified(&new.source, "run_id");
    let run_id = new.run_id.as_deref().filter(|id| !id.is_empty() && !id.contains('\0')).ok_or_else(refused)?;
    let (_, run) = store::tracking::run::find_info(tx, &caller.workspace, run_id).await?.ok_or_else(refused)?;
    let path = path_within(&new.source, &run.artifact_uri).ok_or_else(refused)?;
    Ok(Origin { artifacts: files_in(tx, caller, ("run", run_id), &path).await?, ..Origin::plain(&new.source) })
}

/// Finds a logged model that is not deleted.
async fn logged_model(tx: &mut Tx, caller: &Caller, id: &str) -> Result<Option<LoggedModel>> {
    if id.contains('\0') {
        return Ok(None);
    }
    let found = store::tracking::logged_model::find(tx, &caller.workspace, id).await?;
    Ok(found.map(|(_, model)| model).filter(|model| model.stage == Stage::Active))
}

async fn of_logged_model(tx: &mut Tx, caller: &Caller, source: &str, model: LoggedModel, path: &str) -> Result<Origin> {
    Ok(Origin {
        artifacts: files_in(tx, caller, ("logged_model", &model.model_id), path).await?,
        run_id: Some(model.source_run_id).filter(|id| !id.is_empty()),
        logged_model_id: Some(model.model_id),
        location: model.artifact_uri,
        ..Origin::plain(source)
    })
}

/// Copies what another version is; the request may not say otherwise.
async fn of_version(tx: &mut Tx, caller: &Caller, new: &NewTrackedVersion, name: &str, which: &Which) -> Result<Origin> {
    let source = &new.source;
    let found = model(tx, caller, name).await?;
    if found.model.tags.contains_key(PROMPT_TAG) {
        return Err(invalid(format!("Invalid model version source: '{source}'. Prompt versions cannot be used as model version sources.")));
    }
    let none = || Error::not_found("model_version_not_found", format!("No versions of model with name '{name}' found"));
    let number = match which {
        Which::Number(number) => *number,
        Which::Alias(alias) => {
            let number = found.model.aliases.get(alias).copied();
            number.ok_or_else(|| invalid(format!("Registered model alias {alias} not found.")))?
        }
        Which::Latest => found.latest.iter().map(|version| version.version).max().ok_or_else(none)?,
        Which::Stage(stage) => {
            let stage = super::stages::parse(stage)?;
            found.latest.iter().find(|version| version.stage == stage).map(|version| version.version).ok_or_else(none)?
        }
    };
    let original = store::model::find_version(tx, &caller.workspace, name, number).await?.ok_or_else(|| no_version(name, number))?;
    let differs = |given: &Option<String>, theirs: &Option<String>| {
        given.as_ref().is_some_and(|given| given.as_str() != theirs.as_deref().unwrap_or_default())
    };
    if differs(&new.run_id, &original.run_id) || differs(&new.logged_model_id, &original.logged_model_id) {
        return Err(invalid(format!(
            "Invalid model version source: '{source}'. The run_id and model_id request parameters must match the referenced model version."
        )));
    }
    Ok(Origin {
        source: format!("models:/{name}/{number}"),
        artifacts: store::artifact::list_artifacts(tx, &caller.workspace, "model_version", &original.id).await?,
        run_id: original.run_id,
        logged_model_id: original.logged_model_id,
        location: original.location,
        metrics: original.metrics,
        dataset_digests: original.dataset_digests,
    })
}

fn refused(bad: BadSource, new: &NewTrackedVersion) -> Error {
    let source = &new.source;
    match bad {
        BadSource::Relative => invalid(format!(
            "Invalid model version source: '{source}'. If supplying a source as an http, https, local file path, ftp, objectstore, or \
             mlflow-artifacts uri, an absolute path must be provided without relative path references present. Please provide an \
             absolute path."
        )),
        BadSource::Authority if source.starts_with("models://") => {
            invalid(format!("Invalid model version source: '{source}'. Registered model sources must use the active model registry."))
        }
        BadSource::Authority => unidentified(source, if source.starts_with("runs:") { "run_id" } else { "model_id" }),
    }
}

fn local(new: &NewTrackedVersion) -> Error {
    let (what, of) = if new.logged_model_id.is_some() { ("model_id", "model_id") } else { ("run_id", "run_id") };
    invalid(format!(
        "Invalid model version source: '{}'. To use a local path as a model version source, the {what} request parameter has to be \
         specified and the local path has to be contained within the artifact directory of the run specified by the {of}.",
        new.source
    ))
}

fn unidentified(source: &str, parameter: &str) -> Error {
    invalid(format!(
        "Invalid model version source: '{source}'. The {parameter} request parameter must identify the resource that contains the source."
    ))
}

fn no_logged_model(id: &str) -> Error {
    Error::not_found("logged_model_not_found", format!("Logged model with ID '{id}' not found."))
}

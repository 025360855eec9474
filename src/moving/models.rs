//! Logged and registered models on their way in.

use super::Trouble;
use super::import::Mover;
use super::{Result, files};
use crate::domain::logged_model::LoggedModel;
use crate::domain::moving::{Home, HomeKind, MovedRegistered, Tally};
use crate::service::{Imported, Settled, is_prompt};

impl Mover<'_> {
    /// Takes the logged models of an experiment in, with their files.
    pub(super) async fn put_models(&mut self, experiment: &str, target: &str) -> Result<()> {
        let mut token = String::new();
        loop {
            let (page, next) = self.source.models(experiment, &token).await?;
            let ids: Vec<&str> = page.iter().map(|model| model.model_id.as_str()).collect();
            let known = self.app.moving().known(&self.import, "model", &ids).await?;
            let filed = self.app.moving().known(&self.import, files::noted(HomeKind::Model), &ids).await?;
            let mut homes = Vec::with_capacity(page.len());
            for model in page {
                match self.put_model(&model, target, known.get(&model.model_id)).await {
                    Ok(()) => homes.push(Home { kind: HomeKind::Model, id: model.model_id, uri: model.artifact_uri }),
                    Err(Trouble::Thing(message)) => self.report.trouble(format!("logged model {}: {message}", model.model_id)),
                    Err(trouble) => return Err(trouble),
                }
            }
            self.put_files(homes, &filed).await?;
            match next {
                Some(next) => token = next,
                None => return Ok(()),
            }
        }
    }

    /// Takes a logged model in unless it is as it was, and compares what is here.
    async fn put_model(&mut self, model: &LoggedModel, target: &str, before: Option<&Imported>) -> Result<()> {
        let mut tally = Tally::default();
        tally.add_model(model);
        self.report.read("logged models", 1);
        match before.filter(|before| before.digest == tally.digest()) {
            Some(_) => self.app.moving().note(&self.import, "model", &model.model_id, &tally).await?,
            None => {
                self.app.moving().put_model(self.caller, &self.import, target, model, &tally).await?;
                self.report.new_ones("logged models", 1);
            }
        }
        match self.app.moving().model_tally(self.caller, &model.model_id).await? {
            Some(there) if there == tally => self.report.there("logged models", 1),
            _ => return Err(differs()),
        }
        Ok(())
    }

    /// Takes the registry in: models, prompts, their versions, stages and aliases.
    pub(super) async fn put_registry(&mut self) -> Result<()> {
        for prompts in [false, true] {
            let mut token = String::new();
            loop {
                let (page, next) = self.source.registered(prompts, &token).await?;
                let names: Vec<&str> = page.iter().map(|model| model.name.as_str()).collect();
                let known = self.app.moving().known(&self.import, "registered model", &names).await?;
                for model in &page {
                    match self.put_registered(model, known.get(&model.name)).await {
                        Ok(()) => {}
                        Err(Trouble::Thing(message)) => self.report.trouble(format!("registered model {:?}: {message}", model.name)),
                        Err(trouble) => return Err(trouble),
                    }
                }
                match next {
                    Some(next) => token = next,
                    None => break,
                }
            }
        }
        Ok(())
    }

    /// Takes a registered model in unless it is as it was, and compares what is here.
    async fn put_registered(&mut self, model: &MovedRegistered, before: Option<&Imported>) -> Result<()> {
        self.report.read("registered models", 1);
        let (tally, versions) = self.read_versions(model, false).await?;
        let count = i64::try_from(versions.len()).unwrap_or(i64::MAX);
        self.report.read("model versions", count);
        let moving = self.app.moving();
        if before.is_some_and(|before| before.digest == tally.digest()) {
            moving.note(&self.import, "registered model", &model.name, &tally).await?;
        } else {
            let had = moving.registered_tally(self.caller, &model.name).await?.map_or(0, |(_, had)| had);
            moving.put_registered(self.caller, &self.import, model).await?;
            self.read_versions(model, true).await?;
            moving.settle_registered(self.caller, &self.import, model, &versions, &tally).await?;
            self.report.new_ones("registered models", 1);
            self.report.new_ones("model versions", (count - had).max(0));
        }
        match moving.registered_tally(self.caller, &model.name).await? {
            Some((there, count)) if there == tally => {
                self.report.there("registered models", 1);
                self.report.there("model versions", count);
                Ok(())
            }
            _ => Err(differs()),
        }
    }

    /// Reads all versions of a model, and takes them in if `put` says so.
    async fn read_versions(&self, model: &MovedRegistered, put: bool) -> Result<(Tally, Vec<Settled>)> {
        let prompt = is_prompt(&model.tags);
        let (mut tally, mut settled, mut token) = (Tally::default(), Vec::new(), String::new());
        tally.add_registered(model);
        loop {
            let (page, next) = self.source.versions(&model.name, prompt, &token).await?;
            for version in page {
                tally.add_version(&version);
                settled.push(Settled { version: version.version, stage: version.stage, times: (version.created_at, version.updated_at) });
                if put {
                    self.app.moving().put_version(self.caller, &model.name, &version, prompt).await?;
                }
            }
            match next {
                Some(next) => token = next,
                None => return Ok((tally, settled)),
            }
        }
    }
}

fn differs() -> Trouble {
    Trouble::Thing("it differs from its source; was it changed here?".to_owned())
}

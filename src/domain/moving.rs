//! What is carried from one server to another, and the sum by which both ends are compared.

use sha2::{Digest as _, Sha256};

use super::logged_model::{LoggedModel, ModelOutput};
use super::model::ModelVersionState;
use super::registry::ModelStage;
use super::run::{MetricPoint, RunStatus};
use super::time::Timestamp;
use super::tracking::{DatasetInput, Pair, Stage};

/// An experiment at its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedExperiment {
    /// Its id there.
    pub source_id: String,
    /// Its name.
    pub name: String,
    /// Where its runs put their files.
    pub location: String,
    /// Whether it is deleted.
    pub stage: Stage,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Its tags.
    pub tags: Vec<Pair>,
}

/// A run at its source, without its points and files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedRun {
    /// Its id, which it keeps.
    pub run_id: String,
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub status: RunStatus,
    /// Who started it.
    pub user: String,
    /// When it started.
    pub start_time: i64,
    /// When it ended.
    pub end_time: Option<i64>,
    /// Whether it is deleted.
    pub stage: Stage,
    /// Where its files are.
    pub artifact_uri: String,
    /// Its params.
    pub params: Vec<Pair>,
    /// Its tags.
    pub tags: Vec<Pair>,
    /// Data sets that it read.
    pub inputs: Vec<DatasetInput>,
    /// The names of its metrics.
    pub metrics: Vec<String>,
    /// Ids of logged models that it used.
    pub model_inputs: Vec<String>,
    /// Logged models that it made.
    pub model_outputs: Vec<ModelOutput>,
}

/// What files belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HomeKind {
    /// A run.
    Run,
    /// A logged model.
    Model,
}

/// Where files belong, and where they are at their source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// What it is.
    pub kind: HomeKind,
    /// Its id.
    pub id: String,
    /// Where its files are.
    pub uri: String,
}

impl HomeKind {
    /// Returns what rows of files are filed under.
    pub fn owner(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Model => "logged_model",
        }
    }
}

/// Finds the run or the logged model whose files a source of a model version names, and the folder among them.
pub fn home_of(source: &str) -> Option<(HomeKind, &str, String)> {
    let parts: Vec<&str> = source.trim_end_matches('/').split('/').collect();
    let rest = |from: usize| parts.get(from..).unwrap_or_default().join("/");
    let is_model = |id: &str| id.starts_with("m-") && id.len() > 2;
    match parts.as_slice() {
        ["models:", id, ..] if is_model(id) => return Some((HomeKind::Model, parts[1], rest(2))),
        ["runs:", id, ..] if !id.is_empty() => return Some((HomeKind::Run, parts[1], rest(2))),
        _ => {}
    }
    parts.windows(2).enumerate().find_map(|(i, pair)| match pair {
        [id, "artifacts"] if is_model(id) => Some((HomeKind::Model, *id, rest(i + 2))),
        [id, "artifacts"] if id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()) => Some((HomeKind::Run, *id, rest(i + 2))),
        _ => None,
    })
}

/// A registered model at its source, without its versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedRegistered {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Its tags.
    pub tags: Vec<Pair>,
    /// Which version each alias points at.
    pub aliases: Vec<(String, i64)>,
}

/// A version of a registered model at its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedVersion {
    /// Its number, which it keeps.
    pub version: i64,
    /// What it is.
    pub description: String,
    /// Who registered it.
    pub user: String,
    /// The stage that it is in.
    pub stage: ModelStage,
    /// Where its files come from.
    pub source: String,
    /// The run that made it, or nothing.
    pub run_id: String,
    /// A page about that run.
    pub run_link: String,
    /// Where it stands.
    pub state: ModelVersionState,
    /// What a person should know about that.
    pub state_message: String,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Its tags.
    pub tags: Vec<Pair>,
}

/// A number of items and a digest of all of them that does not depend on their order: the sum of their hashes. Two ends that list
/// the same things in different sequences come to the same tally, in constant memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many items.
    pub items: i64,
    high: u128,
    low: u128,
}

impl Tally {
    /// Counts an item, given by what it is and its fields.
    pub fn add(&mut self, what: &str, fields: &[&[u8]]) {
        let mut hasher = Sha256::new();
        for field in std::iter::once(&what.as_bytes()).chain(fields) {
            // with its length before it, so that no two lists of fields read the same
            hasher.update((field.len() as u64).to_le_bytes());
            hasher.update(field);
        }
        let hash = hasher.finalize();
        let half = |bytes: &[u8]| bytes.iter().fold(0_u128, |sum, byte| sum << 8 | u128::from(*byte));
        self.items += 1;
        self.high = self.high.wrapping_add(half(&hash[..16]));
        self.low = self.low.wrapping_add(half(&hash[16..]));
    }

    /// Counts all items of another tally.
    pub fn join(&mut self, other: &Self) {
        self.items += other.items;
        self.high = self.high.wrapping_add(other.high);
        self.low = self.low.wrapping_add(other.low);
    }

    /// Returns the digest: 64 hex digits.
    pub fn digest(&self) -> String {
        format!("{:032x}{:032x}", self.high, self.low)
    }

    /// Counts what a run is, its params, its tags and its inputs.
    pub fn add_run(&mut self, run: &MovedRun) {
        let end = run.end_time.map_or_else(String::new, |end| end.to_string());
        let info = [&run.run_id, &run.name, run.status.as_str(), &run.user, &run.start_time.to_string(), &end, run.stage.as_str()];
        self.add("run", &info.map(str::as_bytes));
        for (what, pairs) in [("param", &run.params), ("tag", &run.tags)] {
            pairs.iter().for_each(|pair| self.add(what, &[pair.key.as_bytes(), pair.value.as_bytes()]));
        }
        for input in &run.inputs {
            let d = &input.dataset;
            let texts = |text: &Option<String>| text.clone().unwrap_or_default();
            let fields = [&d.name, &d.digest, &d.source_type, &d.source, &texts(&d.schema), &texts(&d.profile)];
            self.add("input", &fields.map(|field| field.as_bytes()));
            for tag in &input.tags {
                self.add("input tag", &[&d.name, &d.digest, &tag.key, &tag.value].map(|field| field.as_bytes()));
            }
        }
        run.model_inputs.iter().for_each(|id| self.add("model input", &[id.as_bytes()]));
        run.model_outputs.iter().for_each(|made| self.add("model output", &[made.model_id.as_bytes(), &made.step.to_le_bytes()]));
    }

    /// Counts what a logged model is, its params, its tags and its points. The experiment has another id at either end.
    pub fn add_model(&mut self, model: &LoggedModel) {
        let times = [model.created_at.0.to_string(), model.updated_at.0.to_string()];
        let info = [
            &model.model_id,
            &model.name,
            model.status.as_str(),
            &model.model_type,
            &model.source_run_id,
            model.stage.as_str(),
            &times[0],
            &times[1],
        ];
        self.add("model", &info.map(str::as_bytes));
        for (what, pairs) in [("model param", &model.params), ("model tag", &model.tags)] {
            pairs.iter().for_each(|pair| self.add(what, &[pair.key.as_bytes(), pair.value.as_bytes()]));
        }
        for of in &model.metrics {
            let (bits, p) = (bits(of.point.value.0), &of.point);
            let numbers = [p.step.to_le_bytes(), p.timestamp.to_le_bytes(), bits.to_le_bytes()];
            let texts = [&p.key, &of.run_id, &of.dataset_name, &of.dataset_digest].map(|text| text.as_bytes());
            let fields = [texts[0], texts[1], texts[2], texts[3], &numbers[0], &numbers[1], &numbers[2]];
            self.add("model point", &fields);
        }
    }

    /// Counts what a registered model is, its tags and its aliases. Aliases that stand for stages are told by the versions.
    pub fn add_registered(&mut self, model: &MovedRegistered) {
        let times = [model.created_at.0.to_string(), model.updated_at.0.to_string()];
        self.add("registered model", &[&model.name, &model.description, &times[0], &times[1]].map(|field| field.as_bytes()));
        model.tags.iter().for_each(|pair| self.add("registered tag", &[pair.key.as_bytes(), pair.value.as_bytes()]));
        for (alias, version) in model.aliases.iter().filter(|(alias, _)| ModelStage::of_alias(alias).is_none()) {
            self.add("alias", &[alias.as_bytes(), &version.to_le_bytes()]);
        }
    }

    /// Counts a version of a registered model and its tags.
    pub fn add_version(&mut self, version: &MovedVersion) {
        let number = version.version.to_string();
        let times = [version.created_at.0.to_string(), version.updated_at.0.to_string()];
        let info = [
            &number,
            &version.description,
            &version.user,
            version.stage.as_str(),
            &version.source,
            &version.run_id,
            &version.run_link,
            version.state.as_str(),
            &version.state_message,
            &times[0],
            &times[1],
        ];
        self.add("version", &info.map(str::as_bytes));
        version.tags.iter().for_each(|pair| self.add("version tag", &[&number, &pair.key, &pair.value].map(|field| field.as_bytes())));
    }

    /// Counts a point.
    pub fn add_point(&mut self, point: &MetricPoint) {
        let bits = bits(point.value.0);
        let fields: [&[u8]; 4] = [point.key.as_bytes(), &point.step.to_le_bytes(), &point.timestamp.to_le_bytes(), &bits.to_le_bytes()];
        self.add("point", &fields);
    }
}

/// The bits of a value; all NaN are one.
fn bits(value: f64) -> u64 {
    if value.is_nan() { f64::NAN } else { value }.to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_does_not_know_the_order_of_items_but_their_number_and_their_fields() {
        let tally = |items: &[(&str, &[&[u8]])]| {
            let mut tally = Tally::default();
            items.iter().for_each(|(what, fields)| tally.add(what, fields));
            tally
        };
        let (a, b): (&[&[u8]], &[&[u8]]) = (&[b"1", b"2"], &[b"12"]);
        assert_eq!(tally(&[("x", a), ("x", b)]), tally(&[("x", b), ("x", a)]));
        assert_ne!(tally(&[("x", a)]), tally(&[("x", b)]));
        assert_ne!(tally(&[("x", a)]), tally(&[("y", a)]));
        assert_ne!(tally(&[("x", a)]), tally(&[("x", a), ("x", a)]));
        let mut both = tally(&[("x", a)]);
        both.join(&tally(&[("x", b)]));
        assert_eq!((both, both.digest().len()), (tally(&[("x", a), ("x", b)]), 64));
    }

    #[test]
    fn the_source_of_a_version_names_a_home_of_files() {
        let run = "0123456789abcdef0123456789abcdef";
        let found = |source: &str| home_of(source).map(|(kind, id, path)| (kind, id.to_owned(), path));
        let of_run = |path: &str| Some((HomeKind::Run, run.to_owned(), path.to_owned()));
        assert_eq!(found(&format!("runs:/{run}/model")), of_run("model"));
        assert_eq!(found(&format!("mlflow-artifacts:/1/{run}/artifacts/a/b/")), of_run("a/b"));
        assert_eq!(found(&format!("s3://bucket/x/1/{run}/artifacts")), of_run(""));
        let of_model = |path: &str| Some((HomeKind::Model, "m-1".to_owned(), path.to_owned()));
        assert_eq!(found("models:/m-1"), of_model(""));
        assert_eq!(found("mlflow-artifacts:/7/models/m-1/artifacts/sub"), of_model("sub"));
        for other in ["models:/name/3", "models:/name@champion", "s3://bucket/model", "dummy-source", "", "runs:/", "models:/m-"] {
            assert_eq!(found(other), None, "{other}");
        }
    }
}

//! Who answers what: an immutable table that is replaced as a whole. A request takes the version that it will use out of the
//! table once and keeps it to its end, so no answer mixes versions and a swap makes nobody wait.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::engine::Model;

/// A loaded version.
pub struct Served {
    /// The workspace.
    pub workspace: String,
    /// The model's name.
    pub name: String,
    /// The version's id.
    pub version_id: String,
    /// Its number.
    pub version: i64,
    /// Digest of the model file.
    pub digest: String,
    /// Answers.
    pub model: Arc<dyn Model>,
    /// Counts its answers.
    pub answered: metrics::Counter,
}

impl Served {
    /// Returns the version under a name of its model that may be new.
    pub fn under(self: &Arc<Self>, name: String) -> Arc<Self> {
        if self.name == name {
            return self.clone();
        }
        let answered = metrics::counter!("slipway_predictions_total", "model" => name.clone(), "version" => self.version.to_string());
        Arc::new(Self {
            workspace: self.workspace.clone(),
            name,
            version_id: self.version_id.clone(),
            version: self.version,
            digest: self.digest.clone(),
            model: self.model.clone(),
            answered,
        })
    }
}

/// What is loaded of one model.
#[derive(Clone, Default)]
pub struct Route {
    /// Versions by number, those kept warm among them.
    pub versions: BTreeMap<i64, Arc<Served>>,
    /// Which version each alias means.
    pub aliases: HashMap<String, i64>,
}

/// How a request names a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selector<'a> {
    /// The champion.
    Default,
    /// A number.
    Version(i64),
    /// An alias; TensorFlow Serving calls it a label.
    Label(&'a str),
}

/// The alias that answers when a request names no version.
pub const CHAMPION: &str = "champion";

/// Routes by workspace and model.
#[derive(Default)]
pub struct Table(HashMap<String, HashMap<String, Route>>);

impl Table {
    /// Returns what is loaded of a model.
    pub fn get(&self, workspace: &str, model: &str) -> Option<&Route> {
        self.0.get(workspace)?.get(model)
    }

    /// Returns what is loaded of a model, to be changed; makes it when there is nothing.
    pub fn entry(&mut self, workspace: &str, model: &str) -> &mut Route {
        self.0.entry(workspace.to_owned()).or_default().entry(model.to_owned()).or_default()
    }

    /// Lists every loaded version.
    pub fn versions(&self) -> impl Iterator<Item = &Arc<Served>> {
        self.0.values().flat_map(HashMap::values).flat_map(|route| route.versions.values())
    }
}

/// The table.
#[derive(Default)]
pub struct Router(ArcSwap<Table>);

impl Router {
    /// Finds the version that answers.
    pub fn find(&self, workspace: &str, model: &str, which: Selector<'_>) -> Option<Arc<Served>> {
        self.0.load().get(workspace, model)?.find(which)
    }

    /// Returns what is loaded of a model; `None` when nothing is.
    pub fn route(&self, workspace: &str, model: &str) -> Option<Route> {
        self.0.load().get(workspace, model).filter(|route| !route.versions.is_empty()).cloned()
    }

    /// Returns the table as it is.
    pub fn table(&self) -> Arc<Table> {
        self.0.load_full()
    }

    /// Puts another table in its place.
    pub fn replace(&self, table: Table) {
        self.0.store(Arc::new(table));
    }
}

impl Route {
    /// Finds the version that a request means.
    pub fn find(&self, which: Selector<'_>) -> Option<Arc<Served>> {
        let version = match which {
            Selector::Version(version) => version,
            Selector::Label(label) => *self.aliases.get(label)?,
            Selector::Default => *self.aliases.get(CHAMPION)?,
        };
        self.versions.get(&version).cloned()
    }
}

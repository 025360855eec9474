//! Searches over generated models and versions, held against an evaluation of the same clauses in memory.

use std::cmp::Ordering;

use slipway::domain::identity::Caller;
use slipway::domain::model::ModelVersion;
use slipway::domain::registry::{PROMPT_TAG, TrackedModel};
use slipway::domain::search::{
    Attribute, Clause, Direction, KeyedTest, Kind, OrderBy, OrderField, Subject, Whole, parse_filter, parse_order, split_kind,
};
use slipway::domain::tracking::Pair;
use slipway::service::{NewTrackedVersion, RegistrySearch};

use crate::mlflow::search::{Lots, TEXTS};
use crate::support::db::{ENGINES, World};

const KEYS: [&str; 3] = ["k", "my key", "a.b"];
const NAMES: [&str; 10] = ["alpha", "Alpha", "beta%", "beta_x", "b*", "[c]", "ä", "Ä", "it's", "model 1"];

fn tags(lots: &mut Lots, prompt: bool) -> Vec<Pair> {
    let pair = |key: &str, value: &str| Pair { key: key.to_owned(), value: value.to_owned() };
    let mut tags: Vec<Pair> = KEYS.iter().filter(|_| lots.next(2) == 0).map(|key| pair(key, "")).collect();
    tags.iter_mut().for_each(|tag| tag.value = lots.pick(&TEXTS).to_owned());
    tags.extend(prompt.then(|| pair(PROMPT_TAG, "true")));
    tags
}

async fn given(world: &World, lots: &mut Lots) -> (Vec<TrackedModel>, Vec<ModelVersion>) {
    let (registry, me) = (world.app.registry(), Caller::local());
    for (i, name) in NAMES.into_iter().enumerate() {
        let prompt = i % 5 == 4;
        registry.create_model(&me, name, "", &tags(lots, prompt)).await.unwrap();
        for _ in 0..lots.next(5) {
            world.clock.advance_ms(lots.next(2) as i64);
            let source = if prompt { "dummy-source" } else { lots.pick(&["s3://b/a", "s3://b/A%", "gs://c/x"]) }.to_owned();
            let run_id = (lots.next(2) == 0).then(|| lots.pick(&["r1", "R1", "r2"]).to_owned());
            let new = NewTrackedVersion { model: name.to_owned(), source, run_id, tags: tags(lots, prompt), ..Default::default() };
            registry.create_version(&me, &new).await.unwrap();
        }
    }
    let (mut models, mut versions) = (Vec::new(), Vec::new());
    for name in NAMES {
        let model = registry.get_model(&me, name).await.unwrap();
        for number in 1..=model.model.last_version {
            if lots.next(6) == 0 {
                registry.delete_version(&me, name, &number.to_string()).await.unwrap();
            } else {
                versions.push(registry.get_version(&me, name, &number.to_string()).await.unwrap());
            }
        }
        models.push(registry.get_model(&me, name).await.unwrap());
    }
    (models, versions)
}

fn keyed(value: Option<&String>, test: &KeyedTest) -> bool {
    match test {
        KeyedTest::Value(test) => value.is_some_and(|value| test.holds(value)),
        KeyedTest::Missing => value.is_none(),
        KeyedTest::Present => value.is_some(),
    }
}

/// What a search sees of a thing: texts and numbers by attribute, tags, and whether it is a prompt.
trait Seen {
    fn text(&self, attribute: Attribute) -> &str;
    fn number(&self, attribute: Attribute) -> i64;
    fn tag(&self, key: &str) -> Option<&String>;
    fn is_prompt(&self) -> bool {
        self.tag(PROMPT_TAG).is_some_and(|value| value == "true")
    }
}

impl Seen for TrackedModel {
    fn text(&self, _: Attribute) -> &str {
        &self.model.name
    }
    fn number(&self, _: Attribute) -> i64 {
        self.model.updated_at.0
    }
    fn tag(&self, key: &str) -> Option<&String> {
        self.model.tags.get(key)
    }
}

impl Seen for ModelVersion {
    fn text(&self, attribute: Attribute) -> &str {
        match attribute {
            Attribute::VersionRun => self.run_id.as_deref().unwrap_or(""),
            Attribute::VersionSource => &self.source,
            _ => &self.name,
        }
    }
    fn number(&self, attribute: Attribute) -> i64 {
        match attribute {
            Attribute::VersionNumber => self.version,
            Attribute::VersionCreated => self.created_at.0,
            _ => self.updated_at.0,
        }
    }
    fn tag(&self, key: &str) -> Option<&String> {
        self.tags.get(key)
    }
}

fn passes(thing: &impl Seen, clause: &Clause) -> bool {
    match clause {
        Clause::Text(attribute, test) => test.holds(thing.text(*attribute)),
        Clause::Number(attribute, Whole::Is(op, bound)) => op.holds(Some(thing.number(*attribute).cmp(bound))),
        Clause::Number(_, whole) => *whole == Whole::Always,
        Clause::Tag(key, test) => keyed(thing.tag(key), test),
        other => panic!("{other:?} is not of the registry"),
    }
}

fn compare(a: &impl Seen, b: &impl Seen, OrderBy { field, direction }: &OrderBy) -> Ordering {
    let OrderField::Attribute(attribute) = field else { panic!("{field:?} is not of the registry") };
    let ordering = match attribute.is_number() {
        true => a.number(*attribute).cmp(&b.number(*attribute)),
        false => a.text(*attribute).cmp(b.text(*attribute)),
    };
    if *direction == Direction::Ascending { ordering } else { ordering.reverse() }
}

fn expected<'a, T: Seen>(things: &'a [T], (kind, clauses): &(Kind, Vec<Clause>), order: &[OrderBy]) -> Vec<&'a T> {
    let found = |thing: &&T| (*kind == Kind::Any || !thing.is_prompt()) && clauses.iter().all(|clause| passes(*thing, clause));
    let mut found: Vec<&T> = things.iter().filter(found).collect();
    found.sort_by(|a, b| order.iter().map(|column| compare(*a, *b, column)).find(|o| o.is_ne()).unwrap_or(Ordering::Equal));
    found
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn draw(lots: &mut Lots, subject: Subject) -> String {
    let pattern = quoted(lots.pick(&["%", "a%", "%A", "_", "b_t%", "[c]", "%*%", "", "s3://b/_", "r_", "%\\%"]));
    let value = quoted(lots.pick(&[&TEXTS[..], &NAMES[..], &["r1", "s3://b/a"]].concat()));
    let test = match lots.next(4) {
        0 => format!("= {value}"),
        1 => format!("!= {value}"),
        2 => format!("LIKE {pattern}"),
        _ => format!("ilike {pattern}"),
    };
    let list = format!("{}IN ('alpha', 'ä', 'r1', '')", lots.pick(&["", "NOT "]));
    match (subject, lots.next(6)) {
        (_, 0 | 1) => format!("tags.`{}` {test}", lots.pick(&KEYS)),
        (_, 2) => format!("tag.`{PROMPT_TAG}` {} '{}'", lots.pick(&["=", "!="]), lots.pick(&["true", "false"])),
        (Subject::Models, 3) => format!("name {list}"),
        (Subject::Models, _) => format!("attribute.name {test}"),
        (_, 3) => format!("{} {list}", lots.pick(&["name", "run_id"])),
        (_, 4) => format!(
            "version_number {} {}",
            lots.pick(&["<", "<=", "=", "!=", ">=", ">"]),
            lots.pick(&["1", "2", "'3'", "99999999999999999999"])
        ),
        _ => format!("{} {test}", lots.pick(&["name", "run_id", "source_path"])),
    }
}

fn draw_order(lots: &mut Lots, subject: Subject) -> Vec<String> {
    let known: &[&str] = match subject {
        Subject::Models => &["name", "timestamp"],
        _ => &["name", "version_number", "creation_timestamp", "last_updated_timestamp"],
    };
    let mut columns: Vec<String> = Vec::new();
    for _ in 0..lots.next(3) {
        let column = lots.pick(known);
        if !columns.iter().any(|known| known.starts_with(column)) {
            columns.push(format!("{column} {}", lots.pick(&["", "asc", "DESC"])));
        }
    }
    columns
}

/// Asks for all at once and in pages; returns what names the things found.
macro_rules! found {
    ($world:expr, $search:ident, $request:expr, $size:expr, $name:expr) => {{
        let (registry, me, mut request) = ($world.app.registry(), Caller::local(), $request.clone());
        let told = |e| panic!("{:?} {:?}: {e}", $request.filter, $request.order_by);
        let (all, token) = registry.$search(&me, &request).await.unwrap_or_else(told);
        assert_eq!(token, None);
        let mut paged = Vec::new();
        request.max_results = $size;
        loop {
            let (page, token) = registry.$search(&me, &request).await.unwrap_or_else(told);
            assert!(page.len() as i64 <= $size);
            paged.extend(page.iter().map($name));
            let Some(token) = token else { break };
            request.page_token = token;
        }
        (all.iter().map($name).collect::<Vec<_>>(), paged)
    }};
}

#[tokio::test]
async fn every_search_finds_what_an_evaluation_in_memory_finds() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        let mut lots = Lots(5);
        let (models, versions) = given(&world, &mut lots).await;
        let mut found_any = 0;
        for round in 0..300 {
            let subject = [Subject::Models, Subject::ModelVersions][round % 2];
            let clauses: Vec<String> = (0..lots.next(4)).map(|_| draw(&mut lots, subject)).collect();
            let (filter, order_by) = (clauses.join(" AND "), draw_order(&mut lots, subject));
            let within = split_kind(parse_filter(subject, &filter).unwrap_or_else(|e| panic!("{filter}: {e}")));
            let order = parse_order(subject, &order_by).unwrap();
            let size = 1 + lots.next(6) as i64;
            let request = RegistrySearch { filter, order_by, max_results: 1000, page_token: String::new() };
            let (all, paged, expected) = match subject {
                Subject::Models => {
                    let name = |model: &TrackedModel| format!("{model:?}");
                    let (all, paged) = found!(world, search_models, request, size, name);
                    (all, paged, expected(&models, &within, &order).into_iter().map(name).collect::<Vec<_>>())
                }
                _ => {
                    let name = |version: &ModelVersion| format!("{version:?}");
                    let (all, paged) = found!(world, search_versions, request, size, name);
                    (all, paged, expected(&versions, &within, &order).into_iter().map(name).collect())
                }
            };
            found_any += usize::from(!expected.is_empty());
            assert_eq!(all, expected, "{engine:?} {round}: {:?} by {:?}", request.filter, request.order_by);
            assert_eq!(paged, expected, "{engine:?} {round}: pages of {size} of {:?} by {:?}", request.filter, request.order_by);
        }
        assert!(found_any > 120, "most searches find something: {found_any}");
        world.end().await;
    }
}

//! A copy of everything, from either database into the other and back.

use std::collections::BTreeMap;
use std::path::Path;

use slipway::blob::BlobStore;
use slipway::domain::identity::{Caller, Role};
use slipway::domain::table::Cell;
use slipway::moving::copy::{Manifest, read, write};
use slipway::store::{Db, migrate, table};

use super::server::fill;
use crate::support::db::{Bare, Engine, World};

/// All rows of all tables, as text that can be compared.
async fn rows(db: &Db) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    let mut tx = db.read().await.unwrap();
    for table in table::catalog(&mut tx).await.unwrap() {
        let mut rows = Vec::new();
        let each = table::each(&mut tx, &table, |row: Vec<Cell>| {
            rows.push(format!("{row:?}"));
            Ok(())
        });
        each.await.unwrap();
        rows.sort();
        found.insert(table.name, rows);
    }
    found
}

fn contents(manifest: &Manifest) -> Vec<(String, i64, String)> {
    manifest.tables.iter().map(|table| (table.name.clone(), table.rows, table.content.clone())).collect()
}

fn store(folder: &Path) -> BlobStore {
    BlobStore::open(&folder.display().to_string(), &slipway::blob::BlobOptions::default()).unwrap()
}

/// A world with something in most tables, also what is hard to carry.
async fn filled(engine: Engine) -> World {
    let world = World::new(engine).await;
    fill(&world.app, 5).await;
    let caller = Caller::local();
    let (_, _) = world.app.keys().create(&caller, "reader", Role::Viewer, None).await.unwrap();
    let csv = "a,b\n1,x\n2,\n3,\"y\"\n4,z\n";
    let bytes = futures::stream::iter([Ok::<_, std::io::Error>(bytes::Bytes::from(csv))]);
    world.app.datasets().upload(&caller, "small", slipway::domain::schema::Format::Csv, Default::default(), bytes).await.unwrap();
    world
}

#[tokio::test]
async fn a_copy_makes_an_equal_database_of_either_kind_and_back() {
    for (from, to) in [(Engine::Sqlite, Engine::Postgres), (Engine::Postgres, Engine::Sqlite)] {
        let world = filled(from).await;
        let (first, second) = (world.folder.join("first"), world.folder.join("second"));
        let blobs = store(&world.folder.join("artifacts"));
        let written = write(&world.db, &blobs, &first, true).await.unwrap();
        assert!(written.objects > 5 && written.damaged.is_empty(), "{written:?}");

        let other = Bare::new(to).await;
        let other_blobs = store(&other.folder.join("artifacts"));
        assert_eq!(read(&other.db, &other_blobs, &first).await.unwrap(), written);
        assert_eq!(rows(&other.db).await, rows(&world.db).await);

        let again = write(&other.db, &other_blobs, &second, true).await.unwrap();
        assert_eq!(contents(&again), contents(&written));
        let back = Bare::new(from).await;
        let back_blobs = store(&back.folder.join("artifacts"));
        read(&back.db, &back_blobs, &second).await.unwrap();
        assert_eq!(rows(&back.db).await, rows(&world.db).await);

        // numbers go on after those that came
        let app = back.app().await;
        let caller = Caller::local();
        let new = slipway::service::NewTrackedRun { experiment_id: "0".to_owned(), ..Default::default() };
        let run = app.tracking().create_run(&caller, &new).await.unwrap();
        let files = super::files(&app, &super::runs(&world.app).await[0].info.run_id).await;
        assert_eq!(files.len(), 2);
        assert_eq!(super::runs(&app).await.len(), 6);
        assert!(super::runs(&app).await.iter().any(|found| found.info.run_id == run.info.run_id));

        // into what is not empty nothing goes
        let told = read(&back.db, &back_blobs, &first).await.unwrap_err().to_string();
        assert!(told.contains("the database is not empty"), "{told}");
        let told = write(&world.db, &blobs, &first, true).await.unwrap_err().to_string();
        assert!(told.contains("holds a copy already"), "{told}");
        back.end().await;
        other.end().await;
        world.end().await;
    }
}

#[tokio::test]
async fn keys_stay_at_home_unless_they_are_asked_for() {
    let world = filled(Engine::Sqlite).await;
    let blobs = store(&world.folder.join("artifacts"));
    let folder = world.folder.join("copy");
    let written = write(&world.db, &blobs, &folder, false).await.unwrap();
    assert!(written.tables.iter().all(|table| table.name != "api_keys"));
    assert!(!folder.join("tables/api_keys.parquet").exists());
    let other = Bare::new(Engine::Sqlite).await;
    read(&other.db, &store(&other.folder.join("artifacts")), &folder).await.unwrap();
    assert!(rows(&other.db).await["api_keys"].is_empty());
    other.end().await;
    world.end().await;
}

#[tokio::test]
async fn a_damaged_copy_is_refused_and_leaves_nothing() {
    let world = filled(Engine::Sqlite).await;
    let blobs = store(&world.folder.join("artifacts"));
    let folder = world.folder.join("copy");
    assert!(read(&world.db, &blobs, &folder).await.unwrap_err().to_string().contains("no complete copy"));
    let written = write(&world.db, &blobs, &folder, false).await.unwrap();
    let other = Bare::new(Engine::Sqlite).await;
    let other_blobs = store(&other.folder.join("artifacts"));
    let refused = async || read(&other.db, &other_blobs, &folder).await.unwrap_err().to_string();

    let table = folder.join("tables/runs.parquet");
    let good = std::fs::read(&table).unwrap();
    let mut bad = good.clone();
    bad[40] ^= 1;
    std::fs::write(&table, bad).unwrap();
    assert!(refused().await.contains("runs.parquet is damaged"));
    std::fs::write(&table, good).unwrap();

    let object = walk(&folder.join("objects"));
    let good = std::fs::read(&object).unwrap();
    std::fs::write(&object, vec![b'x'; good.len()]).unwrap();
    assert!(refused().await.contains("is damaged: its SHA-256 is not its name"));
    std::fs::write(&object, good).unwrap();

    // a manifest that promises another row
    let manifest = folder.join("manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let mut lying = written.clone();
    lying.tables.iter_mut().for_each(|table| table.rows += i64::from(table.name == "runs"));
    std::fs::write(&manifest, serde_json::to_string(&lying).unwrap()).unwrap();
    assert!(refused().await.contains("the table runs came out with 5 rows where the copy has 6"));
    lying.tables[0].name = "../up".to_owned();
    std::fs::write(&manifest, serde_json::to_string(&lying).unwrap()).unwrap();
    assert!(refused().await.contains("is no name of a table"));
    std::fs::write(&manifest, text.replace("\"format\": 1", "\"format\": 2")).unwrap();
    assert!(refused().await.contains("it needs a newer slipway"));
    std::fs::write(&manifest, text).unwrap();

    assert!(rows(&other.db).await.values().all(Vec::is_empty));
    read(&other.db, &other_blobs, &folder).await.unwrap();
    assert_eq!(rows(&other.db).await["runs"].len(), 5);
    other.end().await;
    world.end().await;
}

#[tokio::test]
async fn a_copy_of_an_older_schema_is_brought_up_to_date() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let old = Bare::new(engine).await;
        let before = migrate::LATEST - 1;
        migrate::run_to(&old.db, before).await.unwrap();
        let sql = "insert into workspaces (id, name, state, created_at) values ('default', 'default', 'active', 1)";
        match &old.db {
            Db::Postgres(pool) => drop(sqlx::query(sql).execute(pool).await.unwrap()),
            Db::Sqlite { writer, .. } => drop(sqlx::query(sql).execute(writer).await.unwrap()),
        }
        let folder = old.folder.join("copy");
        let written = write(&old.db, &store(&old.folder.join("artifacts")), &folder, true).await.unwrap();
        assert_eq!(written.schema, before);
        let new = Bare::new(engine).await;
        read(&new.db, &store(&new.folder.join("artifacts")), &folder).await.unwrap();
        assert_eq!(migrate::applied(&new.db).await.unwrap(), before);
        slipway::boot::bring_up_to_date(&new.db).await.unwrap();
        assert_eq!(rows(&new.db).await["workspaces"].len(), 1);
        new.end().await;
        old.end().await;
    }
}

/// Returns the first file in a folder of folders.
fn walk(folder: &Path) -> std::path::PathBuf {
    let entry = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    if entry.is_dir() { walk(&entry) } else { entry }
}

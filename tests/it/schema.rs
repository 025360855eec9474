//! The migrations make the same tables and columns on both engines, and can be run twice. apalis' tables are its own business: they
//! stand in a schema of their own on Postgres and beside ours on SQLite.

use std::collections::BTreeSet;

use slipway::store::{Db, migrate};

use crate::support::db::{ENGINES, World};

async fn columns(db: &Db) -> BTreeSet<String> {
    let names: Vec<String> = match db {
        Db::Postgres(pool) => sqlx::query_scalar(
            "select table_name || '.' || column_name || case is_nullable when 'NO' then ' not null' else '' end
             from information_schema.columns where table_schema = 'public' and table_name not like '\\_%'",
        )
        .fetch_all(pool)
        .await
        .unwrap(),
        Db::Sqlite { reader, .. } => sqlx::query_scalar(
            "select m.name || '.' || c.name || case when c.\"notnull\" = 1 or c.pk > 0 then ' not null' else '' end
             from sqlite_master m join pragma_table_info(m.name) c
             where m.type = 'table' and m.name not like '\\_%' escape '\\' and m.name not like 'sqlite%'
               and m.name not in ('Jobs', 'Workers')",
        )
        .fetch_all(reader)
        .await
        .unwrap(),
    };
    names.into_iter().collect()
}

#[tokio::test]
async fn both_engines_have_the_same_columns() {
    let mut made = Vec::new();
    for engine in ENGINES {
        let world = World::new(engine).await;
        migrate::run(&world.db).await.unwrap();
        assert_eq!(migrate::applied(&world.db).await.unwrap(), migrate::LATEST);
        made.push(columns(&world.db).await);
        world.end().await;
    }
    assert!(made[0].contains("job_attempts.epoch not null"));
    assert_eq!(made[0], made[1]);
}

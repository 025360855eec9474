//! Files that are no tables: each is refused with the place of what is wrong, and nothing of it stays anywhere.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::{Value, json};

use super::client::{Api, get, post};
use super::given;
use crate::support::db::ENGINES;

/// A broken file: format, bytes, code, line, column.
struct Broken(&'static str, Vec<u8>, &'static str, Option<u64>, Option<&'static str>);

fn broken(format: &'static str, bytes: impl AsRef<[u8]>, code: &'static str, line: u64, column: &'static str) -> Broken {
    let column = (!column.is_empty()).then_some(column);
    Broken(format, bytes.as_ref().to_vec(), code, (line > 0).then_some(line), column)
}

/// Writes two rows by a schema of 64-bit integers, doubles and texts; a repeated column gets one value a row.
fn parquet(schema: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let message = Arc::new(parse_message_type(schema).unwrap());
    let mut writer = SerializedFileWriter::new(&mut bytes, message, WriterProperties::default().into()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let repeated = schema.contains("repeated");
    let (definition, repetition) = (repeated.then_some(&[1, 1][..]), repeated.then_some(&[0, 0][..]));
    while let Some(mut column) = group.next_column().unwrap() {
        match column.untyped() {
            ColumnWriter::Int64ColumnWriter(column) => column.write_batch(&[1, 2], definition, repetition).unwrap(),
            ColumnWriter::DoubleColumnWriter(column) => column.write_batch(&[0.5, 1.5], None, None).unwrap(),
            ColumnWriter::ByteArrayColumnWriter(column) => column.write_batch(&["x", "y"].map(ByteArray::from), None, None).unwrap(),
            _ => unreachable!("the schemas have no other types"),
        };
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
    bytes
}

const FLAT: &str = "message m { required int64 a; required double b; required binary c (utf8); }";

fn all() -> Vec<Broken> {
    let flat = parquet(FLAT);
    let half = flat.len() / 2;
    let long = "x".repeat(17 << 20);
    vec![
        broken("csv", "", "empty_file", 0, ""),
        broken("csv", "\u{feff}", "empty_file", 0, ""),
        broken("csv", "a,b\n", "no_rows", 0, ""),
        broken("csv", "a,b\n1,2\n3\n", "ragged_row", 3, "b"),
        broken("csv", "a,b\n1,2\n3,4,5\n", "ragged_row", 3, "3"),
        broken("csv", "a,b\r\n1,2\r\n3\r\n", "ragged_row", 3, "b"),
        broken("csv", "a,b\n\"x\ny\",2\n3\n", "ragged_row", 4, "b"),
        broken("csv", "a,b\n\n1,2\n\n\n3\n", "ragged_row", 6, "b"),
        broken("csv", "a,b\r\n1,2\r\n1,x\r\n", "mixed_types", 3, "b"),
        broken("csv", b"a,b\n1,\xff\n", "invalid_utf8", 2, "b"),
        broken("csv", b"a,\xff\n1,2\n", "invalid_utf8", 1, "2"),
        broken("csv", "a,b\n1,2\n1,x\n", "mixed_types", 3, "b"),
        broken("csv", "a,b\n1,2\n1,true\n", "mixed_types", 3, "b"),
        broken("csv", "a,b\n1,2\n1,2026-01-01\n", "mixed_types", 3, "b"),
        broken("csv", "a,b,a\n1,2,3\n", "duplicate_column", 1, "a"),
        broken("csv", "a,a \n1,2\n", "duplicate_column", 1, "a"),
        broken("csv", "a,,c\n1,2,3\n", "empty_column_name", 1, "2"),
        broken("csv", "a, \n1,2\n", "empty_column_name", 1, "2"),
        broken("csv", "a,b\nx\0y,1\n", "nul_in_text", 2, "a"),
        broken("csv", "a\0,b\n1,2\n", "nul_in_text", 1, "1"),
        broken("csv", format!("a\n{long}\n"), "row_too_large", 2, ""),
        broken("csv", format!("a\n1\n\"{long}"), "row_too_large", 3, ""),
        broken("jsonl", "", "empty_file", 0, ""),
        broken("jsonl", "\n\n", "no_rows", 0, ""),
        broken("jsonl", "{\"a\": 1}\n{\"a\": 1,\n", "invalid_json", 2, "8"),
        broken("jsonl", "{\"a\": 1}\n[1]\n", "invalid_json", 2, "0"),
        broken("jsonl", b"{\"a\": 1}\n{\"a\": \"\xff\"}\n", "invalid_utf8", 2, ""),
        broken("jsonl", "{\"a\": 1}\n{\"a\": \"x\"}\n", "mixed_types", 2, "a"),
        broken("jsonl", "{\"a\": 1, \"a\": 2}\n", "duplicate_column", 1, "a"),
        broken("jsonl", "{\"a\": 1, \"\": 2}\n", "empty_column_name", 1, "2"),
        broken("jsonl", "{\"a\": {\"b\": 1}}\n", "nested_value", 1, "a"),
        broken("jsonl", "{\"a\": [1]}\n", "nested_value", 1, "a"),
        broken("jsonl", "{\"a\": \"x\\u0000y\"}\n", "nul_in_text", 1, "a"),
        broken("jsonl", "{\"a\\u0000\": 1}\n", "nul_in_text", 1, "1"),
        broken("jsonl", format!("{{\"a\": 1}}\n{{\"a\": \"{long}\"}}\n"), "row_too_large", 2, ""),
        broken("parquet", "", "empty_file", 0, ""),
        broken("parquet", "PAR1", "invalid_parquet", 0, ""),
        broken("parquet", "a,b\n1,2\n", "invalid_parquet", 0, ""),
        broken("parquet", &flat[..half], "invalid_parquet", 0, ""),
        broken("parquet", &flat[..flat.len() - 1], "invalid_parquet", 0, ""),
        broken("parquet", &flat[4..], "invalid_parquet", 1, ""),
        broken("parquet", parquet("message m { repeated int64 a; }"), "nested_value", 0, "a"),
        broken("parquet", parquet("message m { required group g { required int64 a; } }"), "nested_value", 0, "g.a"),
        broken("parquet", parquet("message m { required binary c; }"), "unsupported_column", 0, "c"),
    ]
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// Everything that an upload could leave: objects, spool files, rows.
async fn left(api: &Api) -> Vec<String> {
    let mut found = Vec::new();
    for folder in ["artifacts", "spool"] {
        files(&api.world.folder.join(folder), &mut found);
    }
    let mut left: Vec<String> = found.iter().map(|path| path.display().to_string()).collect();
    for table in ["datasets", "dataset_versions", "blobs", "artifacts", "state_transitions", "idempotency_keys"] {
        let rows = given::rows_in(&api.world, table).await;
        if rows > 0 {
            left.push(format!("{rows} rows in {table}"));
        }
    }
    left
}

#[tokio::test]
async fn a_broken_file_is_refused_with_its_place_and_leaves_nothing() {
    for engine in ENGINES {
        let api = Api::new(engine).await;
        for Broken(format, bytes, code, line, column) in all() {
            let what = format!("{engine:?}: {format} {code}: {:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(40)]));
            let answer = api.send(post(&format!("/api/v1/datasets/broken/versions?format={format}")).bytes("", &bytes)).await;
            let problem: Value = answer.json();
            assert_eq!((answer.status.as_u16(), problem["code"].as_str()), (400, Some(code)), "{what}: {problem}");
            assert_eq!(
                (problem.get("line").and_then(Value::as_u64), problem.get("column").and_then(Value::as_str)),
                (line, column),
                "{what}: {problem}"
            );
            let told = problem["detail"].as_str().unwrap();
            assert!(line.is_none_or(|line| told.starts_with(&format!("line {line}, "))), "{what}: {told}");
            assert!(column.is_none_or(|column| told.contains(&format!("column {column:?}: "))), "{what}: {told}");
            assert_eq!(left(&api).await, Vec::<String>::new(), "{what}");
        }
        api.send(get("/api/v1/datasets/broken")).await.refused(404, "dataset_not_found");
        assert_eq!(api.send(get("/api/v1/events?after=4")).await.json()["items"], json!([]), "{engine:?}: nobody was told");
        api.end().await;
    }
}

#[tokio::test]
async fn what_only_looks_broken_is_read() {
    for engine in ENGINES {
        let api = Api::new(engine).await;
        let ok: [(&str, &[u8], Value); 9] = [
            ("csv", "\u{feff}a,b\r\n1,x\r\n2,y".as_bytes(), json!([[1, "x"], [2, "y"]])),
            ("csv", b"a;b\n\"1\";\"x;\"\"y\"\"\nz\"\n", json!([[1, "x;\"y\"\nz"]])),
            ("csv", b"a\tb\n1\t\n", json!([[1, null]])),
            ("csv", b"a,b\n1,2\n\n3,NA\n", json!([[1, 2], [3, null]])),
            ("csv", b"a,b\n1,2.5\n3,4\n", json!([[1, 2.5], [3, 4.0]])),
            ("csv", b"a\n2026-01-01\n2026-01-02T03:04:05Z\n", json!([["2026-01-01T00:00:00.000Z"], ["2026-01-02T03:04:05.000Z"]])),
            ("jsonl", "\u{feff}{\"a\": 1}\r\n\r\n{\"b\": \"x\"}".as_bytes(), json!([[1, null], [null, "x"]])),
            ("jsonl", b"{\"a\": 9223372036854775807}\n{\"a\": null}\n", json!([[9_223_372_036_854_775_807_i64], [null]])),
            ("parquet", &parquet(FLAT), json!([[1, 0.5, "x"], [2, 1.5, "y"]])),
        ];
        for (number, (format, bytes, rows)) in (1..).zip(ok) {
            let path = "/api/v1/datasets/odd/versions";
            let made = api.send(post(&format!("{path}?format={format}")).bytes("", bytes)).await.expect(201).json();
            assert_eq!(made["version"], json!(number));
            let preview = api.send(get(&format!("{path}/{number}/preview"))).await.expect(200).json();
            assert_eq!(preview["rows"], rows, "{engine:?}: {:?}", String::from_utf8_lossy(bytes));
            assert_eq!(api.send(get(&format!("{path}/{number}/content"))).await.expect(200).body, bytes);
            let again = api.send(post(&format!("{path}?format={format}")).bytes("", bytes)).await.expect(200).json();
            assert_eq!(again, made, "{engine:?}: the same bytes are the same version");
        }
        api.end().await;
    }
}

#[tokio::test]
async fn a_file_read_otherwise_is_another_version() {
    for engine in ENGINES {
        let api = Api::new(engine).await;
        let upload = async |query: &str| {
            let answer = api.send(post(&format!("/api/v1/datasets/d/versions?format=csv{query}")).bytes("", b"zip,n\n01234,1\n")).await;
            (answer.status.as_u16(), answer.json()["version"].as_i64().unwrap(), answer.json()["digest"].as_str().unwrap().to_owned())
        };
        let (status, version, digest) = upload("").await;
        assert_eq!((status, version), (201, 1));
        assert_eq!(upload("&types=zip:string").await, (201, 2, digest.clone()), "{engine:?}");
        assert_eq!(upload("&types=zip:string,n:double").await, (201, 3, digest.clone()), "{engine:?}");
        assert_eq!(upload("&types=zip:string").await, (200, 2, digest.clone()), "{engine:?}");
        assert_eq!(upload("&types=zip:long").await, (200, 1, digest), "{engine:?}: what was inferred anyway");
        let rows = api.send(get("/api/v1/datasets/d/versions/2/preview")).await.json()["rows"].clone();
        assert_eq!(rows, json!([["01234", 1]]));
        api.end().await;
    }
}

#[tokio::test]
async fn concurrent_uploads_of_one_file_make_one_version() {
    for engine in ENGINES {
        let api = Arc::new(Api::new(engine).await);
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let api = api.clone();
                tokio::spawn(async move { api.send(post("/api/v1/datasets/d/versions").bytes("text/csv", b"a\n1\n")).await })
            })
            .collect();
        let mut new = 0;
        for task in tasks {
            let answer = task.await.unwrap();
            assert!(answer.status.is_success(), "{engine:?}: {}", answer.json());
            assert_eq!(answer.json()["version"], json!(1));
            new += usize::from(answer.status == 201);
        }
        assert_eq!(new, 1, "{engine:?}");
        assert_eq!(api.send(get("/api/v1/datasets/d")).await.json()["last_version"], json!(1), "{engine:?}: no number is lost");
        Arc::into_inner(api).unwrap().end().await;
    }
}

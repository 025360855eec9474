//! Files of each format, good and broken.

use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::schema::ColumnType;
use crate::stats::profile::ColumnProfile;

struct Scratch(PathBuf);

impl Scratch {
    fn new(bytes: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("slipway-data-{}", uuid::Uuid::from_u128(rand_bits()).simple()));
        std::fs::write(&path, bytes).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn rand_bits() -> u128 {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).unwrap();
    u128::from_le_bytes(bytes)
}

fn look(format: Format, text: &str) -> Result<Inspection, DataError> {
    inspect(&Scratch::new(text.as_bytes()).0, format, &Overrides::new())
}

fn types(found: &Inspection) -> Vec<(String, ColumnType, bool)> {
    found.schema.columns.iter().map(|c| (c.name.clone(), c.r#type, c.nullable)).collect()
}

/// Code, line and column of a refusal.
fn refusal(result: Result<Inspection, DataError>) -> (&'static str, Option<u64>, Option<String>) {
    let e = result.unwrap_err();
    (e.code, e.line, e.column)
}

fn at(code: &'static str, line: u64, column: &str) -> (&'static str, Option<u64>, Option<String>) {
    (code, Some(line), Some(column.to_owned()))
}

#[test]
fn csv_types_are_found_and_missing_values_noticed() {
    let text = "\u{feff}id,price,ok,day,city\r\n1,2,true,2026-01-31,Rome\r\n2,2.5,false,2026-02-01T10:00:00Z,\"Os\r\nlo\"\r\n,,,,NA\r\n";
    let found = look(Format::Csv, text).unwrap();
    let column = |name: &str, kind| (name.to_owned(), kind, true);
    let expected = [
        column("id", ColumnType::Long),
        column("price", ColumnType::Double),
        column("ok", ColumnType::Boolean),
        column("day", ColumnType::Datetime),
        column("city", ColumnType::String),
    ];
    assert_eq!(types(&found), expected);
    assert_eq!(found.rows, 3);
    assert_eq!(found.profiles[0].nulls, 1);
    assert_eq!(found.profiles[1].numeric.as_ref().unwrap().mean, 2.25);
    let file = Scratch::new(text.as_bytes());
    let rows = preview(&file.0, Format::Csv, &found.schema, 2).unwrap();
    assert_eq!(
        json!(rows),
        json!([[1, 2.0, true, "2026-01-31T00:00:00.000Z", "Rome"], [2, 2.5, false, "2026-02-01T10:00:00.000Z", "Os\r\nlo"]])
    );
    let frame = read_frame(&file.0, Format::Csv, &found.schema, Some(&["city".to_owned(), "price".to_owned()])).unwrap();
    assert_eq!(frame.rows, 3);
    assert_eq!(frame.columns[0].1, Values::Texts { codes: vec![0, 1, u32::MAX], levels: vec!["Rome".into(), "Os\r\nlo".into()] });
    let Values::Numbers(prices) = &frame.columns[1].1 else { panic!("prices are numbers") };
    assert_eq!(prices[..2], [2.0, 2.5]);
    assert!(prices[2].is_nan());
}

#[test]
fn other_separators_are_found_in_the_header() {
    for separator in [';', '\t'] {
        let text = "a,b;c\n1;2\n".replace(';', &separator.to_string()).replace("a,b", "\"a,b\"");
        assert_eq!(look(Format::Csv, &text).unwrap().schema.columns[0].name, "a,b");
    }
}

#[test]
fn broken_csv_is_refused_with_line_and_column() {
    let csv = |text: &str| refusal(look(Format::Csv, text));
    assert_eq!(csv(""), ("empty_file", None, None));
    assert_eq!(csv("\u{feff}"), ("empty_file", None, None));
    assert_eq!(csv("a,b\n"), ("no_rows", None, None));
    assert_eq!(csv("a,a\n1,2\n"), at("duplicate_column", 1, "a"));
    assert_eq!(csv("a,,c\n1,2,3\n"), at("empty_column_name", 1, "2"));
    assert_eq!(csv("a,b\nw,2\n\"x\ny\",3\n4\n"), at("ragged_row", 5, "b"));
    assert_eq!(csv("a,b\n1,2,3\n"), at("ragged_row", 2, "3"));
    assert_eq!(csv("a,b\n1,2\n3,x\n"), at("mixed_types", 3, "b"));
    assert_eq!(csv("a\ntrue\n1\n"), at("mixed_types", 3, "a"));
    let bad = Scratch::new(b"a,b\n1,\xff\n");
    assert_eq!(refusal(inspect(&bad.0, Format::Csv, &Overrides::new())), at("invalid_utf8", 2, "b"));
    let bad = Scratch::new(b"a,\xff\n1,2\n");
    assert_eq!(refusal(inspect(&bad.0, Format::Csv, &Overrides::new())), at("invalid_utf8", 1, "2"));
    let endless = format!("a,b\n1,2\n\"{}", "x".repeat(20 << 20));
    assert_eq!(csv(&endless).0, "row_too_large");
}

#[test]
fn a_declared_type_wins_and_is_held_to() {
    let file = Scratch::new(b"zip,n\n01234,1\nAB1,2\n");
    let text = Overrides::from([("zip".to_owned(), ColumnType::String)]);
    let found = inspect(&file.0, Format::Csv, &text).unwrap();
    assert_eq!(found.schema.columns[0].r#type, ColumnType::String);
    assert_eq!(refusal(inspect(&file.0, Format::Csv, &Overrides::new())), at("mixed_types", 3, "zip"));
    let long = Overrides::from([("zip".to_owned(), ColumnType::Long)]);
    assert_eq!(refusal(inspect(&file.0, Format::Csv, &long)), at("mixed_types", 3, "zip"));
    let other = Overrides::from([("nowhere".to_owned(), ColumnType::Long)]);
    let clean = Scratch::new(b"zip,n\n1,2\n");
    assert_eq!(refusal(inspect(&clean.0, Format::Csv, &other)), ("unknown_column", None, Some("nowhere".to_owned())));
}

#[test]
fn json_lines_collect_keys_in_order_and_absent_ones_are_missing() {
    let found = look(Format::Jsonl, "{\"b\":1,\"a\":\"x\"}\n\n{\"a\":\"y\",\"c\":true,\"b\":2.5}\n").unwrap();
    let expected = [
        ("b".to_owned(), ColumnType::Double, false),
        ("a".to_owned(), ColumnType::String, false),
        ("c".to_owned(), ColumnType::Boolean, true),
    ];
    assert_eq!(types(&found), expected);
    assert_eq!((found.rows, found.profiles[2].nulls), (2, 1));
}

#[test]
fn broken_json_lines_are_refused_with_line_and_column() {
    let jsonl = |text: &str| refusal(look(Format::Jsonl, text));
    assert_eq!(jsonl(""), ("empty_file", None, None));
    assert_eq!(jsonl("\n\n"), ("no_rows", None, None));
    assert_eq!(jsonl("{\"a\":1}\n{\"a\":"), at("invalid_json", 2, "5"));
    assert_eq!(jsonl("[1]\n").0, "invalid_json");
    assert_eq!(jsonl("{\"a\":1,\"a\":2}\n"), at("duplicate_column", 1, "a"));
    assert_eq!(jsonl("{\"a\":1}\n{\"a\":\"x\"}\n"), at("mixed_types", 2, "a"));
    assert_eq!(jsonl("{\"a\":\"x\"}\n{\"a\":1}\n"), at("mixed_types", 2, "a"));
    assert_eq!(jsonl("{\"a\":[1]}\n"), at("nested_value", 1, "a"));
    let bad = Scratch::new(b"{\"a\":1}\n{\"a\":\"\xff\"}\n");
    assert_eq!(refusal(inspect(&bad.0, Format::Jsonl, &Overrides::new())), ("invalid_utf8", Some(2), None));
}

mod parquet_files {
    use std::sync::Arc;

    use ::parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
    use ::parquet::file::properties::WriterProperties;
    use ::parquet::file::writer::SerializedFileWriter;
    use ::parquet::schema::parser::parse_message_type;

    use super::*;

    fn written(schema: &str) -> Vec<u8> {
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let mut bytes = Vec::new();
        let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(WriterProperties::default())).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(&[1, 2, 3], None, None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<DoubleType>().write_batch(&[0.5, 1.5], Some(&[1, 0, 1]), None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let texts = ["x", "y", "x"].map(ByteArray::from);
        column.typed::<ByteArrayType>().write_batch(&texts, None, None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<BoolType>().write_batch(&[true, false, true], None, None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
        writer.close().unwrap();
        bytes
    }

    const FLAT: &str = "message m { required int64 id; optional double x; required binary s (utf8); required boolean b; }";

    #[test]
    fn columns_are_typed_by_the_file() {
        let file = Scratch::new(&written(FLAT));
        let found = inspect(&file.0, Format::Parquet, &Overrides::new()).unwrap();
        let expected = [
            ("id".to_owned(), ColumnType::Long, false),
            ("x".to_owned(), ColumnType::Double, true),
            ("s".to_owned(), ColumnType::String, false),
            ("b".to_owned(), ColumnType::Boolean, false),
        ];
        assert_eq!(types(&found), expected);
        assert_eq!(found.rows, 3);
        let rows = preview(&file.0, Format::Parquet, &found.schema, 9).unwrap();
        assert_eq!(json!(rows), json!([[1, 0.5, "x", true], [2, null, "y", false], [3, 1.5, "x", true]]));
    }

    #[test]
    fn every_truncation_is_refused_and_none_panics() {
        let bytes = written(FLAT);
        for length in 0..bytes.len() {
            let file = Scratch::new(&bytes[..length]);
            let code = inspect(&file.0, Format::Parquet, &Overrides::new()).unwrap_err().code;
            assert!(matches!(code, "invalid_parquet" | "empty_file"), "{code} at {length}");
        }
    }

    #[test]
    fn damaged_bytes_never_panic() {
        let bytes = written(FLAT);
        for place in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 0x5a;
            let file = Scratch::new(&damaged);
            let _ = inspect(&file.0, Format::Parquet, &Overrides::new());
        }
    }

    #[test]
    fn bytes_that_are_not_text_are_refused_by_name() {
        let file = Scratch::new(&written(&FLAT.replace(" (utf8)", "")));
        let e = inspect(&file.0, Format::Parquet, &Overrides::new()).unwrap_err();
        assert_eq!((e.code, e.column.as_deref()), ("unsupported_column", Some("s")));
    }
}

proptest! {
    /// Whatever texts and numbers are written as CSV or JSON lines are read back.
    #[test]
    fn what_is_written_is_read_back(rows in prop::collection::vec((-1e9..1e9f64, "[a-zA-Z ,;\"\n\t']{0,12}[xyz]"), 1..40)) {
        let mut csv = ::csv::Writer::from_writer(Vec::new());
        csv.write_record(["n", "s"]).unwrap();
        let mut lines = String::new();
        for (n, s) in &rows {
            csv.write_record([&n.to_string(), s]).unwrap();
            lines.push_str(&json!({ "n": n, "s": s }).to_string());
            lines.push('\n');
        }
        for (format, bytes) in [(Format::Csv, csv.into_inner().unwrap()), (Format::Jsonl, lines.into_bytes())] {
            let file = Scratch::new(&bytes);
            let types = Overrides::from([("n".to_owned(), ColumnType::Double), ("s".to_owned(), ColumnType::String)]);
            let found = inspect(&file.0, format, &types).unwrap();
            let read = preview(&file.0, format, &found.schema, rows.len() + 1).unwrap();
            let expected: Vec<_> = rows.iter().map(|(n, s)| vec![json!(n), json!(s)]).collect();
            prop_assert_eq!(read, expected);
        }
    }

    /// A profile collected value by value is the profile of the values together.
    #[test]
    fn a_collected_profile_is_exact_while_values_are_kept(values in prop::collection::vec(prop::option::of(-100..100i32), 0..300)) {
        let mut collector = crate::stats::collect::Collector::numeric("c", 1000);
        for value in &values {
            match value {
                Some(value) => collector.add_number(f64::from(*value)),
                None => collector.add_missing(),
            }
        }
        let together: Vec<f64> = values.iter().map(|v| v.map_or(f64::NAN, f64::from)).collect();
        prop_assert_eq!(collector.finish(), ColumnProfile::numeric("c", &together));
    }
}

#[test]
fn a_sketched_profile_is_close_to_the_exact_one() {
    let values: Vec<f64> = (0..60_000u64).map(|i| ((i * 48_271) % 65_537) as f64).collect();
    let mut collector = crate::stats::collect::Collector::numeric("c", 1000);
    values.iter().for_each(|v| collector.add_number(*v));
    let sketched = collector.finish().numeric.unwrap();
    let exact = ColumnProfile::numeric("c", &values).numeric.unwrap();
    assert_eq!((sketched.count, sketched.min, sketched.max), (exact.count, exact.min, exact.max));
    assert!((sketched.mean - exact.mean).abs() < 1e-6 && (sketched.std - exact.std).abs() < 1e-6);
    for (a, b) in sketched.edges.iter().zip(&exact.edges) {
        assert!((a - b).abs() < 65_537.0 * 0.002, "{a} is far from {b}");
    }
}

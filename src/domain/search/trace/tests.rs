use proptest::prelude::*;

use super::*;

#[test]
fn clauses_about_spans_are_about_one_span() {
    let parsed = parse_trace_filter("span.name = 'a' AND trace.status = 'OK' AND span.attributes.model LIKE '%x%'").unwrap();
    let tests =
        vec![(SpanField::Name, TextTest::Is("a".to_owned())), (SpanField::Attribute("model".to_owned()), TextTest::Like("%x%".to_owned()))];
    assert_eq!(parsed, [TraceClause::Text(TraceField::State, TextTest::Is("OK".to_owned())), TraceClause::Span(tests)]);
}

#[test]
fn names_have_their_aliases() {
    let same = |a: &str, b: &str| assert_eq!(parse_trace_filter(a).unwrap(), parse_trace_filter(b).unwrap(), "{a}");
    same("timestamp > 1", "trace.timestamp_ms > 1");
    same("name = 'x'", "tags.`mlflow.traceName` = 'x'");
    same("run_id = 'r'", "metadata.`mlflow.sourceRun` = 'r'");
    same("metadata.`mlflow.trace.session` = 's'", "request_metadata.mlflow.trace.session = 's'");
    same("feedback.score >= 0.5", "feedback.`score` >= 0.5");
    for refused in ["what = 'x'", "span.what = 'x'", "timestamp = 'x'", "status > 'x'", "name RLIKE 'x'", "prompt = 'a'", "tag.a", "and"] {
        assert!(parse_trace_filter(refused).is_err(), "{refused}");
    }
}

#[test]
fn an_order_is_total() {
    let order = parse_trace_order(&["execution_time DESC".to_owned()]).unwrap();
    let fields: Vec<_> = order.iter().map(|column| column.field.clone()).collect();
    let all = [TraceField::Duration, TraceField::RequestTime, TraceField::Id].map(TraceOrderField::Field);
    assert_eq!(fields, all);
    assert!(parse_trace_order(&["a.b".to_owned()]).is_err());
    assert!(parse_trace_order(&["name".to_owned(), "tag.mlflow.traceName".to_owned()]).is_err());
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,80}", column in "\\PC{0,40}") {
        let _ = parse_trace_filter(&text);
        let _ = parse_trace_order(&[column]);
    }
}

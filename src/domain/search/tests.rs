//! What the search language accepts, how it is refused, and that no text makes its parser panic.

use proptest::prelude::*;

use super::*;

fn runs(text: &str) -> Vec<Clause> {
    parse_filter(Subject::Runs, text).unwrap()
}

fn refusal(text: &str) -> String {
    parse_filter(Subject::Runs, text).unwrap_err().message
}

fn is(value: &str) -> KeyedTest {
    KeyedTest::Value(TextTest::Is(value.to_owned()))
}

#[test]
fn every_spelling_of_a_key_means_the_same() {
    for text in ["params.lr = 'a'", "param.lr='a'", "parameters.`lr` = \"a\"", "`params`.\"lr\" = 'a'", " parameter.lr  =  'a' "] {
        assert_eq!(runs(text), [Clause::Param("lr".to_owned(), is("a"))], "{text}");
    }
    assert_eq!(runs("tags.mlflow.source.name = 'x'"), [Clause::Tag("mlflow.source.name".to_owned(), is("x"))]);
    assert_eq!(runs("tags.`a b.c` = 'it''s'"), [Clause::Tag("a b.c".to_owned(), is("it's"))]);
    assert_eq!(runs("Created > 5"), [Clause::Number(Attribute::StartTime, Whole::Is(Op::Greater, 5))]);
    assert_eq!(
        runs("attributes.`Run Name` ilike 'A%' and metrics.`val/loss` <= -1.5e-3 AND datasets.name in ('a', \"b\")"),
        [
            Clause::Text(Attribute::RunName, TextTest::ILike("A%".to_owned())),
            Clause::Metric { key: "val/loss".to_owned(), op: Op::AtMost, value: -1.5e-3 },
            Clause::Dataset(DatasetField::Name, TextTest::In(vec!["a".to_owned(), "b".to_owned()])),
        ]
    );
    assert_eq!(runs("run_id not in ('a',)"), [Clause::Text(Attribute::RunId, TextTest::NotIn(vec!["a".to_owned()]))]);
    assert_eq!(runs("tags.a is null"), [Clause::Tag("a".to_owned(), KeyedTest::Missing)]);
    assert_eq!(runs("params.a IS  NOT NULL"), [Clause::Param("a".to_owned(), KeyedTest::Present)]);
    assert_eq!(runs("  "), []);
}

#[test]
fn refusals_name_what_was_not_understood() {
    let cases = [
        ("metrics.a > 1 OR metrics.b > 1", "Invalid clause(s) in filter string: 'OR'"),
        ("metrics.a > '1'", "Expected numeric value type for metric. Found '1'"),
        ("params.a = 1", "Expected a quoted string value for parameter (e.g. 'my-value'). Got value 1"),
        ("params.a > '1'", "Invalid comparator '>' not one of '{'!=', '=', 'LIKE', 'ILIKE', 'IS NULL', 'IS NOT NULL'}'"),
        ("metrics.a LIKE 1", "Invalid comparator 'LIKE' not one of '{'>', '>=', '!=', '=', '<', '<='}'"),
        ("status IN ('a')", "Only ['run_id'] attributes support comparison with a list of quoted string values."),
        ("metrics.a IS NULL", "IS NULL / IS NOT NULL is only supported for tags and params, not for 'metric' 'a'"),
        ("start_time > 'x'", "Expected numeric value type for numeric attribute: start_time. Found 'x'"),
        ("run_id IN ()", "While parsing a list in the query, expected a non-empty list of string values, but got empty list"),
        ("params.a", "Invalid clause(s) in filter string: 'params.a'"),
        ("params.a =", "Invalid comparison clause. Expected 3 tokens found 2"),
        ("params.a = 'x' params.`b c` = 'y'", "Invalid clause(s) in filter string: 'params.`b c`'"),
        (
            "params.a = 'x",
            "Parameter value is either not quoted or unidentified quote types used for string value 'x. \
          Use either single or double quotes.",
        ),
        ("x.a = 'b'", "Invalid entity type 'x'. Valid values are ['metric', 'parameter', 'tag', 'attribute', 'dataset']"),
    ];
    for (text, message) in cases {
        assert_eq!(refusal(text), message, "{text}");
    }
    assert!(refusal("attribute.x = 'b'").starts_with("Invalid attribute key 'x' specified. Valid keys are"));
    assert!(refusal("params.a = 'b'; params.c = 'd'").contains("';'") || refusal("params.a = 'b'; x").contains("multiple expression"));
    assert!(parse_filter(Subject::Experiments, "experiment_id LIKE '1'").is_err());
    assert!(parse_filter(Subject::Experiments, "metrics.a > 1").is_err());
}

#[test]
fn an_order_is_completed_so_that_no_two_rows_are_equal() {
    let order = |columns: &[&str]| parse_order(Subject::Runs, &columns.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>());
    let fields = |columns: &[&str]| order(columns).unwrap().into_iter().map(|o| (o.field, o.direction)).collect::<Vec<_>>();
    let start = (OrderField::Attribute(Attribute::StartTime), Direction::Descending);
    let id = (OrderField::Attribute(Attribute::RunId), Direction::Ascending);
    assert_eq!(fields(&[]), [start.clone(), id.clone()]);
    assert_eq!(fields(&["metrics.`a b` desc"]), [(OrderField::Metric("a b".to_owned()), Direction::Descending), start, id.clone()]);
    let ascending = (OrderField::Attribute(Attribute::StartTime), Direction::Ascending);
    assert_eq!(fields(&["Created ASC"]), [ascending, id]);
    assert_eq!(order(&["metrics.a up"]).unwrap_err().message, "Invalid ordering key in order_by clause 'metrics.a up'.");
    assert_eq!(order(&["metrics.a desc x"]).unwrap_err().message, "Invalid order_by clause 'metrics.a desc x'. Could not be parsed.");
    assert!(order(&["start_time", "created"]).unwrap_err().message.contains("duplicate fields"));
    assert!(order(&["dataset.name"]).is_err());
}

#[test]
fn ranks_order_as_doubles_do() {
    let sorted = [f64::NEG_INFINITY, f64::MIN, -1.0, -5e-324, -0.0, 0.0, 5e-324, 1.0, f64::MAX, f64::INFINITY];
    assert!(sorted.windows(2).all(|pair| rank(pair[0]) < rank(pair[1])));
    assert!(rank(f64::NAN) > rank(f64::INFINITY) && rank(-f64::NAN) < rank(f64::NEG_INFINITY));
}

#[test]
fn a_token_of_another_order_is_refused() {
    let order = parse_order(Subject::Runs, &["metrics.a".to_owned()]).unwrap();
    let cursor = Cursor(vec![Mark::NotANumber, Mark::Number(5), Mark::Text("id".to_owned())]);
    assert_eq!(Cursor::parse(&order, &cursor.token()).unwrap(), Some(cursor.clone()));
    assert_eq!(Cursor::parse(&order, "").unwrap(), None);
    let other = parse_order(Subject::Runs, &["params.a".to_owned()]).unwrap();
    for (order, token) in [(&other, cursor.token()), (&order, "!".to_owned()), (&order, "e30".to_owned())] {
        assert!(Cursor::parse(order, &token).is_err(), "{token}");
    }
}

/// What the words of the language can be put together to, right or wrong.
fn soup() -> impl Strategy<Value = String> {
    let words = [
        "metrics",
        "params",
        "tags",
        "attributes",
        "dataset",
        "run_id",
        "start_time",
        "name",
        ".",
        ".",
        "a",
        "`b c`",
        "\"d\"",
        "'e'",
        "'",
        "\"",
        "`",
        "=",
        "!=",
        ">",
        "<=",
        "<>",
        "LIKE",
        "ilike",
        "IN",
        "NOT",
        "IS",
        "NULL",
        "AND",
        "and",
        "OR",
        "(",
        ")",
        ",",
        "1",
        "-1.5",
        "1e999",
        ".5",
        "9223372036854775808",
        ";",
        "ä",
        "--",
        "\\",
        "%",
        " ",
    ];
    prop::collection::vec(prop::sample::select(words.to_vec()), 0..14).prop_map(|words| words.join(" ").replace(" . ", "."))
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,60}", soup in soup()) {
        for subject in [Subject::Runs, Subject::Experiments, Subject::Models, Subject::ModelVersions] {
            let _ = parse_filter(subject, &text);
            let _ = parse_filter(subject, &soup);
            let _ = parse_order(subject, &[text.clone(), soup.clone()]);
            let order = parse_order(subject, &[]).unwrap();
            let _ = Cursor::parse(&order, &text);
        }
    }

    #[test]
    fn a_pattern_matches_as_its_definition_says(pattern in "[ab%_]{0,7}", text in "[abC]{0,7}") {
        fn slow(pattern: &[char], text: &[char]) -> bool {
            match (pattern.first(), text.first()) {
                (None, None) => true,
                (Some('%'), _) => slow(&pattern[1..], text) || (!text.is_empty() && slow(pattern, &text[1..])),
                (Some('_'), Some(_)) => slow(&pattern[1..], &text[1..]),
                (Some(p), Some(t)) => p == t && slow(&pattern[1..], &text[1..]),
                _ => false,
            }
        }
        let chars = |s: &str| s.chars().collect::<Vec<_>>();
        prop_assert_eq!(TextTest::Like(pattern.clone()).holds(&text), slow(&chars(&pattern), &chars(&text)));
    }

    #[test]
    fn a_whole_test_agrees_with_the_comparison_of_doubles(value in prop_oneof![-5.0..5.0f64, Just(1e19), Just(-1e19), Just(9.3e18)], n in -6i64..6) {
        for op in [Op::Less, Op::AtMost, Op::Equal, Op::NotEqual, Op::AtLeast, Op::Greater] {
            let holds = match Whole::new(op, value) {
                Whole::Is(op, bound) => op.holds(Some(n.cmp(&bound))),
                Whole::Always => true,
                Whole::Never => false,
            };
            prop_assert_eq!(holds, op.holds((n as f64).partial_cmp(&value)), "{:?} {} {}", op, value, n);
        }
    }
}

//! The dialect in which registered models and their versions are searched: fewer words than for runs, and refusals of its own.

use super::lexer::{Spaced, Token};
use super::order::direction;
use super::parse::{Field, Reader, invalid, op, quoted};
use super::{Attribute, Clause, Direction, KeyedTest, Op, OrderBy, OrderField, Subject, TextTest, Whole};
use crate::domain::Invalid;
use crate::domain::registry::PROMPT_TAG;

pub(super) const MODEL_ATTRIBUTES: [(&str, Attribute); 1] = [("name", Attribute::ModelName)];
pub(super) const VERSION_ATTRIBUTES: [(&str, Attribute); 4] = [
    ("name", Attribute::ModelName),
    ("run_id", Attribute::VersionRun),
    ("source_path", Attribute::VersionSource),
    ("version_number", Attribute::VersionNumber),
];
const MODEL_ORDER: [(&str, Attribute); 3] =
    [("name", Attribute::ModelName), ("timestamp", Attribute::ModelUpdated), ("last_updated_timestamp", Attribute::ModelUpdated)];
const VERSION_ORDER: [(&str, Attribute); 4] = [
    ("creation_timestamp", Attribute::VersionCreated),
    ("last_updated_timestamp", Attribute::VersionUpdated),
    ("name", Attribute::ModelName),
    ("version_number", Attribute::VersionNumber),
];

/// What a search of the registry is after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Models; prompts are passed over.
    Models,
    /// Models and prompts: the clauses say which.
    Any,
}

/// Decides by the first clause about the tag of prompts whether a search is after them. If it is not, prompts are passed over and
/// clauses about that tag say nothing more.
pub fn split_kind(mut clauses: Vec<Clause>) -> (Kind, Vec<Clause>) {
    let of_prompts = |clause: &Clause| matches!(clause, Clause::Tag(key, _) if key == PROMPT_TAG);
    let wants_prompts = match clauses.iter().find(|clause| of_prompts(clause)) {
        Some(Clause::Tag(_, KeyedTest::Value(TextTest::Is(value)))) => value.eq_ignore_ascii_case("true"),
        Some(Clause::Tag(_, KeyedTest::Value(TextTest::IsNot(value)))) => value.eq_ignore_ascii_case("false"),
        _ => false,
    };
    if wants_prompts {
        return (Kind::Any, clauses);
    }
    clauses.retain(|clause| !of_prompts(clause));
    (Kind::Models, clauses)
}

/// Tells what MLflow's own parser does not take for a comparison at all: a key word as the value.
pub(super) fn is_no_comparison(tokens: &[Spaced<'_>]) -> bool {
    match tokens {
        [Spaced { token: Token::Word(_), .. }, Spaced { token: Token::Sign(_), .. }, Spaced { token: value, .. }, ..] => {
            ["true", "false", "null"].into_iter().any(|word| value.is_word(word))
        }
        _ => false,
    }
}

fn lists(subject: Subject) -> &'static [Attribute] {
    if subject == Subject::Models { &[Attribute::ModelName] } else { &[Attribute::ModelName, Attribute::VersionRun] }
}

pub(super) fn listed(subject: Subject, field: Field, test: TextTest) -> Result<Clause, Invalid> {
    match field {
        Field::Attribute(attribute, _) if lists(subject).contains(&attribute) => Ok(Clause::Text(attribute, test)),
        Field::Attribute(..) => {
            let only = if subject == Subject::Models { "'name'" } else { "'name', 'run_id'" };
            Err(invalid(format!("Only [{only}] attributes support comparison with a list of quoted string values.")))
        }
        _ => Err(invalid("Expected a quoted string value for tag (e.g. 'my-value'). Got a list")),
    }
}

pub(super) fn compare(subject: Subject, field: Field, comparator: &str, value: &Token<'_>) -> Result<Clause, Invalid> {
    match field {
        Field::Attribute(attribute, name) if attribute.is_number() => {
            let bad = || invalid(format!("Invalid value for numeric attribute '{name}': {}", value.show()));
            let op = op(comparator).map_err(|_| invalid(format!("Invalid comparator for attribute {name}: {comparator}")))?;
            let text = match value {
                Token::Number(text) => (*text).to_owned(),
                other => quoted(other, "attributes")?,
            };
            Ok(Clause::Number(attribute, whole(op, text.trim()).ok_or_else(bad)?))
        }
        Field::Attribute(attribute, _) => {
            let value = match value {
                Token::Number(text) => return Err(no_number(subject, text)),
                other => quoted(other, "or a list of quoted string values for attributes")?,
            };
            let test = test(comparator, value).ok_or_else(|| invalid(format!("Invalid comparator for attribute: {comparator}")))?;
            Ok(Clause::Text(attribute, test))
        }
        Field::Tag(key) => {
            let value = quoted(value, "tag (e.g. 'my-value')")?;
            let test = test(comparator, value).ok_or_else(|| invalid(format!("Invalid comparator for tag: {comparator}")))?;
            Ok(Clause::Tag(key, KeyedTest::Value(test)))
        }
        Field::Metric(_) | Field::Param(_) | Field::Dataset(_) => {
            Err(invalid("Invalid identifier type. Expected one of ['attribute', 'tag']."))
        }
    }
}

/// Reads a whole number; one beyond 64 bits is compared all the same.
fn whole(op: Op, text: &str) -> Option<Whole> {
    let digits = text.trim_start_matches(['+', '-']);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    match text.trim_start_matches('+').parse() {
        Ok(number) => Some(Whole::Is(op, number)),
        Err(_) => text.parse().ok().map(|value| Whole::new(op, value)),
    }
}

fn no_number(subject: Subject, text: &str) -> Invalid {
    match subject {
        Subject::ModelVersions => invalid(
            "Only the '{'creation_timestamp', 'last_updated_timestamp', 'version_number'}' attributes support comparison with numeric values.",
        ),
        _ => invalid(format!("Expected a quoted string value or a list of quoted string values for attributes. Got value {text}")),
    }
}

fn test(comparator: &str, value: String) -> Option<TextTest> {
    match comparator {
        "=" => Some(TextTest::Is(value)),
        "!=" => Some(TextTest::IsNot(value)),
        "LIKE" => Some(TextTest::Like(value)),
        "ILIKE" => Some(TextTest::ILike(value)),
        _ => None,
    }
}

/// Reads one column of an order.
pub(super) fn column(reader: &mut Reader<'_>, column: &str) -> Result<OrderBy, Invalid> {
    let known: &[(&str, Attribute)] = if reader.subject == Subject::Models { &MODEL_ORDER } else { &VERSION_ORDER };
    let mut name = String::new();
    loop {
        match reader.take() {
            Some(Token::Word(text)) => name.push_str(text),
            Some(Token::Backtick(text) | Token::Double(text)) => name.push_str(text),
            _ => return Err(invalid(format!("Invalid order_by clause '{column}'. Could not be parsed."))),
        }
        if reader.peek() != Some(&Token::Dot) {
            break;
        }
        name.push('.');
        reader.take();
    }
    let direction = direction(reader, column)?;
    let plain = if reader.subject == Subject::ModelVersions { name.strip_prefix("attribute.").unwrap_or(&name) } else { &name };
    let found = known.iter().find(|(known, _)| *known == plain).map(|(_, attribute)| *attribute);
    let names = known.iter().map(|(name, _)| *name).collect::<Vec<_>>().join("', '");
    let attribute = found.ok_or_else(|| match reader.subject {
        Subject::Models => invalid(format!("Invalid order by key '{name}' specified. Valid keys are '{{'name', 'timestamp'}}'")),
        _ => invalid(format!("Invalid attribute key '{name}' specified. Valid keys are '{{'{names}'}}'")),
    })?;
    Ok(OrderBy { field: OrderField::Attribute(attribute), direction })
}

/// Completes an order so that no two rows are equal.
pub(super) fn complete(subject: Subject, mut order: Vec<OrderBy>) -> Vec<OrderBy> {
    use Direction::{Ascending, Descending};
    let ties: &[(Attribute, Direction)] = match subject {
        Subject::Models => &[(Attribute::ModelName, Ascending)],
        _ if order.is_empty() => {
            &[(Attribute::VersionUpdated, Descending), (Attribute::ModelName, Ascending), (Attribute::VersionNumber, Descending)]
        }
        _ => &[(Attribute::ModelName, Ascending), (Attribute::VersionNumber, Descending)],
    };
    for (attribute, direction) in ties {
        let field = OrderField::Attribute(*attribute);
        if !order.iter().any(|known| known.field == field) {
            order.push(OrderBy { field, direction: *direction });
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::search::{parse_filter, parse_order};

    fn refusal(subject: Subject, text: &str) -> String {
        parse_filter(subject, text).unwrap_err().message
    }

    #[test]
    fn models_and_versions_are_asked_by_their_own_words() {
        let versions = |text: &str| parse_filter(Subject::ModelVersions, text).unwrap();
        let text = |value: &str| TextTest::Is(value.to_owned());
        assert_eq!(
            versions("name = 'a' AND version_number<=3 and tag.`t 2` != 'x' and source_path LIKE 'runs:/%'"),
            [
                Clause::Text(Attribute::ModelName, text("a")),
                Clause::Number(Attribute::VersionNumber, Whole::Is(Op::AtMost, 3)),
                Clause::Tag("t 2".to_owned(), KeyedTest::Value(TextTest::IsNot("x".to_owned()))),
                Clause::Text(Attribute::VersionSource, TextTest::Like("runs:/%".to_owned())),
            ]
        );
        assert_eq!(versions("version_number = '2'"), [Clause::Number(Attribute::VersionNumber, Whole::Is(Op::Equal, 2))]);
        let list = TextTest::In(vec!["a".to_owned(), "b".to_owned()]);
        assert_eq!(versions("run_id IN ('a','b')"), [Clause::Text(Attribute::VersionRun, list.clone())]);
        assert_eq!(parse_filter(Subject::Models, "name IN ('a', 'b')").unwrap(), [Clause::Text(Attribute::ModelName, list)]);
    }

    #[test]
    fn refusals_are_those_of_the_registry() {
        let (models, versions) = (Subject::Models, Subject::ModelVersions);
        for (subject, text, message) in [
            (models, "name > 'a'", "Invalid comparator for attribute: >"),
            (models, "name = 5", "Expected a quoted string value or a list of quoted string values for attributes. Got value 5"),
            (models, "run_id = 'a'", "Invalid attribute key 'run_id' specified. Valid keys are '{'name'}'"),
            (models, "tags.a > '5'", "Invalid comparator for tag: >"),
            (models, "tags.a = 5", "Expected a quoted string value for tag (e.g. 'my-value'). Got value 5"),
            (models, "params.a = '5'", "Invalid entity type 'params'. Valid entity types are ('attribute', 'tag', 'tags')"),
            (models, "evilhax = true", "Invalid clause(s) in filter string: 'evilhax'"),
            (models, "name LIKE", "Invalid clause(s) in filter string: 'name'"),
            (versions, "run_id IN (", "Invalid clause(s) in filter string: 'run_id'"),
            (versions, "run_id IN", "Invalid clause(s) in filter string: 'run_id'"),
            (versions, "tags.a IS NULL", "Invalid clause(s) in filter string: 'tags.a'"),
            (versions, "version_number = 1.5", "Invalid value for numeric attribute 'version_number': 1.5"),
            (versions, "version_number LIKE '1'", "Invalid comparator for attribute version_number: LIKE"),
            (
                versions,
                "version_number IN ('1')",
                "Only ['name', 'run_id'] attributes support comparison with a list of quoted string values.",
            ),
            (
                versions,
                "name = 5",
                "Only the '{'creation_timestamp', 'last_updated_timestamp', 'version_number'}' attributes support comparison with \
                 numeric values.",
            ),
        ] {
            assert_eq!(refusal(subject, text), message, "{text}");
        }
        assert!(refusal(models, "name!=something").starts_with("Parameter value is either not quoted"));
        assert!(refusal(versions, "run_id IN (,)").contains("ill-formed list"));
        assert!(refusal(versions, "run_id IN ('a',,'b')").contains("ill-formed list"));
    }

    #[test]
    fn orders_are_completed_by_name_and_number() {
        let order = |subject, columns: &[&str]| parse_order(subject, &columns.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>());
        let shown = |subject, columns: &[&str]| {
            let order = order(subject, columns).unwrap();
            order.into_iter().map(|o| (o.field, o.direction == Direction::Ascending)).collect::<Vec<_>>()
        };
        let by = |attribute, ascending| (OrderField::Attribute(attribute), ascending);
        let (name, number) = (by(Attribute::ModelName, true), by(Attribute::VersionNumber, false));
        assert_eq!(shown(Subject::Models, &[]), std::slice::from_ref(&name));
        assert_eq!(shown(Subject::Models, &["timestamp\r\rdeSC"]), [by(Attribute::ModelUpdated, false), name.clone()]);
        assert_eq!(shown(Subject::ModelVersions, &[]), [by(Attribute::VersionUpdated, false), name.clone(), number.clone()]);
        assert_eq!(shown(Subject::ModelVersions, &["name DESC"]), [by(Attribute::ModelName, false), number.clone()]);
        assert_eq!(shown(Subject::ModelVersions, &["version_number"]), [by(Attribute::VersionNumber, true), name]);
        for (subject, columns, message) in [
            (Subject::Models, &["timestamp", "last_updated_timestamp"][..], "`order_by` contains duplicate fields"),
            (Subject::Models, &["name", "creation_timestamp DESC"], "Invalid order by key 'creation_timestamp' specified."),
            (Subject::ModelVersions, &["name", "run_id DESC"], "Invalid attribute key 'run_id' specified."),
            (Subject::ModelVersions, &["name ASC x"], "Invalid order_by clause 'name ASC x'. Could not be parsed."),
        ] {
            let refused = order(subject, columns).unwrap_err().message;
            assert!(refused.starts_with(message), "{refused}");
        }
    }

    #[test]
    fn prompts_are_found_only_by_who_asks_for_them() {
        let kind = |text: &str| split_kind(parse_filter(Subject::Models, text).unwrap());
        let tag = "tags.`mlflow.prompt.is_prompt`";
        assert_eq!(kind("").0, Kind::Models);
        assert_eq!(kind(&format!("{tag} = 'false' and name = 'a'")).1.len(), 1);
        assert_eq!(kind(&format!("{tag} != 'true'")), (Kind::Models, Vec::new()));
        assert_eq!(kind(&format!("{tag} = 'True'")).0, Kind::Any);
        assert_eq!(kind(&format!("name = 'a' and {tag} != 'false'")).1.len(), 2);
    }
}

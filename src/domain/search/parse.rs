//! Reads a filter.

use super::lexer::{Spaced, Token, tokens};
use super::{Attribute, Clause, DatasetField, KeyedTest, Op, Subject, TextTest, Whole, registry};
use crate::domain::Invalid;

/// Longest filter in bytes.
pub const MAX_FILTER: usize = 16_384;
/// Most clauses of a filter.
pub const MAX_CLAUSES: usize = 100;

/// Comparators of texts that may be listed.
const LISTS: &str = "'IN', 'NOT IN'";
/// Comparators of texts that may be missing.
const NULLS: &str = "'IS NULL', 'IS NOT NULL'";

/// What a clause is about, before it is known how it is tested.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Field {
    Attribute(Attribute, String),
    Metric(String),
    Param(String),
    Tag(String),
    Dataset(DatasetField),
}

/// Parses a filter; an empty one has no clauses.
///
/// # Errors
/// `invalid_filter` with a sentence that names the part that was not understood.
pub fn parse_filter(subject: Subject, text: &str) -> Result<Vec<Clause>, Invalid> {
    if text.len() > MAX_FILTER {
        return Err(invalid(format!("Invalid filter: it has {} bytes, at most {MAX_FILTER} are read", text.len())));
    }
    if text.contains('\0') {
        return Err(invalid("Invalid filter: it contains a NUL character"));
    }
    let all = tokens(text);
    let mut reader = Reader { subject, tokens: &all, at: 0 };
    let mut clauses = Vec::new();
    while reader.peek().is_some() {
        if !clauses.is_empty() && !reader.take_word("and") {
            return Err(reader.no_clause(text));
        }
        clauses.push(reader.clause(text)?);
        if clauses.len() > MAX_CLAUSES {
            return Err(invalid(format!("Invalid filter: it has more than {MAX_CLAUSES} clauses")));
        }
    }
    Ok(clauses)
}

pub(super) fn invalid(message: impl Into<String>) -> Invalid {
    Invalid::new("invalid_filter", message)
}

/// Goes through tokens.
pub(super) struct Reader<'a> {
    pub(super) subject: Subject,
    pub(super) tokens: &'a [Spaced<'a>],
    pub(super) at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn peek(&self) -> Option<&'a Token<'a>> {
        self.tokens.get(self.at).map(|spaced| &spaced.token)
    }

    pub(super) fn take(&mut self) -> Option<&'a Token<'a>> {
        let token = self.peek()?;
        self.at += 1;
        Some(token)
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|token| token.is_word(word));
        self.at += usize::from(found);
        found
    }

    /// Refuses what follows, which is no clause.
    pub(super) fn no_clause(&self, text: &str) -> Invalid {
        match self.peek() {
            Some(Token::Other(';')) => {
                invalid(format!("Search filter contained multiple expression {text:?}. Provide AND-ed expression list."))
            }
            Some(_) => {
                let rest = self.tokens.iter().skip(self.at);
                let word: String = rest.enumerate().take_while(|(i, t)| *i == 0 || !t.spaced).map(|(_, t)| t.token.show()).collect();
                invalid(format!("Invalid clause(s) in filter string: '{word}'"))
            }
            None => invalid(format!("Invalid clause(s) in filter string: '{text}'")),
        }
    }

    fn clause(&mut self, text: &str) -> Result<Clause, Invalid> {
        let start = self.at;
        if self.subject.is_registry() && registry::is_no_comparison(&self.tokens[start..]) {
            return Err(self.no_clause(text));
        }
        let Some(field) = self.field()? else {
            self.at = start;
            return Err(self.no_clause(text));
        };
        if self.take_word("is") {
            let test = if self.take_word("not") { KeyedTest::Present } else { KeyedTest::Missing };
            if !self.take_word("null") || self.subject.is_registry() {
                self.at = start;
                return Err(self.no_clause(text));
            }
            return presence(self.subject, field, test);
        }
        let Some(comparator) = self.comparator() else {
            self.at = start;
            return Err(self.no_clause(text));
        };
        if matches!(comparator.as_str(), "IN" | "NOT IN") && self.peek() == Some(&Token::Open) {
            if !self.tokens[self.at..].iter().any(|spaced| spaced.token == Token::Close) {
                self.at = start;
                return Err(self.no_clause(text));
            }
            let values = self.list()?;
            return self.listed(field, &comparator, values);
        }
        let Some(value) = self.take() else {
            if self.subject.is_registry() {
                self.at = start;
                return Err(self.no_clause(text));
            }
            return Err(invalid("Invalid comparison clause. Expected 3 tokens found 2"));
        };
        if self.subject.is_registry() {
            return registry::compare(self.subject, field, &comparator, value);
        }
        compare(self.subject, field, &comparator, value)
    }

    /// Reads `entity.key` or a bare attribute; none where there is no name at all.
    pub(super) fn field(&mut self) -> Result<Option<Field>, Invalid> {
        let first = match self.peek() {
            Some(Token::Word(text)) => (*text).to_owned(),
            Some(Token::Backtick(text) | Token::Double(text)) => text.clone(),
            _ => return Ok(None),
        };
        self.at += 1;
        if self.peek() != Some(&Token::Dot) {
            return self.attribute(&first).map(Some);
        }
        self.at += 1;
        let key = match self.take() {
            Some(Token::Backtick(text) | Token::Double(text)) => text.clone(),
            Some(Token::Word(text)) => {
                let mut key = (*text).to_owned();
                while self.peek() == Some(&Token::Dot)
                    && let Some(Spaced { token: Token::Word(more), spaced: false }) = self.tokens.get(self.at + 1)
                {
                    key.push('.');
                    key.push_str(more);
                    self.at += 2;
                }
                key
            }
            _ => return Ok(None),
        };
        if key.len() > 1000 {
            return Err(invalid("Invalid filter: a key has more than 1000 bytes"));
        }
        self.keyed(&first, key).map(Some)
    }

    fn keyed(&self, entity: &str, key: String) -> Result<Field, Invalid> {
        if self.subject != Subject::Runs {
            return match entity {
                "attribute" => self.attribute(&key),
                "tag" | "tags" => Ok(Field::Tag(key)),
                _ => Err(invalid(format!("Invalid entity type '{entity}'. Valid entity types are ('attribute', 'tag', 'tags')"))),
            };
        }
        match entity {
            "metric" | "metrics" => Ok(Field::Metric(key)),
            "parameter" | "parameters" | "param" | "params" => Ok(Field::Param(key)),
            "tag" | "tags" => Ok(Field::Tag(key)),
            "attribute" | "attr" | "attributes" | "run" => self.attribute(&key),
            "dataset" | "datasets" => match key.as_str() {
                "name" => Ok(Field::Dataset(DatasetField::Name)),
                "digest" => Ok(Field::Dataset(DatasetField::Digest)),
                "context" => Ok(Field::Dataset(DatasetField::Context)),
                _ => Err(invalid(format!("Invalid dataset key '{key}' specified. Valid keys are '{{'name', 'digest', 'context'}}'"))),
            },
            _ => Err(invalid(format!(
                "Invalid entity type '{entity}'. Valid values are ['metric', 'parameter', 'tag', 'attribute', 'dataset']"
            ))),
        }
    }

    fn attribute(&self, name: &str) -> Result<Field, Invalid> {
        let names = match self.subject {
            Subject::Runs => super::RUN_ATTRIBUTES.map(|(name, _)| name).join("', '"),
            Subject::Experiments => super::EXPERIMENT_ATTRIBUTES.map(|(name, _)| name).join("', '"),
            Subject::Models => registry::MODEL_ATTRIBUTES.map(|(name, _)| name).join("', '"),
            Subject::ModelVersions => registry::VERSION_ATTRIBUTES.map(|(name, _)| name).join("', '"),
        };
        let found = Attribute::find(self.subject, name);
        let attribute =
            found.ok_or_else(|| invalid(format!("Invalid attribute key '{name}' specified. Valid keys are '{{'{names}'}}'")))?;
        Ok(Field::Attribute(attribute, name.to_owned()))
    }

    fn comparator(&mut self) -> Option<String> {
        let start = self.at;
        match self.take()? {
            Token::Sign(sign) => Some((*sign).to_owned()),
            word if word.is_word("not") && self.take_word("in") => Some("NOT IN".to_owned()),
            word if ["like", "ilike", "in", "rlike"].into_iter().any(|known| word.is_word(known)) => Some(word.show().to_uppercase()),
            _ => {
                self.at = start;
                None
            }
        }
    }

    fn list(&mut self) -> Result<Vec<String>, Invalid> {
        const WHAT: &str = "While parsing a list in the query, expected a non-empty list of string values, but got";
        self.at += 1;
        let mut values = Vec::new();
        loop {
            match self.take() {
                Some(Token::Single(text) | Token::Double(text)) => values.push(text.clone()),
                Some(Token::Close) if values.is_empty() => return Err(invalid(format!("{WHAT} empty list"))),
                Some(Token::Close) => return Ok(values),
                Some(Token::Number(text)) => {
                    return Err(invalid(format!(
                        "While parsing a list in the query, expected string value, punctuation, or whitespace, \
                         but got different type in list: {text}"
                    )));
                }
                _ => return Err(invalid(format!("{WHAT} ill-formed list."))),
            }
            match self.take() {
                Some(Token::Comma) => {}
                Some(Token::Close) => return Ok(values),
                _ => return Err(invalid(format!("{WHAT} ill-formed list."))),
            }
        }
    }

    fn listed(&self, field: Field, comparator: &str, values: Vec<String>) -> Result<Clause, Invalid> {
        let test = if comparator == "IN" { TextTest::In(values) } else { TextTest::NotIn(values) };
        if self.subject.is_registry() {
            return registry::listed(self.subject, field, test);
        }
        match (field, self.subject) {
            (Field::Attribute(attribute @ (Attribute::RunId | Attribute::ExperimentId), _), _) => Ok(Clause::Text(attribute, test)),
            (Field::Attribute(attribute, name), _) if attribute.is_number() => {
                Err(invalid(format!("Expected numeric value type for numeric attribute: {name}. Found a list")))
            }
            (Field::Attribute(..), subject) => {
                let only = if subject == Subject::Runs { "run_id" } else { "experiment_id" };
                Err(invalid(format!("Only ['{only}'] attributes support comparison with a list of quoted string values.")))
            }
            (Field::Dataset(field), _) => Ok(Clause::Dataset(field, test)),
            (Field::Metric(_), _) => Err(invalid("Expected numeric value type for metric. Found a list")),
            (Field::Param(_), _) => Err(invalid("Expected a quoted string value for parameter (e.g. 'my-value'). Got a list")),
            (Field::Tag(_), _) => Err(invalid("Expected a quoted string value for tag (e.g. 'my-value'). Got a list")),
        }
    }
}

fn presence(subject: Subject, field: Field, test: KeyedTest) -> Result<Clause, Invalid> {
    let only = if subject == Subject::Runs { "tags and params" } else { "tags" };
    let refused = |what: &str| Err(invalid(format!("IS NULL / IS NOT NULL is only supported for {only}, not for {what}")));
    match field {
        Field::Tag(key) => Ok(Clause::Tag(key, test)),
        Field::Param(key) => Ok(Clause::Param(key, test)),
        Field::Metric(key) => refused(&format!("'metric' '{key}'")),
        Field::Attribute(_, name) if subject == Subject::Experiments => refused(&format!("attribute '{name}'")),
        Field::Attribute(_, name) => refused(&format!("'attribute' '{name}'")),
        Field::Dataset(_) => refused("'dataset'"),
    }
}

fn compare(subject: Subject, field: Field, comparator: &str, value: &Token<'_>) -> Result<Clause, Invalid> {
    match field {
        Field::Metric(key) => {
            let Token::Number(text) = value else {
                return Err(invalid(format!("Expected numeric value type for metric. Found {}", value.show())));
            };
            let op = op(comparator)?;
            let value = text.parse().map_err(|_| invalid(format!("Invalid number {text}")))?;
            Ok(Clause::Metric { key, op, value })
        }
        Field::Attribute(attribute, name) if attribute.is_number() => {
            let Token::Number(text) = value else {
                let message = format!("Expected numeric value type for numeric attribute: {name}. Found {}", value.show());
                return Err(invalid(message));
            };
            let op = op(comparator)?;
            let whole = match text.trim_start_matches('+').parse::<i64>() {
                Ok(value) => Whole::Is(op, value),
                Err(_) if subject == Subject::Experiments && text.contains(['.', 'e', 'E']) => {
                    return Err(invalid(format!("Invalid value for numeric attribute '{name}': '{text}'")));
                }
                Err(_) => Whole::new(op, text.parse().map_err(|_| invalid(format!("Invalid number {text}")))?),
            };
            Ok(Clause::Number(attribute, whole))
        }
        Field::Attribute(Attribute::ExperimentId, _) if !matches!(comparator, "=" | "!=") => {
            Err(invalid(format!("Invalid comparator for experiment_id: {comparator}")))
        }
        Field::Attribute(attribute, _) => Ok(Clause::Text(attribute, text_test(comparator, quoted(value, "attributes")?, LISTS)?)),
        Field::Param(key) => {
            let value = quoted(value, "parameter (e.g. 'my-value')")?;
            Ok(Clause::Param(key, KeyedTest::Value(text_test(comparator, value, NULLS)?)))
        }
        Field::Tag(key) => {
            let value = quoted(value, "tag (e.g. 'my-value')")?;
            Ok(Clause::Tag(key, KeyedTest::Value(text_test(comparator, value, NULLS)?)))
        }
        Field::Dataset(field) => Ok(Clause::Dataset(field, text_test(comparator, quoted(value, "dataset attributes")?, LISTS)?)),
    }
}

pub(super) fn quoted(value: &Token<'_>, what: &str) -> Result<String, Invalid> {
    match value {
        Token::Single(text) | Token::Double(text) => Ok(text.clone()),
        Token::Word(_) | Token::Backtick(_) | Token::Unclosed(_) => Err(invalid(format!(
            "Parameter value is either not quoted or unidentified quote types used for string value {}. \
             Use either single or double quotes.",
            value.show()
        ))),
        _ => Err(invalid(format!("Expected a quoted string value for {what}. Got value {}", value.show()))),
    }
}

/// Reads a test of a text; `more` are the comparators without a single text that the field has too, for the refusal.
fn text_test(comparator: &str, value: String, more: &str) -> Result<TextTest, Invalid> {
    match comparator {
        "=" => Ok(TextTest::Is(value)),
        "!=" => Ok(TextTest::IsNot(value)),
        "LIKE" => Ok(TextTest::Like(value)),
        "ILIKE" => Ok(TextTest::ILike(value)),
        _ => Err(invalid(format!("Invalid comparator '{comparator}' not one of '{{'!=', '=', 'LIKE', 'ILIKE', {more}}}'"))),
    }
}

pub(super) fn op(comparator: &str) -> Result<Op, Invalid> {
    [Op::Less, Op::AtMost, Op::Equal, Op::NotEqual, Op::AtLeast, Op::Greater]
        .into_iter()
        .find(|op| op.sign() == comparator)
        .ok_or_else(|| invalid(format!("Invalid comparator '{comparator}' not one of '{{'>', '>=', '!=', '=', '<', '<='}}'")))
}

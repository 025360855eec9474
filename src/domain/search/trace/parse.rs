//! Reads filters over traces.

use std::collections::BTreeSet;

use super::{AssessmentTest, SpanField, TraceClause, TraceField};
use crate::domain::Invalid;
use crate::domain::search::lexer::{Spaced, Token, tokens};
use crate::domain::search::parse::{MAX_CLAUSES, MAX_FILTER, invalid};
use crate::domain::search::{KeyedTest, Op, TextTest, Whole};
use crate::domain::trace::assessment::AssessmentKind;
use crate::domain::trace::{NAME_TAG, RUN_KEY};

/// What a name stands for, before it is known how it is tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Field(TraceField, String),
    Tag(String),
    Metadata(String),
    Run,
    Prompt,
    Span(SpanField),
    Assessment(AssessmentKind, String),
    Issue,
}

/// Parses a filter; an empty one has no clauses.
///
/// # Errors
/// `invalid_filter` with a sentence that names the part that was not understood.
pub fn parse_trace_filter(text: &str) -> Result<Vec<TraceClause>, Invalid> {
    if text.len() > MAX_FILTER {
        return Err(invalid(format!("Invalid filter: it has {} bytes, at most {MAX_FILTER} are read", text.len())));
    }
    if text.contains('\0') {
        return Err(invalid("Invalid filter: it contains a NUL character"));
    }
    let all = tokens(text);
    let mut reader = Reader { tokens: &all, at: 0 };
    let (mut clauses, mut of_span, mut count) = (Vec::new(), Vec::new(), 0);
    while reader.peek().is_some() {
        if count > 0 && !reader.take_word("and") {
            return Err(reader.no_clause());
        }
        match reader.clause()? {
            // one span has to pass all clauses about spans
            TraceClause::Span(tests) => of_span.extend(tests),
            clause => clauses.push(clause),
        }
        count += 1;
        if count > MAX_CLAUSES {
            return Err(invalid(format!("Invalid filter: it has more than {MAX_CLAUSES} clauses")));
        }
    }
    if !of_span.is_empty() {
        clauses.push(TraceClause::Span(of_span));
    }
    Ok(clauses)
}

/// Goes through tokens.
pub(super) struct Reader<'a> {
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
    fn no_clause(&self) -> Invalid {
        let rest = self.tokens.iter().skip(self.at);
        let word: String = rest.enumerate().take_while(|(i, t)| *i == 0 || !t.spaced).map(|(_, t)| t.token.show()).collect();
        invalid(format!("Invalid clause(s) in filter string: '{word}'"))
    }

    fn clause(&mut self) -> Result<TraceClause, Invalid> {
        let start = self.at;
        let refused = |reader: &mut Self| {
            reader.at = start;
            Err(reader.no_clause())
        };
        let Some(named) = self.named()? else { return refused(self) };
        if self.take_word("is") {
            let present = self.take_word("not");
            return if self.take_word("null") { presence(named, present) } else { refused(self) };
        }
        let comparator = match self.take() {
            Some(Token::Sign(sign)) => (*sign).to_owned(),
            Some(word) if word.is_word("not") && self.take_word("in") => "NOT IN".to_owned(),
            Some(word) if ["like", "ilike", "in", "rlike"].into_iter().any(|known| word.is_word(known)) => word.show().to_uppercase(),
            _ => return refused(self),
        };
        if comparator == "RLIKE" {
            return Err(invalid("Invalid comparator 'RLIKE': this server has no regular expressions, use LIKE or ILIKE"));
        }
        if matches!(comparator.as_str(), "IN" | "NOT IN") {
            let values = self.list()?;
            let test = if comparator == "IN" { TextTest::In(values) } else { TextTest::NotIn(values) };
            return listed(named, test);
        }
        match self.take() {
            Some(value) => compare(named, &comparator, value),
            None => Err(invalid("Invalid comparison clause. Expected 3 tokens found 2")),
        }
    }

    /// Reads `entity.key` or a bare attribute; none where there is no name at all.
    pub(super) fn named(&mut self) -> Result<Option<Named>, Invalid> {
        let first = match self.peek() {
            Some(Token::Word(text)) => (*text).to_owned(),
            Some(Token::Backtick(text) | Token::Double(text)) => text.clone(),
            _ => return Ok(None),
        };
        self.at += 1;
        if self.peek() != Some(&Token::Dot) {
            return attribute(&first).map(Some);
        }
        let mut parts: Vec<String> = Vec::new();
        while self.peek() == Some(&Token::Dot) {
            self.at += 1;
            match self.take() {
                Some(Token::Backtick(text) | Token::Double(text)) => parts.push(text.clone()),
                Some(Token::Word(text)) => parts.push((*text).to_owned()),
                _ => return Ok(None),
            }
        }
        let key = parts.join(".");
        if key.len() > 1000 {
            return Err(invalid("Invalid filter: a key has more than 1000 bytes"));
        }
        keyed(&first, key).map(Some)
    }

    fn list(&mut self) -> Result<Vec<String>, Invalid> {
        const WHAT: &str = "While parsing a list in the query, expected a non-empty list of string values, but got";
        if self.take() != Some(&Token::Open) {
            return Err(invalid(format!("{WHAT} ill-formed list.")));
        }
        let mut values = BTreeSet::new();
        loop {
            match self.take() {
                Some(Token::Single(text) | Token::Double(text)) => values.insert(text.clone()),
                Some(Token::Close) if values.is_empty() => return Err(invalid(format!("{WHAT} empty list"))),
                Some(Token::Close) => return Ok(values.into_iter().collect()),
                _ => return Err(invalid(format!("{WHAT} ill-formed list."))),
            };
            match self.take() {
                Some(Token::Comma) => {}
                Some(Token::Close) => return Ok(values.into_iter().collect()),
                _ => return Err(invalid(format!("{WHAT} ill-formed list."))),
            }
        }
    }
}

fn attribute(name: &str) -> Result<Named, Invalid> {
    let field = |field| Ok(Named::Field(field, name.to_owned()));
    match name.to_ascii_lowercase().as_str() {
        "request_id" | "trace_id" | "id" => field(TraceField::Id),
        "client_request_id" => field(TraceField::ClientRequestId),
        "status" | "state" => field(TraceField::State),
        "experiment_id" => field(TraceField::ExperimentId),
        "timestamp" | "timestamp_ms" => field(TraceField::RequestTime),
        "execution_time" | "execution_time_ms" => field(TraceField::Duration),
        "end_time" | "end_time_ms" => field(TraceField::EndTime),
        "name" => Ok(Named::Tag(NAME_TAG.to_owned())),
        "run_id" => Ok(Named::Run),
        "prompt" => Ok(Named::Prompt),
        "text" => Ok(Named::Span(SpanField::Text)),
        _ => Err(invalid(format!(
            "Invalid attribute key '{name}' specified. Valid keys are '{{'request_id', 'client_request_id', 'status', 'timestamp', \
             'timestamp_ms', 'execution_time', 'execution_time_ms', 'end_time', 'end_time_ms', 'name', 'run_id', 'prompt', 'text'}}'"
        ))),
    }
}

fn keyed(entity: &str, key: String) -> Result<Named, Invalid> {
    match entity {
        "tag" | "tags" => Ok(Named::Tag(key)),
        "request_metadata" | "metadata" if key == RUN_KEY => Ok(Named::Run),
        "request_metadata" | "metadata" => Ok(Named::Metadata(key)),
        "attribute" | "attributes" | "trace" => attribute(&key),
        "span" => match key.as_str() {
            "name" => Ok(Named::Span(SpanField::Name)),
            "type" => Ok(Named::Span(SpanField::Kind)),
            "status" => Ok(Named::Span(SpanField::Status)),
            "content" => Ok(Named::Span(SpanField::Text)),
            other => match other.strip_prefix("attributes.") {
                Some("") => Err(invalid("Span attribute name cannot be empty after 'attributes.'")),
                Some(name) => Ok(Named::Span(SpanField::Attribute(name.to_owned()))),
                None => Err(invalid(format!(
                    "Invalid span attribute '{key}'. Supported attributes: name, status, type, attributes.<attribute_name>."
                ))),
            },
        },
        "feedback" => Ok(Named::Assessment(AssessmentKind::Feedback, key)),
        "expectation" => Ok(Named::Assessment(AssessmentKind::Expectation, key)),
        "issue" if key == "id" => Ok(Named::Issue),
        "issue" => Err(invalid(format!("Invalid issue attribute '{key}'. Supported attributes: id"))),
        _ => Err(invalid(format!(
            "Invalid entity type '{entity}'. Valid values are {{'tag', 'tags', 'request_metadata', 'metadata', 'attribute', 'attributes', \
             'trace', 'span', 'feedback', 'expectation', 'issue'}}"
        ))),
    }
}

fn presence(named: Named, present: bool) -> Result<TraceClause, Invalid> {
    let test = if present { KeyedTest::Present } else { KeyedTest::Missing };
    match named {
        Named::Tag(key) => Ok(TraceClause::Tag(key, test)),
        Named::Metadata(key) => Ok(TraceClause::Metadata(key, test)),
        Named::Run => Ok(TraceClause::Metadata(RUN_KEY.to_owned(), test)),
        Named::Assessment(kind, name) => {
            Ok(TraceClause::Assessment(kind, name, if present { AssessmentTest::Present } else { AssessmentTest::Missing }))
        }
        Named::Field(..) | Named::Prompt | Named::Span(_) | Named::Issue => {
            Err(invalid("IS NULL / IS NOT NULL is only supported for tags, metadata, feedback and expectations"))
        }
    }
}

fn listed(named: Named, test: TextTest) -> Result<TraceClause, Invalid> {
    match named {
        Named::Field(field, name) if field.is_number() => {
            Err(invalid(format!("Only string attributes support comparison with a list of quoted string values, not '{name}'.")))
        }
        Named::Field(field, _) => Ok(TraceClause::Text(field, test)),
        Named::Tag(key) => Ok(TraceClause::Tag(key, KeyedTest::Value(test))),
        Named::Run => Ok(TraceClause::Metadata(RUN_KEY.to_owned(), KeyedTest::Value(test))),
        Named::Span(field) if field != SpanField::Text => Ok(TraceClause::Span(vec![(field, test)])),
        Named::Metadata(_) | Named::Prompt | Named::Span(_) | Named::Assessment(..) | Named::Issue => {
            Err(invalid("Expected a quoted string value. Got a list"))
        }
    }
}

fn compare(named: Named, comparator: &str, value: &Token<'_>) -> Result<TraceClause, Invalid> {
    match named {
        Named::Field(field, name) if field.is_number() => {
            let Token::Number(text) = value else {
                return Err(invalid(format!("Expected numeric value type for numeric attribute: {name}. Found {}", value.show())));
            };
            let op = op(comparator)?;
            let whole = match text.trim_start_matches('+').parse::<i64>() {
                Ok(value) => Whole::Is(op, value),
                Err(_) => Whole::new(op, text.parse().map_err(|_| invalid(format!("Invalid number {text}")))?),
            };
            Ok(TraceClause::Number(field, whole))
        }
        Named::Field(field, _) => Ok(TraceClause::Text(field, text_test(comparator, quoted(value, "attributes")?)?)),
        Named::Tag(key) => Ok(TraceClause::Tag(key, KeyedTest::Value(text_test(comparator, quoted(value, "tag (e.g. 'my-value')")?)?))),
        Named::Metadata(key) => {
            let value = quoted(value, "request_metadata (e.g. 'my-value')")?;
            Ok(TraceClause::Metadata(key, KeyedTest::Value(text_test(comparator, value)?)))
        }
        Named::Run => match text_test(comparator, quoted(value, "attributes")?)? {
            TextTest::Is(run) => Ok(TraceClause::Run(run)),
            test => Ok(TraceClause::Metadata(RUN_KEY.to_owned(), KeyedTest::Value(test))),
        },
        Named::Prompt => {
            let value = quoted(value, "attributes")?;
            if comparator != "=" {
                return Err(invalid(format!(
                    "Invalid comparator '{comparator}' for prompts filter. Only '=' is supported with format: prompt = \"name/version\""
                )));
            }
            match value.split_once('/') {
                Some((name, version)) if !version.contains('/') => Ok(TraceClause::Prompt(name.to_owned(), version.to_owned())),
                _ => Err(invalid(format!("Invalid prompts filter value '{value}'. Expected format: prompt = \"name/version\""))),
            }
        }
        Named::Span(field) => {
            let test = text_test(comparator, quoted(value, "span (e.g. 'my-value')")?)?;
            if field == SpanField::Text && !matches!(test, TextTest::Like(_) | TextTest::ILike(_)) {
                return Err(invalid(format!("span.content comparator '{comparator}' not one of '{{'LIKE', 'ILIKE'}}'")));
            }
            Ok(TraceClause::Span(vec![(field, test)]))
        }
        Named::Assessment(kind, name) => assessed(kind, name, comparator, value),
        Named::Issue if comparator == "=" => Ok(TraceClause::Issue(quoted(value, "issue (e.g. 'my-value')")?)),
        Named::Issue => Err(invalid(format!("issue.id comparator '{comparator}' not one of '{{'='}}'"))),
    }
}

fn assessed(kind: AssessmentKind, name: String, comparator: &str, value: &Token<'_>) -> Result<TraceClause, Invalid> {
    if let Ok(op) = op(comparator)
        && !matches!(op, Op::Equal | Op::NotEqual)
    {
        let Token::Number(text) = value else {
            return Err(invalid(format!(
                "Expected a numeric value for {} when using comparator '{comparator}'. Got value {}",
                kind.as_str(),
                value.show()
            )));
        };
        let number = text.parse().map_err(|_| invalid(format!("Invalid number {text}")))?;
        return Ok(TraceClause::Assessment(kind, name, AssessmentTest::Number(op, number)));
    }
    let value = quoted(value, &format!("{} (e.g. 'my-value')", kind.as_str()))?;
    Ok(TraceClause::Assessment(kind, name, AssessmentTest::Text(text_test(comparator, value)?)))
}

fn quoted(value: &Token<'_>, what: &str) -> Result<String, Invalid> {
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

fn text_test(comparator: &str, value: String) -> Result<TextTest, Invalid> {
    match comparator {
        "=" => Ok(TextTest::Is(value)),
        "!=" => Ok(TextTest::IsNot(value)),
        "LIKE" => Ok(TextTest::Like(value)),
        "ILIKE" => Ok(TextTest::ILike(value)),
        _ => Err(invalid(format!("Invalid comparator '{comparator}' not one of '{{'!=', '=', 'LIKE', 'ILIKE', 'IN', 'NOT IN'}}'"))),
    }
}

fn op(comparator: &str) -> Result<Op, Invalid> {
    [Op::Less, Op::AtMost, Op::Equal, Op::NotEqual, Op::AtLeast, Op::Greater]
        .into_iter()
        .find(|op| op.sign() == comparator)
        .ok_or_else(|| invalid(format!("Invalid comparator '{comparator}' not one of '{{'>', '>=', '!=', '=', '<', '<='}}'")))
}

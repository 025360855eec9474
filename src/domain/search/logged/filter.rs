//! Reads a filter over logged models.

use super::{ATTRIBUTES, ModelAttribute, ModelClause};
use crate::domain::Invalid;
use crate::domain::search::lexer::{Spaced, Token, tokens};
use crate::domain::search::parse::invalid;
use crate::domain::search::{MAX_CLAUSES, MAX_FILTER, Op, TextTest, Whole};

const NUMERIC: [Op; 6] = [Op::Less, Op::AtMost, Op::Greater, Op::AtLeast, Op::Equal, Op::NotEqual];
const NUMERIC_SHOWN: &str = "('<', '<=', '>', '>=', '=', '!=')";
const TEXTUAL_SHOWN: &str = "('=', '!=', 'LIKE', 'ILIKE', 'IN', 'NOT IN')";

/// Parses a filter; an empty one has no clauses.
///
/// # Errors
/// `invalid_filter` with a sentence that names the part that was not understood.
pub fn parse_model_filter(text: &str) -> Result<Vec<ModelClause>, Invalid> {
    if text.len() > MAX_FILTER {
        return Err(invalid(format!("Invalid filter string: it has {} bytes, at most {MAX_FILTER} are read", text.len())));
    }
    if text.contains('\0') {
        return Err(invalid("Invalid filter string: it contains a NUL character"));
    }
    let all = tokens(text);
    let mut reader = Reader { text, tokens: &all, at: 0 };
    let mut clauses = Vec::new();
    while reader.peek().is_some() {
        if !clauses.is_empty() && !reader.take_word("and") {
            return Err(reader.not_understood());
        }
        clauses.push(reader.clause()?);
        if clauses.len() > MAX_CLAUSES {
            return Err(invalid(format!("Invalid filter string: it has more than {MAX_CLAUSES} clauses")));
        }
    }
    Ok(clauses)
}

/// What a clause is about.
enum Entity {
    Attribute(ModelAttribute, String),
    Metric(String),
    Param(String),
    Tag(String),
}

impl Entity {
    fn show(&self) -> String {
        match self {
            Self::Attribute(_, name) => format!("attributes.{name}"),
            Self::Metric(key) => format!("metrics.{key}"),
            Self::Param(key) => format!("params.{key}"),
            Self::Tag(key) => format!("tags.{key}"),
        }
    }

    fn is_number(&self) -> bool {
        matches!(self, Self::Metric(_)) || matches!(self, Self::Attribute(attribute, _) if attribute.is_number())
    }
}

struct Reader<'a> {
    text: &'a str,
    tokens: &'a [Spaced<'a>],
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<&'a Token<'a>> {
        self.tokens.get(self.at).map(|spaced| &spaced.token)
    }

    fn take(&mut self) -> Option<&'a Token<'a>> {
        let token = self.peek()?;
        self.at += 1;
        Some(token)
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|token| token.is_word(word));
        self.at += usize::from(found);
        found
    }

    fn not_understood(&self) -> Invalid {
        invalid(format!(
            "Invalid filter string: '{}'. Expected a list of comparisons separated by 'AND' (e.g. 'metrics.loss > 0.1 AND \
             params.lr = 0.01').",
            self.text
        ))
    }

    fn clause(&mut self) -> Result<ModelClause, Invalid> {
        let entity = self.entity()?;
        let comparator = match self.take() {
            Some(Token::Sign(sign)) => (*sign).to_owned(),
            Some(word) if word.is_word("not") && self.take_word("in") => "NOT IN".to_owned(),
            Some(word) if ["like", "ilike", "in"].into_iter().any(|known| word.is_word(known)) => word.show().to_uppercase(),
            _ => return Err(self.not_understood()),
        };
        let wrong = |expected: &str| {
            invalid(format!("Invalid comparison operator for {}: '{comparator}'. Expected one of {expected}.", entity.show()))
        };
        if entity.is_number() {
            let op = NUMERIC.into_iter().find(|op| op.sign() == comparator).ok_or_else(|| wrong(NUMERIC_SHOWN))?;
            return self.number(entity, op);
        }
        let test = match comparator.as_str() {
            "=" => TextTest::Is(self.quoted()?),
            "!=" => TextTest::IsNot(self.quoted()?),
            "LIKE" => TextTest::Like(self.quoted()?),
            "ILIKE" => TextTest::ILike(self.quoted()?),
            "IN" => TextTest::In(self.list()?),
            "NOT IN" => TextTest::NotIn(self.list()?),
            _ => return Err(wrong(TEXTUAL_SHOWN)),
        };
        match entity {
            Entity::Attribute(attribute, _) => Ok(ModelClause::Text(attribute, test)),
            Entity::Param(key) => Ok(ModelClause::Param(key, test)),
            Entity::Tag(key) => Ok(ModelClause::Tag(key, test)),
            Entity::Metric(_) => Err(self.not_understood()),
        }
    }

    fn number(&mut self, entity: Entity, op: Op) -> Result<ModelClause, Invalid> {
        let shown = entity.show();
        let text = match self.take() {
            Some(Token::Number(text)) => *text,
            Some(other) => return Err(invalid(format!("Expected numeric value type for {shown}. Found {}", other.show()))),
            None => return Err(self.not_understood()),
        };
        let value: f64 = text.parse().map_err(|_| invalid(format!("Invalid number {text}")))?;
        Ok(match entity {
            Entity::Attribute(attribute, _) => {
                ModelClause::Number(attribute, text.parse().map_or_else(|_| Whole::new(op, value), |whole| Whole::Is(op, whole)))
            }
            Entity::Metric(key) | Entity::Param(key) | Entity::Tag(key) => ModelClause::Metric { key, op, value },
        })
    }

    fn quoted(&mut self) -> Result<String, Invalid> {
        match self.take() {
            Some(Token::Single(text) | Token::Double(text)) => Ok(text.clone()),
            Some(other) => Err(invalid(format!("Invalid comparison: expected a quoted string value, found {}", other.show()))),
            None => Err(self.not_understood()),
        }
    }

    fn list(&mut self) -> Result<Vec<String>, Invalid> {
        const WHAT: &str = "Invalid comparison: expected a list of quoted string values in parentheses";
        if self.take() != Some(&Token::Open) {
            return Err(invalid(WHAT));
        }
        let mut values = Vec::new();
        loop {
            match self.take() {
                Some(Token::Single(text) | Token::Double(text)) => values.push(text.clone()),
                Some(Token::Close) if !values.is_empty() => return Ok(values),
                _ => return Err(invalid(WHAT)),
            }
            match self.take() {
                Some(Token::Comma) => {}
                Some(Token::Close) => return Ok(values),
                _ => return Err(invalid(WHAT)),
            }
        }
    }

    /// Reads `entity.key`, or an attribute alone.
    fn entity(&mut self) -> Result<Entity, Invalid> {
        let first = match self.take() {
            Some(Token::Word(text)) => (*text).to_owned(),
            Some(Token::Backtick(text)) => text.clone(),
            _ => return Err(self.not_understood()),
        };
        if self.peek() != Some(&Token::Dot) {
            // a word without a comparison behind it is no attribute that is unknown, but no comparison at all
            return match self.peek() {
                None => Err(self.not_understood()),
                Some(_) => attribute(&first),
            };
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
            _ => return Err(self.not_understood()),
        };
        if key.len() > 1000 {
            return Err(invalid("Invalid filter string: a key has more than 1000 bytes"));
        }
        match first.as_str() {
            "attributes" => attribute(&key),
            "metrics" => Ok(Entity::Metric(key)),
            "params" => Ok(Entity::Param(key)),
            "tags" => Ok(Entity::Tag(key)),
            _ => Err(invalid(format!("Invalid entity type: '{first}'. Expected one of ['attributes', 'metrics', 'params', 'tags']."))),
        }
    }
}

fn attribute(name: &str) -> Result<Entity, Invalid> {
    match ModelAttribute::find(name) {
        Some(attribute) => Ok(Entity::Attribute(attribute, name.to_owned())),
        None => {
            let known = ATTRIBUTES.map(|(name, _)| name).join("', '");
            Err(invalid(format!("Invalid attribute key '{name}' specified. Valid keys are '{{'{known}'}}'")))
        }
    }
}

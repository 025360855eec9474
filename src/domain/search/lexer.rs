//! Cuts a filter into tokens.

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'a> {
    /// Letters, digits and `_`, not starting with a digit.
    Word(&'a str),
    /// In single quotes; a doubled quote stands for one.
    Single(String),
    /// In double quotes.
    Double(String),
    /// In backticks.
    Backtick(String),
    /// As written.
    Number(&'a str),
    /// One of `= != < <= > >=`, or a sign that MLflow knows of and refuses.
    Sign(&'a str),
    Dot,
    Comma,
    Open,
    Close,
    /// Anything else.
    Other(char),
    /// A quote that is never closed, and what follows it.
    Unclosed(&'a str),
}

impl Token<'_> {
    /// Shows the token as it was written, for refusals.
    pub(super) fn show(&self) -> String {
        match self {
            Self::Word(text) | Self::Number(text) | Self::Sign(text) | Self::Unclosed(text) => (*text).to_owned(),
            Self::Single(text) => format!("'{text}'"),
            Self::Double(text) => format!("\"{text}\""),
            Self::Backtick(text) => format!("`{text}`"),
            Self::Dot => ".".to_owned(),
            Self::Comma => ",".to_owned(),
            Self::Open => "(".to_owned(),
            Self::Close => ")".to_owned(),
            Self::Other(c) => c.to_string(),
        }
    }

    /// Tells whether it is this word, in whatever case.
    pub(super) fn is_word(&self, word: &str) -> bool {
        matches!(self, Self::Word(text) if text.eq_ignore_ascii_case(word))
    }
}

/// A token, and whether white space stands before it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Spaced<'a> {
    pub(super) token: Token<'a>,
    pub(super) spaced: bool,
}

/// Cuts all of a text.
pub(super) fn tokens(text: &str) -> Vec<Spaced<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    let mut spaced = false;
    while let Some(first) = rest.chars().next() {
        if first.is_whitespace() {
            rest = &rest[first.len_utf8()..];
            spaced = true;
            continue;
        }
        let after_dot = matches!(found.last(), Some(Spaced { token: Token::Dot, .. })) && !spaced;
        let (token, length) = next(rest, first, after_dot);
        found.push(Spaced { token, spaced });
        rest = &rest[length..];
        spaced = false;
    }
    found
}

fn next(rest: &str, first: char, after_dot: bool) -> (Token<'_>, usize) {
    if is_word(first) && (after_dot || !first.is_ascii_digit()) {
        let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        return (Token::Word(&rest[..length]), length);
    }
    if let Some(length) = number(rest) {
        return (Token::Number(&rest[..length]), length);
    }
    match first {
        '\'' | '"' | '`' => quoted(rest, first),
        '.' => (Token::Dot, 1),
        ',' => (Token::Comma, 1),
        '(' => (Token::Open, 1),
        ')' => (Token::Close, 1),
        '=' | '!' | '<' | '>' | '~' => {
            let length = rest.find(|c| !matches!(c, '=' | '!' | '<' | '>' | '~')).unwrap_or(rest.len());
            (Token::Sign(&rest[..length]), length)
        }
        other => (Token::Other(other), other.len_utf8()),
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn quoted(rest: &str, quote: char) -> (Token<'_>, usize) {
    let mut text = String::new();
    let mut at = 1;
    while let Some(length) = rest[at..].find(quote) {
        text.push_str(&rest[at..at + length]);
        at += length + 1;
        if !rest[at..].starts_with(quote) {
            let token = match quote {
                '\'' => Token::Single(text),
                '"' => Token::Double(text),
                _ => Token::Backtick(text),
            };
            return (token, at);
        }
        text.push(quote);
        at += 1;
    }
    (Token::Unclosed(rest), rest.len())
}

/// Returns the length of a number at the start: `-`, digits with at most one dot, an exponent.
fn number(rest: &str) -> Option<usize> {
    let bytes = rest.as_bytes();
    let digits = |mut at: usize| {
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        at
    };
    let start = usize::from(matches!(bytes.first(), Some(b'-' | b'+')));
    let whole = digits(start);
    let mut end = whole;
    if bytes.get(whole) == Some(&b'.') {
        end = digits(whole + 1);
        if end == whole + 1 && whole == start {
            return None;
        }
    } else if whole == start {
        return None;
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = end + 1 + usize::from(matches!(bytes.get(end + 1), Some(b'-' | b'+')));
        let exponent = digits(sign);
        if exponent > sign {
            end = exponent;
        }
    }
    Some(end)
}

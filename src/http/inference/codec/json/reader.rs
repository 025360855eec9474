//! A cursor over one JSON document. It hands out tokens and walks lists and objects; what they mean is the caller's.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use super::number::{Decimal, Number};
use crate::http::inference::codec::{CodecError, code};

/// How deep lists and objects may nest.
pub const MAX_DEPTH: u32 = 64;

/// A position in a JSON document. Copying it is a look ahead.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: u32,
}

impl<'a> Reader<'a> {
    /// Starts at the beginning of `body`. Fails if it is not UTF-8.
    pub fn new(body: &'a [u8]) -> Result<Self, CodecError> {
        match std::str::from_utf8(body) {
            Ok(text) => Ok(Self { text, at: 0, depth: 0 }),
            Err(error) => Err(broken("invalid UTF-8", error.valid_up_to())),
        }
    }

    /// Returns the first byte of the next token without taking it; 0 at the end of the document.
    #[inline]
    pub fn peek(&mut self) -> u8 {
        loop {
            match self.byte() {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                other => return other,
            }
        }
    }

    /// Steps over an opening bracket, if one comes next: for looking ahead with a copy.
    pub fn inside(mut self) -> Self {
        if matches!(self.peek(), b'[' | b'{') {
            self.at += 1;
        }
        self
    }

    /// Returns the first key of the object that comes next, without taking anything.
    pub fn first_key(self) -> Option<Cow<'a, str>> {
        let mut ahead = self;
        if ahead.peek() != b'{' { None } else { ahead.inside().string().ok() }
    }

    /// Returns a look at what follows the first key of the object that comes next; not a value if there is none.
    pub fn first_value(self) -> Self {
        let mut ahead = self.inside();
        if ahead.peek() == b'"' && ahead.string().is_ok() && ahead.peek() == b':' {
            ahead.at += 1;
        }
        ahead
    }

    /// Checks that only white space is left.
    pub fn end(&mut self) -> Result<(), CodecError> {
        self.peek();
        if self.at < self.text.len() { Err(broken("the document ends before this, found more", self.at)) } else { Ok(()) }
    }

    /// Walks a list: `each` must take one value each time.
    #[inline]
    pub fn list(&mut self, mut each: impl FnMut(&mut Self) -> Result<(), CodecError>) -> Result<(), CodecError> {
        self.open(b'[', "a list")?;
        if self.peek() == b']' {
            return self.close();
        }
        loop {
            each(self)?;
            match self.peek() {
                b',' => self.at += 1,
                b']' => return self.close(),
                _ => return Err(self.expected("',' or ']'")),
            }
        }
    }

    /// Walks an object: `each` gets the key and must take one value. It is also the one to notice duplicate keys.
    #[inline]
    pub fn object(&mut self, mut each: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), CodecError>) -> Result<(), CodecError> {
        self.open(b'{', "an object")?;
        if self.peek() == b'}' {
            return self.close();
        }
        loop {
            if self.peek() != b'"' {
                return Err(self.expected("a key in quotes"));
            }
            let key = self.string()?;
            if self.peek() != b':' {
                return Err(self.expected("':'"));
            }
            self.at += 1;
            each(self, key)?;
            match self.peek() {
                b',' => self.at += 1,
                b'}' => return self.close(),
                _ => return Err(self.expected("',' or '}'")),
            }
        }
    }

    /// Takes a string; borrows it unless it has escapes.
    pub fn string(&mut self) -> Result<Cow<'a, str>, CodecError> {
        if self.peek() != b'"' {
            return Err(self.unlike("a string"));
        }
        self.at += 1;
        let start = self.at;
        self.plain_text();
        if self.byte() == b'"' {
            let text = &self.text[start..self.at];
            self.at += 1;
            return Ok(Cow::Borrowed(text));
        }
        let mut owned = String::from(&self.text[start..self.at]);
        loop {
            match self.byte() {
                b'"' => break,
                b'\\' => owned.push(self.escape()?),
                _ if self.at >= self.text.len() => return Err(broken("string without an end", start - 1)),
                _ => return Err(broken("control character in a string", self.at)),
            }
            let start = self.at;
            self.plain_text();
            owned.push_str(&self.text[start..self.at]);
        }
        self.at += 1;
        Ok(Cow::Owned(owned))
    }

    /// Takes `true` or `false`.
    pub fn boolean(&mut self) -> Result<bool, CodecError> {
        match self.peek() {
            b't' => self.word("true").map(|()| true),
            b'f' => self.word("false").map(|()| false),
            _ => Err(self.unlike("true or false")),
        }
    }

    /// Takes `null`.
    pub fn null(&mut self) -> Result<(), CodecError> {
        if self.peek() == b'n' { self.word("null") } else { Err(self.unlike("null")) }
    }

    /// Takes a number.
    #[inline]
    pub fn number(&mut self) -> Result<Number<'a>, CodecError> {
        match self.peek() {
            b'0'..=b'9' => self.decimal().map(Number::Decimal),
            b'-' if self.byte_at(self.at + 1) == b'I' => self.word("-Infinity").map(|()| Number::Infinity { negative: true }),
            b'-' => self.decimal().map(Number::Decimal),
            b'N' => self.word("NaN").map(|()| Number::Nan),
            b'I' => self.word("Infinity").map(|()| Number::Infinity { negative: false }),
            _ => Err(self.unlike("a number")),
        }
    }

    /// Takes any value and drops it, as strictly as if it were wanted.
    pub fn skip(&mut self) -> Result<(), CodecError> {
        match self.peek() {
            b'"' => self.string().map(drop),
            b'[' => self.list(Self::skip),
            b'{' => {
                let mut keys = HashSet::new();
                self.object(|reader, key| {
                    if let Some(twice) = keys.replace(key) {
                        return Err(reader.duplicate(&twice));
                    }
                    reader.skip()
                })
            }
            b't' | b'f' => self.boolean().map(drop),
            b'n' => self.null(),
            b'-' | b'0'..=b'9' | b'N' | b'I' => self.number().map(drop),
            _ => Err(self.expected("a value")),
        }
    }

    /// Makes the error for a value of another kind than wanted (or for no value at all).
    #[cold]
    pub fn unlike(&mut self, wanted: &str) -> CodecError {
        let found = match self.peek() {
            b'"' => "a string",
            b'[' => "a list",
            b'{' => "an object",
            b't' | b'f' => "a truth value",
            b'n' => "null",
            b'-' | b'0'..=b'9' | b'N' | b'I' => "a number",
            _ => return self.expected(wanted),
        };
        CodecError::new(code::WRONG_TYPE, format!("expected {wanted}, found {found} at byte {}", self.at))
    }

    /// Makes the error for a key that its object already had.
    #[cold]
    pub fn duplicate(&self, key: &str) -> CodecError {
        broken(format_args!("duplicate key '{key}'"), self.at)
    }

    #[cold]
    fn expected(&self, wanted: &str) -> CodecError {
        match self.text[self.at..].chars().next() {
            Some(found) => broken(format_args!("expected {wanted}, found {found:?}"), self.at),
            None => broken(format_args!("expected {wanted}, found the end"), self.at),
        }
    }

    #[inline]
    fn byte(&self) -> u8 {
        self.byte_at(self.at)
    }

    /// Returns 0 past the end; a 0 inside a document is no valid token either.
    #[inline]
    fn byte_at(&self, at: usize) -> u8 {
        self.text.as_bytes().get(at).copied().unwrap_or(0)
    }

    #[inline]
    fn open(&mut self, bracket: u8, what: &str) -> Result<(), CodecError> {
        if self.peek() != bracket {
            return Err(self.unlike(what));
        }
        if self.depth == MAX_DEPTH {
            return Err(CodecError::new(code::TOO_DEEP, format!("deeper than {MAX_DEPTH} levels at byte {}", self.at)));
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    #[inline]
    fn close(&mut self) -> Result<(), CodecError> {
        self.depth -= 1;
        self.at += 1;
        Ok(())
    }

    fn word(&mut self, word: &str) -> Result<(), CodecError> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.expected(word));
        }
        self.at += word.len();
        Ok(())
    }

    fn plain_text(&mut self) {
        while !matches!(self.byte(), b'"' | b'\\' | 0..0x20) {
            self.at += 1;
        }
    }

    fn escape(&mut self) -> Result<char, CodecError> {
        let start = self.at;
        self.at += 2;
        Ok(match self.byte_at(start + 1) {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let mut scalar = self.hex(start)?;
                if (0xD800..0xDC00).contains(&scalar) && self.text[self.at..].starts_with("\\u") {
                    self.at += 2;
                    let low = self.hex(start)?;
                    if (0xDC00..0xE000).contains(&low) {
                        scalar = 0x10000 + ((scalar - 0xD800) << 10) + (low - 0xDC00);
                    }
                }
                char::from_u32(scalar).ok_or_else(|| broken("lone surrogate", start))?
            }
            _ => return Err(broken("unknown escape", start)),
        })
    }

    fn hex(&mut self, start: usize) -> Result<u32, CodecError> {
        let digits = self.text.get(self.at..self.at + 4).filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()));
        self.at += 4;
        digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).ok_or_else(|| broken("\\u wants four hexadecimal digits", start))
    }

    fn decimal(&mut self) -> Result<Decimal<'a>, CodecError> {
        let start = self.at;
        let negative = self.byte() == b'-';
        self.at += usize::from(negative);
        let mut digits = Digits::default();
        let leading_zero = self.byte() == b'0';
        let whole = self.digits(&mut digits);
        if whole == 0 {
            return Err(self.expected("a digit"));
        }
        if leading_zero && whole > 1 {
            return Err(broken("number with a leading zero", start));
        }
        let mut integer = true;
        let mut exponent = 0i32;
        if self.byte() == b'.' {
            integer = false;
            self.at += 1;
            let places = self.digits(&mut digits);
            if places == 0 {
                return Err(self.expected("a digit"));
            }
            exponent = -i32::try_from(places).unwrap_or(i32::MAX);
        }
        if matches!(self.byte(), b'e' | b'E') {
            integer = false;
            exponent = exponent.saturating_add(self.exponent()?);
        }
        let exact = digits.significant <= 19;
        let text = &self.text[start..self.at];
        Ok(Decimal { text, negative, integer, mantissa: digits.value, exact, exponent })
    }

    /// Takes digits and returns how many.
    #[inline]
    fn digits(&mut self, digits: &mut Digits) -> usize {
        let start = self.at;
        while self.byte().is_ascii_digit() {
            digits.push(self.byte() - b'0');
            self.at += 1;
        }
        self.at - start
    }

    fn exponent(&mut self) -> Result<i32, CodecError> {
        self.at += 1;
        let negative = self.byte() == b'-';
        self.at += usize::from(matches!(self.byte(), b'-' | b'+'));
        let mut digits = Digits::default();
        if self.digits(&mut digits) == 0 {
            return Err(self.expected("a digit"));
        }
        let size = if digits.significant <= 9 { digits.value as i32 } else { i32::MAX };
        Ok(if negative { -size } else { size })
    }
}

/// Digits gathered into an integer, wrapping once there are too many.
#[derive(Default)]
struct Digits {
    value: u64,
    /// Digits from the first that is not zero.
    significant: usize,
}

impl Digits {
    #[inline]
    fn push(&mut self, digit: u8) {
        self.significant += usize::from(digit != 0 || self.significant != 0);
        self.value = self.value.wrapping_mul(10).wrapping_add(u64::from(digit));
    }
}

#[cold]
fn broken(what: impl fmt::Display, at: usize) -> CodecError {
    CodecError::new(code::INVALID_JSON, format!("{what} at byte {at}"))
}

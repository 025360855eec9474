//! Spans as protobuf, read without a copy of the whole: generated code would build all messages first, of which a few bytes may
//! make millions. Field numbers are those of `opentelemetry/proto/trace/v1/trace.proto`.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::shape::{self, Head};
use super::{Budget, Received, Unreadable};
use crate::domain::trace::span::{NewSpan, SpanEvent, SpanStatus};

/// A field of a message.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Field<'a> {
    /// Numbers of varying length, and truth values.
    Varint(u64),
    /// Eight bytes.
    Fixed(u64),
    /// Texts, bytes and messages.
    Bytes(&'a [u8]),
    /// Four bytes, which nothing here has.
    Other,
}

/// Goes through the fields of a message.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn next(&mut self) -> Result<Option<(u64, Field<'a>)>, Unreadable> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let field = match key & 7 {
            0 => Field::Varint(self.varint()?),
            1 => {
                let bytes: [u8; 8] = self.take(8)?.try_into().map_err(|_| cut_off())?;
                Field::Fixed(u64::from_le_bytes(bytes))
            }
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| cut_off())?;
                Field::Bytes(self.take(length)?)
            }
            5 => {
                self.take(4)?;
                Field::Other
            }
            other => return Err(Unreadable(format!("wire type {other}"))),
        };
        Ok(Some((key >> 3, field)))
    }

    fn varint(&mut self) -> Result<u64, Unreadable> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or_else(cut_off)?;
            self.0 = rest;
            value |= u64::from(byte & 127).checked_shl(shift).unwrap_or_default();
            if byte & 128 == 0 {
                return Ok(value);
            }
        }
        Err(Unreadable("a number of more than ten bytes".to_owned()))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Unreadable> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(cut_off)?;
        self.0 = rest;
        Ok(taken)
    }
}

fn cut_off() -> Unreadable {
    Unreadable("the message is cut off".to_owned())
}

fn text(bytes: &[u8]) -> Result<String, Unreadable> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Unreadable("a text is not UTF-8".to_owned()))
}

/// Reads a request.
pub(super) fn read(body: &[u8]) -> Result<Received, Unreadable> {
    let (mut received, mut budget) = (Received::default(), Budget::new());
    let mut fields = Fields(body);
    while let Some((number, field)) = fields.next()? {
        if let (1, Field::Bytes(group)) = (number, field) {
            received.groups += 1;
            resource_spans(group, &mut received, &mut budget)?;
        }
    }
    Ok(received)
}

fn resource_spans(group: &[u8], received: &mut Received, budget: &mut Budget) -> Result<(), Unreadable> {
    let mut resource = Map::new();
    // the resource may stand behind its spans
    let mut fields = Fields(group);
    while let Some((number, field)) = fields.next()? {
        if let (1, Field::Bytes(message)) = (number, field) {
            let mut fields = Fields(message);
            while let Some((number, field)) = fields.next()? {
                if let (1, Field::Bytes(pair)) = (number, field) {
                    key_value(pair, &mut resource, budget, 0)?;
                }
            }
        }
    }
    let resource = Arc::new(resource);
    let mut fields = Fields(group);
    while let Some((number, field)) = fields.next()? {
        if let (2, Field::Bytes(scope)) = (number, field) {
            let mut fields = Fields(scope);
            while let Some((number, field)) = fields.next()? {
                if let (2, Field::Bytes(message)) = (number, field) {
                    budget.span()?;
                    match span(message, budget)? {
                        Ok(span) => received.spans.push(NewSpan { resource: resource.clone(), ..span }),
                        Err(problem) => {
                            received.rejected += 1;
                            received.problem = problem;
                        }
                    }
                }
            }
        }
    }
    Ok(())
}

fn span(message: &[u8], budget: &mut Budget) -> Result<Result<NewSpan, String>, Unreadable> {
    let (mut span, mut head) = (NewSpan::default(), Head::default());
    let mut fields = Fields(message);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, Field::Bytes(bytes)) => head.trace = bytes,
            (2, Field::Bytes(bytes)) => head.span = bytes,
            (4, Field::Bytes(bytes)) => head.parent = bytes,
            (5, Field::Bytes(bytes)) => span.name = text(bytes)?,
            (7, Field::Fixed(ns)) => head.start_ns = ns,
            (8, Field::Fixed(ns)) => head.end_ns = ns,
            (9, Field::Bytes(pair)) => key_value(pair, &mut span.content.attributes, budget, 0)?,
            (11, Field::Bytes(message)) => {
                budget.value(0)?;
                span.content.events.push(event(message, budget)?);
            }
            (13, Field::Bytes(message)) => {
                budget.value(0)?;
                let (mut trace, mut id, mut attributes): (&[u8], &[u8], _) = (&[], &[], Map::new());
                let mut fields = Fields(message);
                while let Some((number, field)) = fields.next()? {
                    match (number, field) {
                        (1, Field::Bytes(bytes)) => trace = bytes,
                        (2, Field::Bytes(bytes)) => id = bytes,
                        (4, Field::Bytes(pair)) => key_value(pair, &mut attributes, budget, 0)?,
                        _ => {}
                    }
                }
                span.content.links.extend(shape::link(trace, id, attributes));
            }
            (15, Field::Bytes(status)) => {
                let mut fields = Fields(status);
                while let Some((number, field)) = fields.next()? {
                    match (number, field) {
                        (2, Field::Bytes(bytes)) => span.content.message = text(bytes)?,
                        (3, Field::Varint(code)) => span.status = SpanStatus::from_number(code),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Ok(shape::fit(head, &mut span).map(|()| span))
}

fn event(message: &[u8], budget: &mut Budget) -> Result<SpanEvent, Unreadable> {
    let mut event = SpanEvent { name: String::new(), time_ns: 0, attributes: Map::new() };
    let mut fields = Fields(message);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, Field::Fixed(ns)) => event.time_ns = i64::try_from(ns).unwrap_or(i64::MAX),
            (2, Field::Bytes(bytes)) => event.name = text(bytes)?,
            (3, Field::Bytes(pair)) => key_value(pair, &mut event.attributes, budget, 0)?,
            _ => {}
        }
    }
    Ok(event)
}

fn key_value(pair: &[u8], into: &mut Map<String, Value>, budget: &mut Budget, depth: usize) -> Result<(), Unreadable> {
    budget.value(depth)?;
    let (mut key, mut found) = (String::new(), Value::Null);
    let mut fields = Fields(pair);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, Field::Bytes(bytes)) => key = text(bytes)?,
            (2, Field::Bytes(bytes)) => found = value(bytes, budget, depth)?,
            _ => {}
        }
    }
    into.insert(key, found);
    Ok(())
}

fn value(message: &[u8], budget: &mut Budget, depth: usize) -> Result<Value, Unreadable> {
    budget.value(depth)?;
    let mut found = Value::Null;
    let mut fields = Fields(message);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, Field::Bytes(bytes)) => found = Value::String(text(bytes)?),
            (2, Field::Varint(truth)) => found = Value::Bool(truth != 0),
            (3, Field::Varint(number)) => found = Value::from(number.cast_signed()),
            (4, Field::Fixed(bits)) => found = shape::double(f64::from_bits(bits)),
            (5, Field::Bytes(list)) => {
                let mut items = Vec::new();
                let mut fields = Fields(list);
                while let Some((number, field)) = fields.next()? {
                    if let (1, Field::Bytes(item)) = (number, field) {
                        items.push(value(item, budget, depth + 1)?);
                    }
                }
                found = Value::Array(items);
            }
            (6, Field::Bytes(list)) => {
                let mut map = Map::new();
                let mut fields = Fields(list);
                while let Some((number, field)) = fields.next()? {
                    if let (1, Field::Bytes(pair)) = (number, field) {
                        key_value(pair, &mut map, budget, depth + 1)?;
                    }
                }
                found = Value::Object(map);
            }
            (7, Field::Bytes(bytes)) => found = Value::String(STANDARD.encode(bytes)),
            _ => {}
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Writes a field of bytes.
    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut written = vec![number << 3 | 2];
        let mut length = bytes.len();
        while length > 127 {
            written.push(u8::try_from(length & 127).unwrap() | 128);
            length >>= 7;
        }
        written.push(u8::try_from(length).unwrap());
        [written, bytes.to_vec()].concat()
    }

    fn request(span: &[u8]) -> Vec<u8> {
        field(1, &field(2, &field(2, span)))
    }

    #[test]
    fn a_span_is_read_and_one_without_ids_is_counted() {
        let pair = [field(1, b"n"), field(2, &[3 << 3, 42])].concat();
        let span = [field(1, &[7; 16]), field(2, &[9; 8]), field(5, "näme".as_bytes()), field(9, &pair)].concat();
        let received = read(&[request(&span), request(&field(5, b"no ids"))].concat()).unwrap();
        assert_eq!((received.spans.len(), received.rejected, received.groups), (1, 1, 2));
        let read = &received.spans[0];
        assert_eq!((read.trace, read.span, read.parent, read.name.as_str()), ([7; 16], [9; 8], None, "näme"));
        assert_eq!(read.content.attributes["n"], 42);
    }

    #[test]
    fn depth_and_number_are_bounded() {
        let mut nested = vec![3 << 3, 1];
        for _ in 0..100 {
            nested = field(5, &field(1, &nested));
        }
        let span = |value: &[u8]| request(&field(9, &[field(1, b"k"), field(2, value)].concat()));
        assert!(read(&span(&nested)).unwrap_err().0.contains("deep"));
        let many = field(1, &field(2, &field(2, &[]).repeat(20_001)));
        assert_eq!(read(&many).unwrap_err().0, "a request may have at most 20000 spans");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
            let _ = read(&request(&bytes));
            let _ = read(&request(&field(9, &bytes)));
        }

        #[test]
        fn a_message_cut_anywhere_is_read_or_refused(cut in 0_usize..80, flip in any::<u8>()) {
            let span = [field(1, &[7; 16]), field(2, &[9; 8]), field(9, &[field(1, b"k"), field(2, &field(1, b"v"))].concat())].concat();
            let mut whole = request(&span);
            let at = cut % whole.len();
            whole[at] ^= flip;
            let _ = read(&whole);
            whole.truncate(at);
            let _ = read(&whole);
        }
    }
}

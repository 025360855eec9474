//! Which bytes of a file a request asks for (RFC 9110, section 14): one range at most; several, or what is not understood, mean
//! the whole.

use std::ops::Range;

use axum::http::{HeaderMap, header};

/// What to answer with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All bytes.
    Whole,
    /// These, of which there is at least one.
    Part(Range<u64>),
    /// None of the bytes asked for is there.
    Nothing,
}

/// Reads the request's `Range` and `If-Range` for a file of `size` bytes whose entity tag is `etag`.
pub(super) fn wanted(headers: &HeaderMap, etag: &str, size: u64) -> Wanted {
    let text = |name| headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
    let (Some(range), 1) = (text(header::RANGE), headers.get_all(header::RANGE).iter().count()) else { return Wanted::Whole };
    if headers.contains_key(header::IF_RANGE) && text(header::IF_RANGE).map(str::trim) != Some(etag) {
        return Wanted::Whole;
    }
    parse(range, size).unwrap_or(Wanted::Whole)
}

fn parse(text: &str, size: u64) -> Option<Wanted> {
    let (unit, ranges) = text.split_once('=')?;
    let (first, last) = ranges.trim().split_once('-')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") || ranges.contains(',') {
        return None;
    }
    let part = match (first.is_empty(), last.is_empty()) {
        (true, true) => return None,
        (true, false) => size.saturating_sub(number(last)?)..size,
        (false, true) => number(first)?..size,
        (false, false) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            first..size.min(last.saturating_add(1))
        }
    };
    Some(if part.is_empty() { Wanted::Nothing } else { Wanted::Part(part) })
}

/// Reads digits; a number too large for any file is one beyond its end.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    fn ask(range: &str, if_range: Option<&str>, size: u64) -> Wanted {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_str(range).unwrap());
        if let Some(tag) = if_range {
            headers.insert(header::IF_RANGE, HeaderValue::from_str(tag).unwrap());
        }
        wanted(&headers, "\"tag\"", size)
    }

    #[test]
    fn a_range_is_what_the_standard_says() {
        for (range, part) in [
            ("bytes=0-0", 0..1),
            ("bytes=2-4", 2..5),
            ("bytes=2-", 2..10),
            ("bytes=-3", 7..10),
            ("bytes=-30", 0..10),
            ("bytes=5-99999999999999999999999", 5..10),
            ("Bytes = 1-2", 1..3),
        ] {
            assert_eq!(ask(range, None, 10), Wanted::Part(part), "{range}");
        }
        for range in ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(ask(range, None, 10), Wanted::Nothing, "{range}");
        }
        for range in ["bytes=", "bytes=-", "bytes=3-2", "bytes=a-b", "bytes=1-2,4-5", "lines=1-2", "bytes 1-2", "bytes=+1-2", "bytes=1--2"]
        {
            assert_eq!(ask(range, None, 10), Wanted::Whole, "{range}");
        }
        assert_eq!(ask("bytes=0-", None, 0), Wanted::Nothing);
        assert_eq!(ask("bytes=1-2", Some("\"tag\""), 10), Wanted::Part(1..3));
        for tag in ["\"other\"", "W/\"tag\"", "Thu, 01 Jan 2026 00:00:00 GMT"] {
            assert_eq!(ask("bytes=1-2", Some(tag), 10), Wanted::Whole, "{tag}");
        }
        let mut twice = HeaderMap::new();
        for range in ["bytes=1-2", "bytes=3-4"] {
            twice.append(HeaderName::from_static("range"), HeaderValue::from_static(range));
        }
        assert_eq!(wanted(&twice, "", 10), Wanted::Whole);
    }

    proptest! {
        #[test]
        fn a_part_is_never_empty_and_never_beyond_the_end(range in "[bytes=0-9, -]{0,24}|bytes=[0-9]{0,21}-[0-9]{0,21}", size in 0u64..20) {
            if let Wanted::Part(part) = ask(&range, None, size) {
                prop_assert!(part.start < part.end && part.end <= size);
            }
        }
    }
}

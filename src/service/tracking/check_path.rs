//! What a path of an artifact may look like.

use crate::error::{Error, Result};

/// How often a path may turn out to be encoded again before it is refused.
const ROUNDS: usize = 4;
const MAX_PATH: usize = 2000;

/// Checks a relative path, as it stands and however often it can be decoded, and returns it without a slash at its ends.
///
/// # Errors
/// `invalid_path` for `..`, `.` and empty parts, backslashes, `#`, control characters, absolute paths and drive letters.
pub(super) fn relative(path: &str) -> Result<String> {
    let refused = || Error::invalid("invalid_path", "Invalid path");
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.len() > MAX_PATH {
        return Err(refused());
    }
    let mut text = path.as_bytes().to_vec();
    for _ in 0..ROUNDS {
        if !is_plain(&text) {
            return Err(refused());
        }
        let decoded = decode(&text);
        if decoded == text {
            return Ok(path.to_owned());
        }
        text = decoded;
    }
    Err(refused())
}

fn is_plain(text: &[u8]) -> bool {
    let drive = text.len() >= 2 && text[1] == b':' && text[0].is_ascii_alphabetic();
    let signs = text.iter().any(|byte| matches!(byte, b'\\' | b'#' | 0..=31 | 127));
    let parts = text.is_empty() || text.split(|byte| *byte == b'/').all(|part| !matches!(part, b"" | b"." | b".."));
    !drive && !signs && parts
}

/// Decodes `%hh` once; what is not such a sequence stays.
fn decode(text: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|b| char::from(*b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    let mut decoded = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match (byte, digit(text.get(at + 1)), digit(text.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(high * 16 + low);
                at += 3;
            }
            _ => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_spelling_of_a_path_climbs() {
        for bad in [
            "..",
            "a/../b",
            "/etc/passwd",
            "a//b",
            "./a",
            "a/.",
            "a\\..\\b",
            "%2e%2e/a",
            "a/%2E%2e",
            "%252e%252e/a",
            "%25252e%25252e/a",
            "a%2f..%2fb",
            "..%2f",
            "a%5cb",
            "C:/x",
            "c:x",
            "%2fetc",
            "a%00b",
            "a\nb",
            "a#b",
            "%2525252525252e",
            "a%252f%252fb",
        ] {
            assert!(relative(bad).is_err(), "{bad}");
        }
        for good in ["", "a", "a/b.txt", "a/b/", "100%.txt", "a..b", "...", "ä/ö.txt", "a b", "x%20y", "50%zz"] {
            assert_eq!(relative(good).unwrap(), good.trim_end_matches('/'), "{good}");
        }
    }
}

//! API keys: `slw_<12 characters id>_<43 characters secret>_<6 characters checksum>`. The checksum lets a scanner recognise a
//! leaked key without asking us; the secret has 256 bits, so a plain SHA-256 of it can be stored.

use sha2::{Digest, Sha256};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Random bytes that [`make`] needs.
pub const ENTROPY: usize = 55;

/// Makes a key from [`ENTROPY`] random bytes.
pub fn make(random: &[u8; ENTROPY]) -> String {
    let letters: String = random.iter().map(|b| char::from(ALPHABET[usize::from(*b) % ALPHABET.len()])).collect();
    let (id, secret) = letters.split_at(12);
    let body = format!("slw_{id}_{secret}");
    let sum = checksum(&body);
    format!("{body}_{sum}")
}

/// Returns the public id of a well-formed key.
pub fn parse(key: &str) -> Option<&str> {
    let (body, sum) = key.rsplit_once('_')?;
    let (id, secret) = body.strip_prefix("slw_")?.split_once('_')?;
    let letters = |text: &str, length: usize| text.len() == length && text.bytes().all(|b| b.is_ascii_alphanumeric());
    (letters(id, 12) && letters(secret, 43) && sum == checksum(body)).then_some(id)
}

/// Returns the hash under which a key is stored, in hex.
pub fn hash(key: &str) -> String {
    hex(&Sha256::digest(key.as_bytes()))
}

/// Compares two hashes in a time that does not depend on where they differ.
pub fn same_hash(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |differ, (x, y)| differ | (x ^ y)) == 0
}

/// Writes bytes as lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn checksum(body: &str) -> String {
    let digest = Sha256::digest(body.as_bytes());
    digest.iter().take(6).map(|b| char::from(ALPHABET[usize::from(*b) % ALPHABET.len()])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_key_is_recognised_and_a_mistyped_one_is_not() {
        let key = make(&std::array::from_fn(|i| i as u8 * 3));
        assert_eq!(parse(&key), Some(&key[4..16]));
        let typo = key.replacen(&key[20..21], if &key[20..21] == "a" { "b" } else { "a" }, 1);
        assert_eq!(parse(&typo), None);
        assert_eq!(parse(""), None);
        assert_eq!(parse("slw___"), None);
    }
}

//! The checkpoint's bytes: everything that a run cannot work out again from configuration and data.
//!
//! Little-endian: magic, version (u32), fingerprint of configuration and data (u64), the fields in the order in which the
//! trainer writes them, FNV-1a of all that (u64). Vectors carry their length first.

use super::error::FitError;
use super::fnv::Fnv;

const MAGIC: &[u8; 8] = b"SLIPCKPT";
const VERSION: u32 = 1;
const HEADER: usize = MAGIC.len() + 4 + 8;

/// Writes a checkpoint.
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn new(fingerprint: u64, capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(capacity);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&fingerprint.to_le_bytes());
        Self(bytes)
    }

    pub(crate) fn integer(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn number(&mut self, value: f64) {
        self.integer(value.to_bits());
    }

    pub(crate) fn vector(&mut self, values: &[f32]) {
        self.integer(values.len() as u64);
        for value in values {
            self.0.extend_from_slice(&value.to_le_bytes());
        }
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        let sum = Fnv::of(&self.0);
        self.integer(sum);
        self.0
    }
}

/// Reads a checkpoint.
#[derive(Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Checks magic, version, checksum and fingerprint.
    pub(crate) fn new(bytes: &'a [u8], fingerprint: u64) -> Result<Self, FitError> {
        if !bytes.starts_with(MAGIC) {
            return Err(damaged("it is not a checkpoint"));
        }
        let Some((body, sum)) = bytes.split_last_chunk::<8>().filter(|(body, _)| body.len() >= HEADER) else {
            return Err(damaged("it is too short"));
        };
        let mut reader = Self(&body[MAGIC.len()..]);
        let version = u32::from_le_bytes(reader.take()?);
        if version != VERSION {
            return Err(FitError::CheckpointVersion { found: version, supported: VERSION });
        }
        if Fnv::of(body) != u64::from_le_bytes(*sum) {
            return Err(damaged("its checksum is wrong"));
        }
        if reader.integer()? != fingerprint {
            return Err(FitError::CheckpointMismatch);
        }
        Ok(reader)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], FitError> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(damaged("it is too short"))?;
        self.0 = rest;
        Ok(*head)
    }

    pub(crate) fn integer(&mut self) -> Result<u64, FitError> {
        self.take().map(u64::from_le_bytes)
    }

    pub(crate) fn number(&mut self) -> Result<f64, FitError> {
        self.integer().map(f64::from_bits)
    }

    /// Reads a vector that must have one of two lengths: `length` or, if `or_empty`, 0.
    pub(crate) fn vector(&mut self, length: usize, or_empty: bool) -> Result<Vec<f32>, FitError> {
        let found = self.integer()? as usize;
        if found != length && !(or_empty && found == 0) {
            return Err(damaged("a vector has the wrong length"));
        }
        (0..found).map(|_| self.take().map(f32::from_le_bytes)).collect()
    }

    /// Checks that nothing is left.
    pub(crate) fn finish(self) -> Result<(), FitError> {
        if self.0.is_empty() { Ok(()) } else { Err(damaged("it is too long")) }
    }
}

fn damaged(reason: &'static str) -> FitError {
    FitError::CheckpointDamaged { reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Vec<u8> {
        let mut writer = Writer::new(7, 0);
        writer.integer(3);
        writer.number(-0.5);
        writer.vector(&[1.0, f32::MIN_POSITIVE]);
        writer.finish()
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = sample();
        let mut reader = Reader::new(&bytes, 7).unwrap();
        assert_eq!((reader.integer(), reader.number()), (Ok(3), Ok(-0.5)));
        assert_eq!(reader.vector(2, false), Ok(vec![1.0, f32::MIN_POSITIVE]));
        reader.finish().unwrap();
        assert_eq!(Reader::new(&bytes, 8).unwrap_err(), FitError::CheckpointMismatch);
    }

    #[test]
    fn another_version_is_named() {
        let mut bytes = sample();
        bytes[8] = 2;
        assert_eq!(Reader::new(&bytes, 7).unwrap_err().code(), "checkpoint_version");
    }

    proptest! {
        #[test]
        fn damage_is_noticed(place in 0usize..60, flip in 1u8.., cut in 0usize..60) {
            let mut bytes = sample();
            prop_assert!(Reader::new(&bytes[..cut.min(bytes.len() - 1)], 7).is_err());
            let place = place % bytes.len();
            bytes[place] ^= flip;
            prop_assert!(Reader::new(&bytes, 7).is_err());
        }
    }
}

//! The form of points on their way: many runs, keys and points in one value of a few bytes a point. Numbers are LEB128, differences
//! zigzag; a point says which key it is of, how its step and timestamp differ from those before it, and the bits of its value.
//!
//! ```text
//! block  = run, attempt, count, count × point
//! point  = 0, length, name | 1 + index of a name before it in the block
//!          step − step before, timestamp − timestamp before, 8 bytes of the double
//! ```

use std::collections::{BTreeMap, HashMap};

use crate::domain::run::MetricPoint;
use crate::store::run::to_bits;

/// A stored point: step, timestamp, value bits, attempt.
pub(super) type Row = (i64, i64, i64, i64);

/// Points by run and key.
pub(super) type Series = BTreeMap<(i64, String), Vec<Row>>;

/// Appends a block of points of one run.
pub(super) fn pack(into: &mut Vec<u8>, run_seq: i64, attempt_no: i64, points: &[MetricPoint]) {
    for number in [run_seq.cast_unsigned(), attempt_no.cast_unsigned(), points.len() as u64] {
        put(into, number);
    }
    let mut names: HashMap<&str, u64> = HashMap::new();
    let (mut step, mut timestamp) = (0_i64, 0_i64);
    for point in points {
        let next = names.len() as u64 + 1;
        match names.get(point.key.as_str()) {
            Some(index) => put(into, *index),
            None => {
                put(into, 0);
                put(into, point.key.len() as u64);
                into.extend_from_slice(point.key.as_bytes());
                names.insert(&point.key, next);
            }
        }
        put(into, zigzag(point.step.wrapping_sub(step)));
        put(into, zigzag(point.timestamp.wrapping_sub(timestamp)));
        into.extend_from_slice(&to_bits(point.value.0).to_le_bytes());
        (step, timestamp) = (point.step, point.timestamp);
    }
}

/// Reads all blocks into `series`; none when they are not of this form, and then `series` holds what came before.
pub(super) fn unpack(mut from: &[u8], series: &mut Series) -> Option<()> {
    while !from.is_empty() {
        let (run_seq, attempt_no, count) = (take(&mut from)?.cast_signed(), take(&mut from)?.cast_signed(), take(&mut from)?);
        let mut names: Vec<&str> = Vec::new();
        let mut of_name: Vec<Vec<Row>> = Vec::new();
        let (mut step, mut timestamp) = (0_i64, 0_i64);
        for _ in 0..count {
            let index = match take(&mut from)? {
                0 => {
                    let length = usize::try_from(take(&mut from)?).ok()?;
                    names.push(std::str::from_utf8(from.split_off(..length)?).ok()?);
                    of_name.push(Vec::new());
                    names.len() - 1
                }
                index => usize::try_from(index - 1).ok()?,
            };
            step = step.wrapping_add(unzigzag(take(&mut from)?));
            timestamp = timestamp.wrapping_add(unzigzag(take(&mut from)?));
            let bits = i64::from_le_bytes(from.split_off(..8)?.try_into().ok()?);
            of_name.get_mut(index)?.push((step, timestamp, bits, attempt_no));
        }
        for (name, rows) in names.into_iter().zip(of_name) {
            series.entry((run_seq, name.to_owned())).or_default().extend(rows);
        }
    }
    Some(())
}

fn put(into: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        into.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    into.push(number as u8);
}

fn take(from: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = *from.split_off_first()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::run::Number;

    fn points() -> impl Strategy<Value = Vec<MetricPoint>> {
        let point = ("[a-c/é]{1,3}", any::<i64>(), any::<i64>(), any::<u64>());
        prop::collection::vec(point, 0..40).prop_map(|points| {
            let point = |(key, step, timestamp, bits)| MetricPoint { key, value: Number(f64::from_bits(bits)), timestamp, step };
            points.into_iter().map(point).collect()
        })
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked_to_the_bit(blocks in prop::collection::vec((0..9_i64, 0..3_i64, points()), 0..5)) {
            let (mut packed, mut expected) = (Vec::new(), Series::new());
            for (run_seq, attempt_no, points) in &blocks {
                pack(&mut packed, *run_seq, *attempt_no, points);
                for point in points {
                    let row = (point.step, point.timestamp, to_bits(point.value.0), *attempt_no);
                    expected.entry((*run_seq, point.key.clone())).or_default().push(row);
                }
            }
            let mut series = Series::new();
            prop_assert_eq!(unpack(&packed, &mut series), Some(()));
            prop_assert_eq!(series, expected);
        }

        #[test]
        fn what_was_not_packed_is_refused_or_read_but_never_trusted(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = unpack(&bytes, &mut Series::new());
        }
    }
}

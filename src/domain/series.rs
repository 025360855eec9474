//! What a chart shows of the points of one metric: the points themselves where they fit, else buckets that lose no extremum.
//!
//! Points are numbered in the order of step, timestamp and value bits. A bucket holds those whose numbers agree but for the last
//! `k` binary digits, and `k` is the smallest that makes few enough of them: the same point is in the same bucket whatever else a
//! window shows, and a closer look splits buckets in halves. So a bucket can be put together from smaller ones that were counted
//! before ([`Bucket::merge`]): the store keeps a bucket, coarse blocks and fine blocks of each [`CHUNK`] of points.

use super::run::Number;

/// Step, timestamp and value bits.
pub type Point = (i64, i64, i64);
/// Points of a chunk.
pub const CHUNK: u64 = 1 << WHOLE;
/// Digits that a chunk leaves out.
pub const WHOLE: u32 = 10;
/// Digits that a coarse block leaves out.
pub const COARSE: u32 = 6;
/// Digits that a fine block leaves out.
pub const FINE: u32 = 3;
/// Bytes of a stored block.
const BLOCK: usize = 72;

/// What is known about points that follow each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Step of the first point.
    pub first_step: i64,
    /// Step of the last point.
    pub last_step: i64,
    /// Earliest timestamp.
    pub from_time: i64,
    /// Latest timestamp.
    pub to_time: i64,
    /// Smallest number; NaN where there is none.
    pub min: Number,
    /// Largest number; NaN where there is none.
    pub max: Number,
    /// Value of the last point.
    pub last: Number,
    /// How many points.
    pub count: u64,
    /// How many of them are NaN.
    pub nan: u64,
}

impl Bucket {
    /// The bucket of one point.
    pub fn of((step, timestamp, bits): Point) -> Self {
        let value = Number(f64::from_bits(bits.cast_unsigned()));
        Self {
            first_step: step,
            last_step: step,
            from_time: timestamp,
            to_time: timestamp,
            min: value,
            max: value,
            last: value,
            count: 1,
            nan: u64::from(value.0.is_nan()),
        }
    }

    /// Adds the points of a bucket that follows.
    pub fn merge(&mut self, next: &Self) {
        self.last_step = next.last_step;
        self.from_time = self.from_time.min(next.from_time);
        self.to_time = self.to_time.max(next.to_time);
        self.min = pick(self.min, next.min, |a, b| a.total_cmp(&b).is_le());
        self.max = pick(self.max, next.max, |a, b| a.total_cmp(&b).is_ge());
        self.last = next.last;
        self.count += next.count;
        self.nan += next.nan;
    }

    /// Puts points that follow each other into buckets of `2^digits`; the first of them is the first of a bucket.
    pub fn blocks(points: &[Point], digits: u32) -> Vec<Self> {
        points.chunks(1 << digits).filter_map(Self::of_all).collect()
    }

    /// The bucket of points that follow each other; none of none.
    pub fn of_all(points: &[Point]) -> Option<Self> {
        points.iter().map(|point| Self::of(*point)).reduce(|mut all, next| {
            all.merge(&next);
            all
        })
    }

    /// Writes the stored form.
    pub fn pack(&self, into: &mut Vec<u8>) {
        let times = [self.first_step, self.last_step, self.from_time, self.to_time].map(i64::to_le_bytes);
        let values = [self.min, self.max, self.last].map(|value| value.0.to_bits().to_le_bytes());
        let counts = [self.count, self.nan].map(u64::to_le_bytes);
        for word in times.into_iter().chain(values).chain(counts) {
            into.extend_from_slice(&word);
        }
    }

    /// Reads stored blocks; none when the bytes are no such.
    pub fn unpack(bytes: &[u8]) -> Option<Vec<Self>> {
        let (blocks, []) = bytes.as_chunks::<BLOCK>() else { return None };
        blocks.iter().map(Self::read).collect()
    }

    fn read(block: &[u8; BLOCK]) -> Option<Self> {
        let (words, []) = block.as_chunks::<8>() else { return None };
        let word = |at: usize| words.get(at).map(|bytes| u64::from_le_bytes(*bytes));
        let value = |at: usize| word(at).map(|bits| Number(f64::from_bits(bits)));
        Some(Self {
            first_step: word(0)?.cast_signed(),
            last_step: word(1)?.cast_signed(),
            from_time: word(2)?.cast_signed(),
            to_time: word(3)?.cast_signed(),
            min: value(4)?,
            max: value(5)?,
            last: value(6)?,
            count: word(7)?,
            nan: word(8)?,
        })
    }
}

/// NaN gives way to a number; the first of two that are equal stays.
fn pick(a: Number, b: Number, first: impl Fn(f64, f64) -> bool) -> Number {
    if b.0.is_nan() || (!a.0.is_nan() && first(a.0, b.0)) { a } else { b }
}

/// Which points are asked for, ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Steps.
    pub steps: (i64, i64),
    /// Timestamps.
    pub times: (i64, i64),
}

impl Window {
    /// All points.
    pub const ALL: Self = Self { steps: (i64::MIN, i64::MAX), times: (i64::MIN, i64::MAX) };

    /// Tells whether it shows a point.
    pub fn shows(&self, (step, timestamp, _): Point) -> bool {
        within(self.steps, (step, step)) && within(self.times, (timestamp, timestamp))
    }

    /// Tells whether it shows all points of a bucket.
    pub fn covers(&self, bucket: &Bucket) -> bool {
        within(self.steps, (bucket.first_step, bucket.last_step)) && within(self.times, (bucket.from_time, bucket.to_time))
    }

    /// Tells whether it may show a point of a bucket.
    pub fn meets(&self, bucket: &Bucket) -> bool {
        overlap(self.steps, (bucket.first_step, bucket.last_step)) && overlap(self.times, (bucket.from_time, bucket.to_time))
    }
}

fn within((from, to): (i64, i64), (first, last): (i64, i64)) -> bool {
    from <= first && last <= to
}

fn overlap((from, to): (i64, i64), (first, last): (i64, i64)) -> bool {
    from <= last && first <= to
}

/// What is shown of a metric.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    /// Every point of the window.
    Points(Vec<Point>),
    /// More than were asked for.
    Buckets(Vec<Bucket>),
}

/// Numbers of the points of a window: ascending ranges, each without its end.
#[derive(Clone, Debug, Default)]
pub struct Numbers(Vec<(u64, u64)>);

impl Numbers {
    /// Adds numbers above all that are there.
    pub fn push(&mut self, from: u64, to: u64) {
        match self.0.last_mut() {
            Some((_, end)) if *end == from => *end = to,
            _ => self.0.push((from, to)),
        }
    }

    /// Counts the points.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|(from, to)| to - from).sum()
    }

    /// Returns the fewest digits to leave out so that at most `most` buckets remain.
    pub fn digits(&self, most: u64) -> u32 {
        (0..63).find(|digits| self.buckets(*digits) <= most).unwrap_or(63)
    }

    fn buckets(&self, digits: u32) -> u64 {
        let (mut buckets, mut next) = (0, 0);
        for (from, to) in &self.0 {
            let first = (from >> digits).max(next);
            next = ((to - 1) >> digits) + 1;
            buckets += next - first.min(next);
        }
        buckets
    }
}

/// Puts buckets together, each given with the number of its first point, in ascending order.
#[derive(Debug)]
pub struct Merger {
    digits: u32,
    last: Option<u64>,
    /// What came out.
    pub buckets: Vec<Bucket>,
}

impl Merger {
    /// Leaves out so many digits.
    pub fn new(digits: u32) -> Self {
        Self { digits, last: None, buckets: Vec::new() }
    }

    /// Adds a bucket that lies within one of those that come out.
    pub fn push(&mut self, number: u64, bucket: &Bucket) {
        let name = number >> self.digits;
        match self.buckets.last_mut() {
            Some(last) if self.last == Some(name) => last.merge(bucket),
            _ => self.buckets.push(*bucket),
        }
        self.last = Some(name);
    }
}

/// Reduces points that are all at hand; they must be in their order.
pub fn reduce(points: &[Point], window: &Window, most: u64) -> Shown {
    let mut numbers = Numbers::default();
    let shown = || (0..).zip(points).filter(|(_, point)| window.shows(**point));
    shown().for_each(|(number, _)| numbers.push(number, number + 1));
    if numbers.count() <= most {
        return Shown::Points(shown().map(|(_, point)| *point).collect());
    }
    let mut merger = Merger::new(numbers.digits(most));
    shown().for_each(|(number, point)| merger.push(number, &Bucket::of(*point)));
    Shown::Buckets(merger.buckets)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn points() -> impl Strategy<Value = Vec<Point>> {
        let value =
            prop_oneof![any::<f64>(), Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(-0.0), Just(0.0), -1.0..1.0];
        let point = (-20..200_i64, -9..99_i64, value).prop_map(|(step, time, value)| (step, time, value.to_bits().cast_signed()));
        prop::collection::vec(point, 0..300).prop_map(|mut points| {
            points.sort_unstable();
            points.dedup();
            points
        })
    }

    fn windows() -> impl Strategy<Value = Window> {
        let range = || prop_oneof![Just((i64::MIN, i64::MAX)), (-30..210_i64, -30..210_i64)];
        (range(), range()).prop_map(|(steps, times)| Window { steps, times })
    }

    proptest! {
        #[test]
        fn few_points_stay_as_they_are_and_of_many_no_extremum_is_lost(points in points(), window in windows(), most in 1..50_u64) {
            let seen: Vec<Point> = points.iter().copied().filter(|point| window.shows(*point)).collect();
            let buckets = match reduce(&points, &window, most) {
                Shown::Points(shown) => {
                    prop_assert_eq!(&shown, &seen);
                    prop_assert!(shown.len() as u64 <= most);
                    return Ok(());
                }
                Shown::Buckets(buckets) => buckets,
            };
            prop_assert!(buckets.len() as u64 <= most && seen.len() as u64 > most);
            let mut rest = seen.as_slice();
            for bucket in &buckets {
                let (mine, others) = rest.split_at(bucket.count as usize);
                rest = others;
                let values: Vec<f64> = mine.iter().map(|(_, _, bits)| f64::from_bits(bits.cast_unsigned())).collect();
                let numbers = || values.iter().copied().filter(|value| !value.is_nan());
                prop_assert_eq!((bucket.first_step, bucket.last_step), (mine[0].0, mine[mine.len() - 1].0));
                prop_assert_eq!(bucket.from_time, mine.iter().map(|point| point.1).min().unwrap());
                prop_assert_eq!(bucket.to_time, mine.iter().map(|point| point.1).max().unwrap());
                prop_assert_eq!(bucket.last, Number(values[values.len() - 1]));
                prop_assert_eq!(bucket.nan as usize, values.len() - numbers().count());
                match (numbers().min_by(f64::total_cmp), numbers().max_by(f64::total_cmp)) {
                    (Some(min), Some(max)) => prop_assert_eq!((bucket.min, bucket.max), (Number(min), Number(max))),
                    _ => prop_assert!(bucket.min.0.is_nan() && bucket.max.0.is_nan()),
                }
            }
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn a_bucket_is_the_same_from_blocks_as_from_points(points in points(), digits in 0..5_u32) {
            let mut from_points = Merger::new(FINE + digits);
            (0..).zip(&points).for_each(|(number, point)| from_points.push(number, &Bucket::of(*point)));
            let mut from_blocks = Merger::new(FINE + digits);
            let mut packed = Vec::new();
            Bucket::blocks(&points, FINE).iter().for_each(|block| block.pack(&mut packed));
            let blocks = Bucket::unpack(&packed).unwrap();
            (0..).zip(&blocks).for_each(|(number, block)| from_blocks.push(number << FINE, block));
            prop_assert_eq!(from_points.buckets, from_blocks.buckets);
        }

        #[test]
        fn bytes_that_are_no_blocks_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(Bucket::unpack(&bytes).is_some(), bytes.len() % BLOCK == 0);
        }
    }
}

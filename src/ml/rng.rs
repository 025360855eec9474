//! xoshiro256++ (Blackman and Vigna, "Scrambled Linear Pseudorandom Number Generators", 2021), seeded by SplitMix64.
//!
//! A generator is made anew for each purpose (initial weights, split, the order of epoch n), so a checkpoint needs no
//! generator state at all: seed, stream and epoch number say where every draw comes from.

/// What a stream of random numbers is for. The numbers are part of what a seed means; don't renumber.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stream {
    /// Initial weights.
    Init,
    /// Which rows are held out.
    Split,
    /// The order of rows in an epoch, counted from 0.
    Epoch(u64),
}

/// The generator.
#[derive(Debug, Clone)]
pub(crate) struct Rng([u64; 4]);

impl Rng {
    /// Starts the stream of a seed.
    pub(crate) fn new(seed: u64, stream: Stream) -> Self {
        let number = match stream {
            Stream::Init => 0,
            Stream::Split => 1,
            Stream::Epoch(epoch) => 2 + epoch,
        };
        let mut mixer = SplitMix(seed);
        let mut mixer = SplitMix(mixer.next() ^ SplitMix(number).next());
        Self(std::array::from_fn(|_| mixer.next()))
    }

    /// Draws 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let shifted = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= shifted;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// Draws a multiple of 2⁻²⁴ in `[0, 1)`.
    pub(crate) fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 * (1.0 / 16_777_216.0)
    }

    /// Draws an integer below `bound` without bias (Lemire, "Fast Random Integer Generation in an Interval", 2019).
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        let bound = u64::from(bound);
        loop {
            let product = (self.next() >> 32) * bound;
            if product & 0xffff_ffff >= (1 << 32) % bound {
                return (product >> 32) as u32;
            }
        }
    }

    /// Puts the values in a random order (Fisher and Yates).
    pub(crate) fn shuffle(&mut self, values: &mut [u32]) {
        for last in (1..values.len()).rev() {
            let other = self.below(last as u32 + 1);
            values.swap(last, other as usize);
        }
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014), which spreads a small seed over the whole state.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xoshiro_gives_the_published_sequence() {
        // First outputs for the state 1, 2, 3, 4, as the authors' C code prints them.
        let mut rng = Rng([1, 2, 3, 4]);
        let drawn: Vec<u64> = (0..4).map(|_| rng.next()).collect();
        assert_eq!(drawn, [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386]);
    }

    #[test]
    fn splitmix_gives_the_published_sequence() {
        let mut mixer = SplitMix(1_234_567);
        assert_eq!(mixer.next(), 6_457_827_717_110_365_317);
        assert_eq!(mixer.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn a_shuffle_is_a_permutation_and_streams_differ() {
        let shuffled = |stream| {
            let mut values: Vec<u32> = (0..1000).collect();
            Rng::new(7, stream).shuffle(&mut values);
            values
        };
        let (first, second) = (shuffled(Stream::Epoch(0)), shuffled(Stream::Epoch(1)));
        assert_ne!(first, second);
        let mut sorted = first.clone();
        sorted.sort_unstable();
        assert!(sorted.iter().copied().eq(0..1000));
    }

    #[test]
    fn bounded_draws_are_uniform() {
        let mut rng = Rng::new(1, Stream::Split);
        let mut counts = [0u32; 7];
        for _ in 0..70_000 {
            counts[rng.below(7) as usize] += 1;
        }
        // Chi-squared with 6 degrees of freedom: 22.46 is the 0.1 % point.
        let chi: f64 = counts.iter().map(|&c| (f64::from(c) - 1e4).powi(2) / 1e4).sum();
        assert!(chi < 22.46, "{counts:?}");
    }
}

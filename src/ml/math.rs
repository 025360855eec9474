//! `exp`, `tanh`, the logistic function and `ln` from exactly rounded operations only.
//!
//! The system's versions differ between C libraries and do not vectorise. These are the polynomials of the Cephes library
//! (Moshier, 1989) in f32, and the textbook series for `ln` in f64; the tests give the errors.
#![expect(clippy::excessive_precision, reason = "published constants, digit for digit")]

/// Computes `exp(x)` with a relative error below 2e-7; beyond ±87 it stays at the value there. NaN stays NaN.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    // Adding 1.5 · 2²³ rounds to an integer and leaves it in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_375;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 87.0);
    let shifted = x * LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN2_HIGH - n * LN2_LOW;
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_2e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_6e-1;
    p = p * r + 5.0e-1;
    let y = p * r * r + r + 1.0;
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127);
    y * f32::from_bits(exponent << 23)
}

/// Computes `1 / (1 + exp(-x))`.
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Computes the hyperbolic tangent with a relative error below 4e-7.
#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    let s = x * x;
    let mut p = -5.704_988_6e-3;
    p = p * s + 2.063_908_9e-2;
    p = p * s - 5.373_971_4e-2;
    p = p * s + 1.333_144_2e-1;
    p = p * s - 3.333_328e-1;
    let near = p * s * x + x;
    let far = (1.0 - 2.0 / (exp(2.0 * x.abs()) + 1.0)).copysign(x);
    if x.abs() < 0.625 { near } else { far }
}

/// Computes the natural logarithm of a positive normal number to about 2 ulp: `ln m + e ln 2` with
/// `ln m = 2 artanh((m - 1) / (m + 1))`, `m` in `[√½, √2)`. NaN stays NaN, so that a fit that diverges is noticed.
pub(crate) fn ln(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    debug_assert!(x >= f64::MIN_POSITIVE, "ln of {x}");
    const SQRT_HALF_BITS: u64 = 0x3fe6_a09e_667f_3bcd;
    let bits = x.to_bits().wrapping_sub(SQRT_HALF_BITS);
    let e = (bits as i64 >> 52) as f64;
    let m = f64::from_bits((bits & ((1 << 52) - 1)).wrapping_add(SQRT_HALF_BITS));
    let s = (m - 1.0) / (m + 1.0);
    let square = s * s;
    let mut series = 0.0;
    for k in (0..=10).rev() {
        series = series * square + 1.0 / f64::from(2 * k + 1);
    }
    2.0 * s * series + e * std::f64::consts::LN_2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(from: f32, to: f32) -> impl Iterator<Item = f32> {
        (0..=200_000).map(move |i| from + (to - from) * (i as f32 / 200_000.0))
    }

    #[test]
    fn exp_is_within_two_in_ten_million() {
        for x in grid(-87.0, 87.0) {
            let want = f64::from(x).exp();
            assert!((f64::from(exp(x)) / want - 1.0).abs() < 2e-7, "{x}");
        }
        assert!(exp(f32::NAN).is_nan());
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(-1e30) < 2e-38 && exp(f32::INFINITY) > 6e37);
    }

    #[test]
    fn tanh_and_sigmoid_are_close() {
        for x in grid(-20.0, 20.0) {
            let want = f64::from(x).tanh();
            assert!((f64::from(tanh(x)) - want).abs() <= 4e-7 * want.abs(), "{x}");
            let want = 1.0 / (1.0 + (-f64::from(x)).exp());
            assert!((f64::from(sigmoid(x)) - want).abs() <= 3e-7 * want, "{x}");
        }
        assert!(tanh(f32::NAN).is_nan() && sigmoid(f32::NAN).is_nan());
        assert_eq!((tanh(50.0), tanh(-50.0), tanh(0.0)), (1.0, -1.0, 0.0));
    }

    #[test]
    fn ln_is_within_two_ulp() {
        for i in 1..400_000 {
            for x in [f64::from(i) / 200_000.0, f64::from(i) * 1e9, 1e-30 * f64::from(i)] {
                let want = x.ln();
                assert!((ln(x) - want).abs() <= 5e-16 * want.abs().max(0.5), "{x}");
            }
        }
        assert!(ln(f64::NAN).is_nan());
    }
}

//! From a JSON number's digits to the nearest value of a type, rounded once.
//!
//! The reader collects up to 19 significant digits as an integer while it checks the grammar. Where that integer and
//! the power of ten are both exact in double precision, one multiplication or division rounds correctly (W. Clinger,
//! "How to read floating point numbers accurately", PLDI 1990); everything else goes through the standard library.

/// A number as written: digits, or one of Python's tokens for what JSON lacks.
#[derive(Clone, Copy, Debug)]
pub enum Number<'a> {
    /// An ordinary JSON number.
    Decimal(Decimal<'a>),
    /// `NaN`.
    Nan,
    /// `Infinity` or `-Infinity`.
    Infinity {
        /// Whether a minus sign stands before it.
        negative: bool,
    },
}

/// A JSON number, taken apart.
#[derive(Clone, Copy, Debug)]
pub struct Decimal<'a> {
    /// The number as it stands in the document.
    pub text: &'a str,
    pub(super) negative: bool,
    /// Neither fraction nor exponent.
    pub(super) integer: bool,
    /// All digits as one integer; meaningful only if `exact`.
    pub(super) mantissa: u64,
    /// At most 19 significant digits, so that `mantissa` did not overflow.
    pub(super) exact: bool,
    /// The value is `mantissa * 10^exponent`.
    pub(super) exponent: i32,
}

/// The powers of ten that double precision holds exactly.
const POWERS: [f64; 23] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22];

impl Decimal<'_> {
    /// Returns the value if it is written as an integer and fits.
    pub fn to_i64(&self) -> Option<i64> {
        if !self.integer || !self.exact {
            return None;
        }
        if self.negative { 0i64.checked_sub_unsigned(self.mantissa) } else { i64::try_from(self.mantissa).ok() }
    }

    /// Tells whether the number is written without fraction and exponent.
    pub fn is_integer(&self) -> bool {
        self.integer
    }

    /// Returns the nearest double, ties to even; infinite if the number is too large.
    pub fn to_f64(&self) -> f64 {
        self.quick().unwrap_or_else(|| self.text.parse().unwrap_or(f64::NAN))
    }

    /// Returns the nearest single, ties to even and rounded once; infinite if the number is too large.
    ///
    /// Rounding the nearest double again is right unless that double lies half-way between two singles: half-way
    /// points are doubles themselves, so rounding to double never moves a number across one.
    pub fn to_f32(&self) -> f32 {
        const HALF_WAY: u64 = 1 << 28;
        const BELOW_SINGLE: u64 = (1 << 29) - 1;
        if let Some(double) = self.quick() {
            let size = double.abs();
            let normal = (f64::from(f32::MIN_POSITIVE)..=f64::from(f32::MAX)).contains(&size);
            if (normal && double.to_bits() & BELOW_SINGLE != HALF_WAY) || size == 0.0 {
                return double as f32;
            }
        }
        self.text.parse().unwrap_or(f32::NAN)
    }

    fn quick(&self) -> Option<f64> {
        if !self.exact || self.mantissa > 1 << 53 {
            return None;
        }
        let power = POWERS.get(usize::try_from(self.exponent.unsigned_abs()).ok()?)?;
        let digits = self.mantissa as f64;
        let size = if self.exponent < 0 { digits / power } else { digits * power };
        Some(if self.negative { -size } else { size })
    }
}

//! Runs a loop with the vector instructions that the processor has. The only unsafe code of the numerics.
//!
//! A kernel is plain Rust that the compiler vectorises; it is compiled twice, for the baseline and for AVX2, and chosen at
//! run time. Both do the same operations in the same order (Rust never contracts `a * b + c`), so both give the same bits.

/// A computation to be vectorised. `run` must be `#[inline(always)]`, or it keeps the baseline's instructions.
pub(crate) trait Kernel {
    /// Does the work.
    fn run(self);
}

/// Runs a kernel in its best variant.
#[inline]
pub(crate) fn run<K: Kernel>(kernel: K) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, the one feature that `run_avx2` asks for.
        #[expect(unsafe_code, reason = "calling a function compiled for a detected processor feature")]
        return unsafe { run_avx2(kernel) };
    }
    kernel.run();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn run_avx2<K: Kernel>(kernel: K) {
    kernel.run();
}

//! Against SciPy: tests/reference/stats_reference.py writes what is read here.

use std::path::Path;

use serde::Deserialize;

use crate::stats::contingency::{CountTest, fisher, homogeneity, two_proportions};
use crate::stats::distance::{Binned, jensen_shannon, l_infinity, psi, wasserstein_binned, wasserstein_samples};
use crate::stats::kolmogorov::{ks_binned, ks_samples, one_sample_sf};
use crate::stats::multiple::benjamini_hochberg;
use crate::stats::profile::NumericProfile;
use crate::stats::special::{chi2_sf, ln_gamma, normal_two_sided};

#[derive(Deserialize)]
struct Reference {
    special: Special,
    raw: Vec<Raw>,
    kolmogorov: Vec<(f64, f64, f64)>,
    counts: Vec<Counts>,
    merged_counts: Vec<Merged>,
    proportions: Vec<(u64, u64, u64, u64, f64, f64)>,
    fisher: Vec<(u64, u64, u64, u64, f64)>,
    benjamini_hochberg: Vec<Adjusted>,
    binned: Vec<BinnedPair>,
    profiles: Vec<Profile>,
}

#[derive(Deserialize)]
struct Profile {
    name: String,
    values: Vec<f64>,
    mean: f64,
    std: f64,
    edges: Vec<f64>,
    counts: Vec<u64>,
}

#[derive(Deserialize)]
struct Special {
    ln_gamma: Vec<(f64, f64)>,
    chi2_sf: Vec<(f64, f64, f64)>,
    normal_two_sided: Vec<(f64, f64)>,
}

#[derive(Deserialize)]
struct Raw {
    name: String,
    a: Vec<f64>,
    b: Vec<f64>,
    ks: f64,
    ks_p: f64,
    wasserstein: f64,
}

#[derive(Deserialize)]
struct Counts {
    name: String,
    a: Vec<u64>,
    b: Vec<u64>,
    chi2: f64,
    chi2_p: f64,
    jensen_shannon: f64,
    l_infinity: f64,
    psi: f64,
    psi_p: f64,
}

#[derive(Deserialize)]
struct Merged {
    name: String,
    a: Vec<u64>,
    b: Vec<u64>,
    chi2: f64,
    chi2_p: f64,
}

#[derive(Deserialize)]
struct Adjusted {
    p: Vec<f64>,
    adjusted: Vec<f64>,
}

#[derive(Deserialize)]
struct BinnedPair {
    name: String,
    a: Vec<u64>,
    b: Vec<u64>,
    ks: f64,
    ks_p: f64,
    wasserstein: f64,
}

fn reference() -> Reference {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/stats_reference.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[track_caller]
fn close(found: f64, want: f64, relative: f64, what: &str) {
    let off = (found - want).abs();
    assert!(off <= relative * want.abs() || off <= 1e-14, "{what}: {found:e} is not {want:e}, off by {:e}", off / want.abs());
}

#[test]
fn special_functions_are_scipys() {
    let Special { ln_gamma: gamma, chi2_sf: chi2, normal_two_sided: normal } = reference().special;
    for (x, want) in gamma {
        close(ln_gamma(x), want, 1e-13, &format!("ln Γ({x})"));
    }
    for (x, df, want) in chi2 {
        close(chi2_sf(x, df), want, 1e-11, &format!("chi2 tail at {x}, {df} degrees of freedom"));
    }
    for (z, want) in normal {
        close(normal_two_sided(z), want, 1e-11, &format!("normal tails at {z}"));
    }
}

#[test]
fn small_samples_have_scipys_exact_kolmogorov_smirnov_p_and_wasserstein_distance() {
    for Raw { name, a, b, ks, ks_p, wasserstein } in reference().raw {
        let found = ks_samples(&a, &b).unwrap();
        close(found.statistic, ks, 1e-14, &format!("{name}: D"));
        close(found.p_value, ks_p, 1e-11, &format!("{name}: p of D"));
        close(wasserstein_samples(&a, &b).unwrap(), wasserstein, 1e-12, &format!("{name}: Wasserstein"));
        assert_eq!(ks_samples(&b, &a), Some(found), "{name}: either order");
    }
    assert_eq!(ks_samples(&[], &[1.0]), None);
    assert_eq!(wasserstein_samples(&[1.0], &[]), None);
}

#[test]
fn large_samples_have_scipys_finite_n_law() {
    for (n, d, want) in reference().kolmogorov {
        let found = one_sample_sf(n, d);
        assert!((found - want).abs() <= 2e-5, "n = {n}, d = {d}: {found:e} is not {want:e}");
        if want > 1e-12 && want < 1e-3 {
            close(found, want, 5e-3, &format!("n = {n}, d = {d} in the tail"));
        }
    }
    for BinnedPair { name, a, b, ks, ks_p, .. } in reference().binned {
        let found = ks_binned(&a, &b).unwrap();
        close(found.statistic, ks, 1e-14, &format!("{name}: D"));
        assert!((found.p_value - ks_p).abs() <= 2e-5, "{name}: {:e} is not {ks_p:e}", found.p_value);
        if ks_p > 1e-12 && ks_p < 1e-3 {
            close(found.p_value, ks_p, 1e-3, &format!("{name}: p in the tail"));
        }
    }
}

#[test]
fn histograms_of_single_values_have_scipys_wasserstein_distance() {
    for BinnedPair { name, a, b, wasserstein, .. } in reference().binned {
        let edges: Vec<f64> = (0..a.len() - 1).map(|at| at as f64 + 0.5).collect();
        let sums = |counts: &[u64]| counts.iter().zip(0u64..).map(|(count, at)| (count * at) as f64).collect::<Vec<_>>();
        let (sums_a, sums_b) = (sums(&a), sums(&b));
        let range = (0.0, (a.len() - 1) as f64);
        let side = |counts, sums| Binned { counts, sums, range };
        let found = wasserstein_binned(&edges, side(&a, &sums_a), side(&b, &sums_b)).unwrap();
        close(found.distance, wasserstein, 1e-12, &name);
    }
}

#[test]
fn a_histogram_stays_within_its_bound_of_the_raw_samples() {
    for Raw { name, a, b, ks, ks_p, wasserstein } in reference().raw {
        let profile = NumericProfile::from_values(&a);
        let mut counts = vec![0; profile.counts.len()];
        let mut sums = vec![0.0; counts.len()];
        for value in &b {
            let bin = profile.edges.partition_point(|edge| edge < value);
            counts[bin] += 1;
            sums[bin] += value;
        }
        let range = b.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(*v), high.max(*v)));
        let reference = Binned { counts: &profile.counts, sums: &profile.sums, range: (profile.min, profile.max) };
        let found = wasserstein_binned(&profile.edges, reference, Binned { counts: &counts, sums: &sums, range }).unwrap();
        let off = (found.distance - wasserstein).abs();
        assert!(off <= found.bound + 1e-12, "{name}: off by {off}, bound {}", found.bound);
        let binned = ks_binned(&profile.counts, &counts).unwrap();
        assert!(binned.statistic <= ks + 1e-12 && binned.p_value >= ks_p - 1e-12, "{name}: {binned:?} errs to the careless side");
    }
}

#[test]
fn counts_are_compared_as_scipy_does() {
    for Counts { name, a, b, chi2, chi2_p, jensen_shannon: js, l_infinity: largest, psi: index, psi_p } in reference().counts {
        let found = homogeneity(&a, &b).unwrap();
        assert_eq!(found.test, CountTest::Chi2, "{name}");
        close(found.statistic.unwrap(), chi2, 1e-11, &format!("{name}: chi-square"));
        close(found.p_value, chi2_p, 1e-9, &format!("{name}: p of chi-square"));
        // A divergence of rounding errors has a root of 1e-8.
        assert!((jensen_shannon(&a, &b).unwrap() - js).abs() <= 1e-9, "{name}: Jensen-Shannon");
        close(l_infinity(&a, &b).unwrap(), largest, 1e-12, &format!("{name}: largest difference"));
        let found = psi(&a, &b).unwrap();
        assert!((found.value - index).abs() <= 1e-12, "{name}: PSI {} is not {index}", found.value);
        close(found.p_value, psi_p, 1e-8, &format!("{name}: p of PSI"));
    }
}

#[test]
fn rare_cells_are_merged_before_the_chi_square_test() {
    for Merged { name, a, b, chi2, chi2_p } in reference().merged_counts {
        let found = homogeneity(&a, &b).unwrap();
        assert_eq!(found.test, CountTest::Chi2, "{name}");
        close(found.statistic.unwrap(), chi2, 1e-11, &name);
        close(found.p_value, chi2_p, 1e-10, &name);
    }
    // Two cells remain and one is rare: Fisher's test of [[98, 2], [9, 1]].
    let small = homogeneity(&[98, 2], &[9, 1]).unwrap();
    assert_eq!(small, fisher(98, 2, 9, 1));
    assert_eq!(homogeneity(&[5, 0], &[7, 0]), None);
    assert_eq!(homogeneity(&[0, 0], &[7, 1]), None);
}

#[test]
fn proportions_are_compared_by_the_pooled_z_test() {
    for (hits_a, n, hits_b, m, z, p) in reference().proportions {
        let found = two_proportions(hits_a, n, hits_b, m).unwrap();
        assert_eq!(found.test, CountTest::Z);
        close(found.statistic.unwrap(), z, 1e-11, "z");
        close(found.p_value, p, 1e-9, "p of z");
    }
    assert_eq!(two_proportions(0, 1000, 2, 100).unwrap().test, CountTest::Fisher);
    assert_eq!(two_proportions(0, 10, 0, 10), None);
    assert_eq!(two_proportions(10, 10, 10, 10), None);
    assert_eq!(two_proportions(0, 0, 1, 10), None);
}

#[test]
fn small_tables_have_fishers_exact_p() {
    for (a, b, c, d, p) in reference().fisher {
        close(fisher(a, b, c, d).p_value, p, 1e-9, &format!("[[{a}, {b}], [{c}, {d}]]"));
    }
    assert_eq!(fisher(8, 2, 1, 5).statistic, Some(20.0));
    assert_eq!(fisher(0, 10, 2, 0).statistic, Some(0.0));
    assert_eq!(fisher(10, 0, 0, 10).statistic, None);
}

#[test]
fn p_values_are_adjusted_as_benjamini_and_hochberg_say() {
    for Adjusted { p, adjusted } in reference().benjamini_hochberg {
        let found = benjamini_hochberg(&p);
        assert_eq!(found.len(), adjusted.len());
        for (found, want) in found.into_iter().zip(adjusted) {
            close(found, want, 1e-14, "an adjusted p");
        }
    }
    assert_eq!(benjamini_hochberg(&[]), Vec::<f64>::new());
}

#[test]
fn profiles_have_numpys_quantiles_and_moments() {
    for Profile { name, values, mean, std, edges, counts } in reference().profiles {
        let found = NumericProfile::from_values(&values);
        assert_eq!((&found.edges, &found.counts), (&edges, &counts), "{name}");
        close(found.mean, mean, 1e-13, &format!("{name}: mean"));
        close(found.std, std, 1e-13, &format!("{name}: deviation"));
        let shuffled: Vec<f64> = values.iter().rev().copied().collect();
        assert_eq!(NumericProfile::from_values(&shuffled), found, "{name}: another order");
    }
}

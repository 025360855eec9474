//! Evaluation on held-out rows, in f64, by the definitions (and for the edge cases) of scikit-learn.

use ndarray::{Array2, ArrayView2, Axis};

/// Probabilities are kept this far from 0 and 1 in the log loss, as scikit-learn does with f32 probabilities.
const CLIP: f64 = f32::EPSILON as f64;

/// Figures for two classes. The positive one counts for precision, recall and F1; a quotient by zero is 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Binary {
    /// Mean cross-entropy in nats.
    pub loss: f64,
    /// The share of right answers, positive above a score of ½.
    pub accuracy: f64,
    /// The share of positives among positive answers.
    pub precision: f64,
    /// The share of positive answers among positives.
    pub recall: f64,
    /// The harmonic mean of the two.
    pub f1: f64,
    /// The area under the ROC curve; undefined with one class.
    pub roc_auc: Option<f64>,
    /// Counts, `[truth][answer]`.
    pub confusion: [[u64; 2]; 2],
}

/// Figures for several classes. Precision, recall and F1 are means over the classes that occur in truth or answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Multiclass {
    /// Mean cross-entropy in nats.
    pub loss: f64,
    /// The share of rows whose class has the largest probability.
    pub accuracy: f64,
    /// Macro precision.
    pub precision: f64,
    /// Macro recall.
    pub recall: f64,
    /// Macro F1.
    pub f1: f64,
    /// The mean area of each class against the rest; undefined unless every class occurs.
    pub roc_auc: Option<f64>,
    /// Counts, `[truth, answer]`.
    pub confusion: Array2<u64>,
}

/// Figures for a number.
#[derive(Debug, Clone, PartialEq)]
pub struct Regression {
    /// The mean squared error.
    pub mse: f64,
    /// The mean absolute error.
    pub mae: f64,
    /// The root of the mean squared error.
    pub rmse: f64,
    /// 1 - residual / total squares; undefined for a single row. For a constant truth 1 if perfect, else 0.
    pub r2: Option<f64>,
}

/// Judges the probabilities of the positive class. Both slices have the same length, at least 1.
pub fn binary(truth: &[bool], scores: &[f64]) -> Binary {
    debug_assert_eq!(truth.len(), scores.len());
    let mut confusion = [[0; 2]; 2];
    let mut loss = 0.0;
    for (&truth, &score) in truth.iter().zip(scores) {
        confusion[usize::from(truth)][usize::from(score > 0.5)] += 1;
        let own = if truth { score } else { 1.0 - score };
        loss -= own.clamp(CLIP, 1.0 - CLIP).ln();
    }
    let [[tn, fp], [fn_, tp]] = confusion;
    let total = truth.len() as f64;
    Binary {
        loss: loss / total,
        accuracy: (tn + tp) as f64 / total,
        precision: ratio(tp, tp + fp),
        recall: ratio(tp, tp + fn_),
        f1: ratio(2 * tp, 2 * tp + fp + fn_),
        roc_auc: roc_auc(truth, scores),
        confusion,
    }
}

/// Judges the probabilities `[rows, classes]`. At least one row; `truth` holds class indices.
pub fn multiclass(truth: &[usize], probabilities: ArrayView2<'_, f64>) -> Multiclass {
    debug_assert_eq!(truth.len(), probabilities.nrows());
    let classes = probabilities.ncols();
    let mut confusion = Array2::<u64>::zeros((classes, classes));
    let mut loss = 0.0;
    for (row, &class) in probabilities.rows().into_iter().zip(truth) {
        let mut answer = 0;
        for (place, &p) in row.iter().enumerate() {
            if p > row[answer] {
                answer = place;
            }
        }
        confusion[[class, answer]] += 1;
        loss -= row[class].clamp(CLIP, 1.0 - CLIP).ln();
    }
    let (mut precision, mut recall, mut f1, mut occurring) = (0.0, 0.0, 0.0, 0u32);
    let (truths, answers) = (confusion.sum_axis(Axis(1)), confusion.sum_axis(Axis(0)));
    for class in 0..classes {
        let (hits, truths, answers) = (confusion[[class, class]], truths[class], answers[class]);
        occurring += u32::from(truths + answers > 0);
        precision += ratio(hits, answers);
        recall += ratio(hits, truths);
        f1 += ratio(2 * hits, truths + answers);
    }
    let areas = probabilities.columns().into_iter().enumerate().map(|(class, scores)| {
        let own: Vec<bool> = truth.iter().map(|&t| t == class).collect();
        roc_auc(&own, &scores.to_vec())
    });
    let areas: Option<Vec<f64>> = areas.collect();
    let occurring = f64::from(occurring);
    Multiclass {
        loss: loss / truth.len() as f64,
        accuracy: confusion.diag().sum() as f64 / truth.len() as f64,
        precision: precision / occurring,
        recall: recall / occurring,
        f1: f1 / occurring,
        roc_auc: areas.map(|areas| areas.iter().sum::<f64>() / classes as f64),
        confusion,
    }
}

/// Judges numbers. Both slices have the same length, at least 1.
pub fn regression(truth: &[f64], answers: &[f64]) -> Regression {
    debug_assert_eq!(truth.len(), answers.len());
    let total = truth.len() as f64;
    let mean = truth.iter().sum::<f64>() / total;
    let (mut squares, mut absolute, mut spread) = (0.0, 0.0, 0.0);
    for (&truth, &answer) in truth.iter().zip(answers) {
        squares += (truth - answer) * (truth - answer);
        absolute += (truth - answer).abs();
        spread += (truth - mean) * (truth - mean);
    }
    let r2 = match (spread > 0.0, squares > 0.0) {
        (true, _) => 1.0 - squares / spread,
        (false, true) => 0.0,
        (false, false) => 1.0,
    };
    Regression { mse: squares / total, mae: absolute / total, rmse: (squares / total).sqrt(), r2: (truth.len() > 1).then_some(r2) }
}

/// Computes the area under the ROC curve: the probability that a positive scores above a negative, ties counting half
/// (Hanley and McNeil, 1982). `None` if one of the classes is absent or a score is NaN.
pub fn roc_auc(truth: &[bool], scores: &[f64]) -> Option<f64> {
    let positives = truth.iter().filter(|&&t| t).count() as f64;
    let negatives = truth.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 || scores.iter().any(|score| score.is_nan()) {
        return None;
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_unstable_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let (mut below, mut won) = (0.0, 0.0);
    for tied in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let here = tied.iter().filter(|&&row| truth[row]).count() as f64;
        let other = tied.len() as f64 - here;
        won += here * (below + 0.5 * other);
        below += other;
    }
    Some(won / (positives * negatives))
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Reference {
        binary: Vec<BinaryCase>,
        multiclass: Vec<MulticlassCase>,
        regression: Vec<RegressionCase>,
    }

    #[derive(Deserialize)]
    struct BinaryCase {
        name: String,
        truth: Vec<u8>,
        scores: Vec<f64>,
        confusion: [[u64; 2]; 2],
        #[serde(flatten)]
        figures: Figures,
    }

    #[derive(Deserialize)]
    struct MulticlassCase {
        name: String,
        truth: Vec<usize>,
        probabilities: Vec<Vec<f64>>,
        confusion: Vec<Vec<u64>>,
        #[serde(flatten)]
        figures: Figures,
    }

    #[derive(Deserialize)]
    struct Figures {
        loss: f64,
        accuracy: f64,
        precision: f64,
        recall: f64,
        f1: f64,
        roc_auc: Option<f64>,
    }

    #[derive(Deserialize)]
    struct RegressionCase {
        name: String,
        truth: Vec<f64>,
        answers: Vec<f64>,
        mse: f64,
        mae: f64,
        rmse: f64,
        r2: f64,
    }

    /// What tests/reference/ml_metrics.py has from scikit-learn.
    fn reference() -> Reference {
        serde_json::from_str(include_str!("../../tests/reference/ml_metrics.json")).unwrap()
    }

    #[track_caller]
    fn same(name: &str, found: [f64; 5], area: Option<f64>, want: &Figures) {
        let wanted = [want.loss, want.accuracy, want.precision, want.recall, want.f1];
        for (figure, (found, want)) in ["loss", "accuracy", "precision", "recall", "f1"].iter().zip(found.into_iter().zip(wanted)) {
            // scikit-learn takes the logarithm of f32 probabilities
            let off = if *figure == "loss" { 2e-7 } else { 1e-12 };
            assert!((found - want).abs() <= off * want.abs().max(1.0), "{name}: {figure} is {found}, not {want}");
        }
        match (area, want.roc_auc) {
            (Some(found), Some(want)) => assert!((found - want).abs() <= 1e-12, "{name}: area is {found}, not {want}"),
            (found, want) => assert_eq!(found, want, "{name}: area"),
        }
    }

    #[test]
    fn figures_of_two_classes_are_scikit_learns() {
        for BinaryCase { name, truth, scores, confusion, figures } in reference().binary {
            let truth: Vec<bool> = truth.iter().map(|t| *t == 1).collect();
            let found = binary(&truth, &scores);
            same(&name, [found.loss, found.accuracy, found.precision, found.recall, found.f1], found.roc_auc, &figures);
            assert_eq!(found.confusion, confusion, "{name}");
        }
    }

    #[test]
    fn figures_of_several_classes_are_scikit_learns() {
        for MulticlassCase { name, truth, probabilities, confusion, figures } in reference().multiclass {
            let classes = probabilities[0].len();
            let flat: Vec<f64> = probabilities.concat();
            let matrix = Array2::from_shape_vec((truth.len(), classes), flat).unwrap();
            let found = multiclass(&truth, matrix.view());
            same(&name, [found.loss, found.accuracy, found.precision, found.recall, found.f1], found.roc_auc, &figures);
            let rows: Vec<Vec<u64>> = found.confusion.rows().into_iter().map(|row| row.to_vec()).collect();
            assert_eq!(rows, confusion, "{name}");
        }
    }

    #[test]
    fn figures_of_numbers_are_scikit_learns() {
        for case in reference().regression {
            let found = regression(&case.truth, &case.answers);
            let pairs = [(found.mse, case.mse), (found.mae, case.mae), (found.rmse, case.rmse), (found.r2.unwrap(), case.r2)];
            for (found, want) in pairs {
                assert!((found - want).abs() <= 1e-12 * want.abs().max(1.0), "{}: {found} is not {want}", case.name);
            }
        }
        assert_eq!(regression(&[1.0], &[2.0]).r2, None);
    }
}

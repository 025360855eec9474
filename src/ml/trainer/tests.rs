//! The fit loop: its gradients, and that nothing but configuration and data decides the result.

mod gradients;
mod resume;

use crate::ml::{Column, NamedColumn, Table};

/// Numbers in [-1, 1) that look random and are the same everywhere.
pub(super) fn number(row: usize, column: usize) -> f32 {
    let mixed = (row as u32).wrapping_mul(2_654_435_761) ^ (column as u32 + 1).wrapping_mul(0x9e37_79b1);
    let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0x2c1b_3c6d);
    ((mixed ^ (mixed >> 12)) >> 8) as f32 / 8_388_608.0 - 1.0
}

/// Columns `x0` to `x2` with gaps in `x1`, the text `colour`, and targets `side` (two classes), `class` (three) and `y`.
pub(super) fn table(rows: usize) -> Table {
    let named = |name: &str, column| NamedColumn { name: name.to_owned(), column };
    let numbers = |k: usize| (0..rows).map(|row| if k == 1 && row % 7 == 3 { f32::NAN } else { 3.0 * number(row, k) + 1.0 }).collect();
    let text = |row: usize| [Some("red"), Some("green"), None, Some("blue")][row % 4];
    let score = |row: usize| number(row, 0) - 0.5 * number(row, 2) + if row % 4 == 1 { 0.4 } else { 0.0 };
    let side = |row: usize| Some(if score(row) + 0.3 * number(row, 9) > 0.1 { "yes" } else { "no" });
    let class = |row: usize| Some(["a", "b", "c"][((score(row) + 1.5) as usize).min(2)]);
    let columns = vec![
        named("x0", Column::Numeric(numbers(0))),
        named("x1", Column::Numeric(numbers(1))),
        named("x2", Column::Numeric(numbers(2))),
        named("colour", Column::from_texts((0..rows).map(text))),
        named("side", Column::from_texts((0..rows).map(side))),
        named("class", Column::from_texts((0..rows).map(class))),
        named("y", Column::Numeric((0..rows).map(|row| 40.0 * score(row) + 100.0).collect())),
    ];
    Table::new(columns).unwrap()
}

//! Reads what logged models are ordered by, and the tokens of their pages.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{ModelAttribute, ModelOrder, ModelOrderField, OrderRequest};
use crate::domain::Invalid;
use crate::domain::search::parse::invalid;
use crate::domain::search::{Direction, MAX_ORDER, Mark};

/// Reads what models are ordered by, and completes it to a total order: latest first, then by id.
///
/// # Errors
/// `invalid_filter` with a sentence that names the column.
pub fn parse_model_order(columns: &[OrderRequest]) -> Result<Vec<ModelOrder>, Invalid> {
    if columns.len() > MAX_ORDER {
        return Err(invalid(format!("Invalid order_by: it has {} columns, at most {MAX_ORDER} are read", columns.len())));
    }
    let mut order = Vec::with_capacity(columns.len() + 2);
    for OrderRequest { field_name, ascending, dataset_name, dataset_digest } in columns {
        let unknown = |why: &str| invalid(format!("Invalid order by field name: {field_name}{why}"));
        let texts = [Some(field_name), dataset_name.as_ref(), dataset_digest.as_ref()];
        if texts.into_iter().flatten().any(|text| text.len() > 2000 || text.contains('\0')) {
            return Err(invalid("Invalid order by field name: it is too long or contains a NUL character"));
        }
        let field = match field_name.split_once('.') {
            None => ModelOrderField::Attribute(ModelAttribute::find(field_name).ok_or_else(|| unknown(""))?),
            Some(("metrics", key)) => ModelOrderField::Metric {
                key: key.strip_prefix('`').and_then(|key| key.strip_suffix('`')).unwrap_or(key).to_owned(),
                dataset_name: dataset_name.clone(),
                dataset_digest: dataset_digest.clone(),
            },
            Some(_) => return Err(unknown(". Only metrics are supported.")),
        };
        let direction = if *ascending { Direction::Ascending } else { Direction::Descending };
        order.push(ModelOrder { field, direction });
    }
    for (attribute, direction) in [(ModelAttribute::CreationTime, Direction::Descending), (ModelAttribute::ModelId, Direction::Ascending)] {
        let field = ModelOrderField::Attribute(attribute);
        if !order.iter().any(|known| known.field == field) {
            order.push(ModelOrder { field, direction });
        }
    }
    Ok(order)
}

/// Where a page ended, and of what: hashes of the experiments, the filter and the order that were asked for.
#[derive(Debug, Serialize, Deserialize)]
struct Position {
    of: [String; 3],
    at: Vec<Mark>,
}

/// What a page token belongs to: it continues that search and no other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelSearch([String; 3]);

impl ModelSearch {
    /// Takes down what was asked for.
    pub fn new(experiments: &[String], filter: &str, order: &[OrderRequest]) -> Self {
        let order: Vec<String> = order.iter().map(|column| format!("{column:?}")).collect();
        Self([hash(experiments), hash(&[filter.to_owned()]), hash(&order)])
    }

    /// Writes the token of the page after a position.
    pub fn token(&self, at: Vec<Mark>) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&Position { of: self.0.clone(), at }).unwrap_or_default())
    }

    /// Reads a token that was given out for this search in this order; none for an empty one.
    ///
    /// # Errors
    /// `invalid_filter` if it is not such a token.
    pub fn position(&self, order: &[ModelOrder], token: &str) -> Result<Option<Vec<Mark>>, Invalid> {
        const OTHERS: [&str; 3] = [
            "Experiment IDs in the page token do not match the requested experiment IDs.",
            "Filter string in the page token does not match the requested filter string.",
            "Order by in the page token does not match the requested order by.",
        ];
        if token.is_empty() {
            return Ok(None);
        }
        let bad = || invalid("Invalid page token: it is not one that this server gave out");
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| bad())?;
        let found: Position = serde_json::from_slice(&bytes).map_err(|_| bad())?;
        if let Some(i) = (0..OTHERS.len()).find(|i| found.of.get(*i) != self.0.get(*i)) {
            return Err(invalid(OTHERS.get(i).copied().unwrap_or_default()));
        }
        let fits = found.at.len() == order.len() && order.iter().zip(&found.at).all(|(column, mark)| fits(&column.field, mark));
        if fits { Ok(Some(found.at)) } else { Err(bad()) }
    }
}

fn fits(field: &ModelOrderField, mark: &Mark) -> bool {
    match (field, mark) {
        (ModelOrderField::Metric { .. }, mark) => !matches!(mark, Mark::Text(_)),
        (ModelOrderField::Attribute(attribute), Mark::Number(_)) => attribute.is_number(),
        (ModelOrderField::Attribute(attribute), Mark::Text(text)) => !attribute.is_number() && !text.contains('\0'),
        (ModelOrderField::Attribute(_), _) => false,
    }
}

fn hash(texts: &[String]) -> String {
    let mut hasher = Sha256::new();
    for text in texts {
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text);
    }
    hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

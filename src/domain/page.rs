//! Keyset pages: a page is asked for by the position after which it starts, so inserts never shift what follows.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Invalid;

/// Largest page that can be asked for.
pub const MAX_PAGE_SIZE: u32 = 1000;
/// Page size when none is asked for.
pub const DEFAULT_PAGE_SIZE: u32 = 100;

/// What a client asks for: a size, and a position given by an earlier page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// 1 to [`MAX_PAGE_SIZE`].
    pub size: u32,
    /// Sort key of the last item seen; none for the first page.
    pub after: Option<String>,
}

impl PageRequest {
    /// Checks the size and opens the token.
    pub fn parse(size: Option<u32>, token: Option<&str>) -> Result<Self, Invalid> {
        let size = size.unwrap_or(DEFAULT_PAGE_SIZE);
        if size == 0 || size > MAX_PAGE_SIZE {
            return Err(Invalid::new("invalid_page_size", format!("page_size must be 1 to {MAX_PAGE_SIZE}, not {size}")));
        }
        let bad = || Invalid::new("invalid_page_token", "page_token is not one that this server gave out");
        let after = match token {
            None | Some("") => None,
            Some(token) => {
                let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| bad())?;
                let text = String::from_utf8(bytes).map_err(|_| bad())?;
                if text.is_empty() || text.contains('\0') {
                    return Err(bad());
                }
                Some(text)
            }
        };
        Ok(Self { size, after })
    }

    /// Returns how many rows to read: one more than the page, to know whether another follows.
    pub fn limit(&self) -> i64 {
        i64::from(self.size) + 1
    }

    /// Reads the position as a number; `fallback` for the first page.
    pub fn after_number(&self, fallback: i64) -> Result<i64, Invalid> {
        match &self.after {
            None => Ok(fallback),
            Some(text) => text
                .parse()
                .map_err(|_| Invalid::new("invalid_page_token", "page_token is not one that this server gave out for this list")),
        }
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// Pass as `page_token` to get what follows; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_page_token: Option<String>,
}

impl<T> Page<T> {
    /// Cuts `rows`, read with [`PageRequest::limit`], to the page; `key` gives an item's sort key.
    pub fn cut(mut rows: Vec<T>, request: &PageRequest, key: impl Fn(&T) -> String) -> Self {
        let size = request.size as usize;
        if rows.len() <= size {
            return Self { items: rows, next_page_token: None };
        }
        rows.truncate(size);
        let next_page_token = rows.last().map(|last| URL_SAFE_NO_PAD.encode(key(last)));
        Self { items: rows, next_page_token }
    }

    /// Turns each item into another form.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(f).collect(), next_page_token: self.next_page_token }
    }
}

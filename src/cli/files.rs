//! Files of runs and versions.

use serde_json::Value;

use super::output::View;
use super::table::{Column, Kind};

/// A file.
pub(super) const ARTIFACT: View = View {
    plural: "files",
    name: "path",
    columns: &[
        Column::new("PATH", "/path", Kind::Text),
        Column::new("SIZE", "/size_bytes", Kind::Size),
        Column::new("TYPE", "/media_type", Kind::Text),
        Column::new("DIGEST", "/digest", Kind::Short),
    ],
    more: &[],
};

/// What the bytes of a file must hash to, if it is listed.
pub(super) fn digest_of<'a>(listed: &'a Value, path: &str) -> Option<&'a str> {
    listed["items"].as_array()?.iter().find(|item| item["path"] == path)?["digest"].as_str()
}

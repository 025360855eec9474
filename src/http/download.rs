//! Hands stored files out, whole or a range of them, as downloads that no browser takes for a page.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::range::{Wanted, wanted};
use crate::error::Result;
use crate::service::{App, StoredFile};

/// Answers with a file, or with the bytes of it that the request's headers ask for; `refuse` says that none of these is there. The
/// bytes of the whole are verified on the way: where they are damaged the transfer breaks off.
pub(super) async fn hand_out(app: &App, stored: &StoredFile, headers: &HeaderMap, refuse: fn(String) -> Response) -> Result<Response> {
    let file = &stored.file;
    let etag = format!("\"{}\"", file.digest);
    let size = u64::try_from(file.size_bytes).unwrap_or(0);
    let (status, part) = match wanted(headers, &etag, size) {
        Wanted::Whole => (StatusCode::OK, None),
        Wanted::Part(part) => (StatusCode::PARTIAL_CONTENT, Some(part)),
        Wanted::Nothing => {
            let mut response = refuse(format!("the file has {size} bytes, and none of those that were asked for"));
            content_range(&mut response, format!("bytes */{size}"));
            return Ok(response);
        }
    };
    let stream = app.artifacts().read(stored, part.clone()).await?;
    // the name is for people to save under; anything that a header can't hold is left out
    let name: String = file.path.rsplit('/').next().unwrap_or_default().chars().filter(|c| c.is_ascii_graphic() && *c != '"').collect();
    let about = [
        (header::CONTENT_TYPE, file.media_type.clone()),
        (header::CONTENT_LENGTH, stream.size().to_string()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::ETAG, etag),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
    ];
    let mut response = (status, about, Body::from_stream(stream)).into_response();
    if let Some(part) = part {
        content_range(&mut response, format!("bytes {}-{}/{size}", part.start, part.end - 1));
    }
    Ok(response)
}

fn content_range(response: &mut Response, text: String) {
    if let Ok(value) = HeaderValue::try_from(text) {
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
}

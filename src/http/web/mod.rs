//! The web app: files of `web/dist` that `build.rs` found, embedded with their compressed forms. The app decides by the address what
//! it shows, so any page that a browser asks for and no route answers is the app. It has no endpoints of its own.

use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::routes::Routes;
use crate::domain::identity::Permission;

/// The app loads what is its own and talks to this server; nothing is inline, nothing comes from elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; \
    manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
/// The page that loads everything else.
const INDEX: &str = "/index.html";
/// Files below this have their hash in their name.
const HASHED: &str = "/assets/";
/// Paths that belong to programs: an address that does not exist there is not a page.
const NOT_PAGES: [&str; 5] = ["/api/", "/ajax-api/", "/v1/", "/v2/", HASHED];

/// A file of the app.
struct File {
    path: &'static str,
    tag: &'static str,
    plain: &'static [u8],
    brotli: Option<&'static [u8]>,
    gzip: Option<&'static [u8]>,
}

const FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/web_files.rs"));

/// What stands in place of an app that was not built.
const UNBUILT: &[File] = &[
    File { path: INDEX, tag: "unbuilt", plain: include_bytes!("unbuilt.html"), brotli: None, gzip: None },
    File { path: "/unbuilt.css", tag: "unbuilt", plain: include_bytes!("unbuilt.css"), brotli: None, gzip: None },
];

static APP: LazyLock<&[File]> = LazyLock::new(|| if FILES.iter().any(|file| file.path == INDEX) { FILES } else { UNBUILT });

pub(super) fn routes(mut routes: Routes) -> Routes {
    routes = routes.add_dialect(Permission::Public, "GET", "/", get(|headers: HeaderMap| async move { page(&headers) }));
    for file in APP.iter().filter(|file| file.path != INDEX) {
        routes =
            routes.add_dialect(Permission::Public, "GET", file.path, get(move |headers: HeaderMap| async move { send(file, &headers) }));
    }
    routes
}

/// Tells whether a browser asks for a page.
pub(super) fn is_page(method: &Method, path: &str, headers: &HeaderMap) -> bool {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|accept| accept.contains("text/html"));
    reads && accepts && !NOT_PAGES.iter().any(|prefix| path.starts_with(prefix))
}

/// Answers with the app.
pub(super) fn page(headers: &HeaderMap) -> Response {
    APP.iter().find(|file| file.path == INDEX).map_or_else(|| StatusCode::NOT_FOUND.into_response(), |index| send(index, headers))
}

fn send(file: &File, asked: &HeaderMap) -> Response {
    let (encoding, bytes) = pick(file, asked);
    let tag = format!("\"{}-{}\"", file.tag, encoding.unwrap_or("plain"));
    let cache = if file.path.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let known = asked.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let mut response = if known.is_some_and(|known| known.split(',').any(|one| one.trim().trim_start_matches("W/") == tag)) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = bytes.into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type(file.path)));
        if let Some(encoding) = encoding {
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        response
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

/// Chooses the smallest form that the browser takes.
fn pick(file: &File, asked: &HeaderMap) -> (Option<&'static str>, &'static [u8]) {
    let accepted = asked.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let takes = |name: &str| {
        accepted.split(',').map(|one| one.split_once(';').unwrap_or((one, ""))).any(|(coding, weight)| {
            let weight = weight.trim().strip_prefix("q=").map_or(1.0, |q| q.trim().parse().unwrap_or(0.0));
            coding.trim() == name && weight > 0.0
        })
    };
    match (file.brotli, file.gzip) {
        (Some(bytes), _) if takes("br") => (Some("br"), bytes),
        (_, Some(bytes)) if takes("gzip") => (Some("gzip"), bytes),
        _ => (None, file.plain),
    }
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, end)| end) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "json" | "webmanifest" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: File = File { path: "/assets/a.js", tag: "7", plain: b"plain", brotli: Some(b"br"), gzip: Some(b"gz") };

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_form_is_one_that_the_browser_takes() {
        for (accepted, expected) in [
            ("gzip, deflate, br, zstd", b"br".as_slice()),
            ("gzip", b"gz"),
            ("br;q=0, gzip;q=0.5", b"gz"),
            ("identity", b"plain"),
            ("", b"plain"),
            ("gzip;q=0", b"plain"),
        ] {
            assert_eq!(pick(&FILE, &headers(&[(header::ACCEPT_ENCODING, accepted)])).1, expected, "{accepted}");
        }
    }

    #[test]
    fn what_has_its_hash_in_its_name_is_kept_and_what_is_known_is_not_sent_again() {
        let first = send(&FILE, &headers(&[(header::ACCEPT_ENCODING, "br")]));
        assert_eq!(first.headers()[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
        assert_eq!(first.headers()[header::CONTENT_ENCODING], "br");
        assert_eq!(first.headers()[header::ETAG], "\"7-br\"");
        let again = send(&FILE, &headers(&[(header::ACCEPT_ENCODING, "br"), (header::IF_NONE_MATCH, "\"1-br\", W/\"7-br\"")]));
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(send(&FILE, &headers(&[(header::IF_NONE_MATCH, "\"7-br\"")])).status(), StatusCode::OK, "another form");
        assert_eq!(page(&HeaderMap::new()).headers()[header::CACHE_CONTROL], "no-cache");
    }

    #[test]
    fn only_a_browser_on_its_way_to_a_page_gets_the_app() {
        let browser = headers(&[(header::ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8")]);
        assert!(is_page(&Method::GET, "/runs/abc", &browser));
        assert!(!is_page(&Method::POST, "/runs/abc", &browser));
        assert!(!is_page(&Method::GET, "/runs/abc", &headers(&[(header::ACCEPT, "*/*")])));
        for path in ["/api/v1/nothing", "/ajax-api/2.0/mlflow/nothing", "/v2/nothing", "/assets/gone.js"] {
            assert!(!is_page(&Method::GET, path, &browser), "{path}");
        }
    }
}

//! The cookie of a signed-in browser, and how to tell its own requests from those that another page makes with it.

use axum::http::{HeaderMap, HeaderValue, header};

/// Name of the cookie.
const NAME: &str = "slipway_session";

/// Returns what the cookie holds.
pub(super) fn secret_of(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(NAME)?.strip_prefix('='))
}

/// Makes the cookie; an empty secret takes it away. No script can read it, and no other site's page sends it.
pub(super) fn cookie(secret: &str, lasts_ms: i64, url: &str) -> Option<HeaderValue> {
    let secure = if url.starts_with("https://") { "; Secure" } else { "" };
    let seconds = lasts_ms / 1000;
    HeaderValue::from_str(&format!("{NAME}={secret}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")).ok()
}

/// Tells whether the page that sent a request is one of this server: its origin names the host that was asked, or the public URL.
pub(super) fn comes_from_us(headers: &HeaderMap, authority: Option<&str>, url: &str) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let Some(origin) = text(header::ORIGIN) else { return false };
    let Some((_, host)) = origin.split_once("://") else { return false };
    authority.or(text(header::HOST)).is_some_and(|asked| asked.eq_ignore_ascii_case(host)) || origin.eq_ignore_ascii_case(url)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let of = |text| secret_of(&headers(&[(header::COOKIE, text)])).map(str::to_owned);
        assert_eq!(of("a=1; slipway_session=x; b=2").as_deref(), Some("x"));
        assert_eq!(of("slipway_session_b=x; slipway=y"), None);
    }

    #[test]
    fn a_page_of_another_origin_is_told_from_ours() {
        let from = |origin, host| comes_from_us(&headers(&[(header::ORIGIN, origin), (header::HOST, host)]), None, "https://ml.example");
        assert!(from("http://localhost:7500", "localhost:7500"));
        assert!(from("https://ml.example", "10.0.0.1:7500"), "behind a proxy that names another host");
        assert!(!from("http://localhost:9000", "localhost:7500"), "another program on this machine");
        assert!(!from("https://evil.example", "ml.example"));
        assert!(!from("null", "ml.example"));
        assert!(!comes_from_us(&headers(&[(header::HOST, "ml.example")]), None, "https://ml.example"), "no browser");
    }

    #[test]
    fn the_cookie_is_for_this_server_alone() {
        let made = cookie("x", 60_000, "https://ml.example").unwrap();
        assert_eq!(made, "slipway_session=x; Path=/; Max-Age=60; HttpOnly; SameSite=Strict; Secure");
        assert_eq!(cookie("", 0, "http://localhost").unwrap(), "slipway_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict");
    }
}

//! Speaking to receivers, which anybody with the right to make a webhook chooses. A name is resolved here, and the connection goes
//! to the very addresses that were looked at; nothing is followed, no proxy is asked, and of an answer only the beginning is read.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use ring::hmac;
use url::{Host, Url};

use crate::config::WebhookTargets;
use crate::domain::time::Timestamp;
use crate::error::{Error, Result};

/// How long a receiver may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long the connection may take.
const CONNECTING: Duration = Duration::from_secs(5);
/// How much of an answer is read.
const MAX_ANSWER: usize = 4096;

/// What came of telling a receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// Status of its answer.
    pub status: Option<u16>,
    /// The beginning of its answer.
    pub body: String,
    /// Why there was none.
    pub error: Option<String>,
}

impl Answered {
    /// Tells whether the receiver has it.
    pub fn is_delivered(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }

    fn failed(error: impl Into<String>) -> Self {
        Self { error: Some(error.into()), ..Self::default() }
    }
}

/// Speaks to receivers.
#[derive(Debug)]
pub struct Sender {
    targets: WebhookTargets,
    http: std::sync::OnceLock<Option<reqwest::Client>>,
}

impl Sender {
    /// Makes one for these targets. It costs nothing until it is used.
    pub fn new(targets: WebhookTargets) -> Self {
        Self { targets, http: std::sync::OnceLock::new() }
    }

    fn http(&self) -> Option<&reqwest::Client> {
        let targets = self.targets;
        let make = || {
            let builder = reqwest::Client::builder().timeout(PATIENCE).connect_timeout(CONNECTING).no_proxy();
            let builder = builder.redirect(reqwest::redirect::Policy::none()).dns_resolver(std::sync::Arc::new(Resolver(targets)));
            builder.user_agent(concat!("slipway/", env!("CARGO_PKG_VERSION"))).build().ok()
        };
        self.http.get_or_init(make).as_ref()
    }

    /// Tells a receiver once.
    pub async fn send(&self, url: &str, secret: Option<&str>, delivery_id: &str, now: Timestamp, body: String) -> Answered {
        let url = match check(url, self.targets) {
            Ok(url) => url,
            Err(e) => return Answered::failed(e.message),
        };
        let Some(http) = self.http() else { return Answered::failed("no TLS is available") };
        let seconds = (now.0 / 1000).to_string();
        let mut request = http.post(url).header("content-type", "application/json");
        request = request.header("x-mlflow-delivery-id", delivery_id).header("x-mlflow-timestamp", &seconds);
        if let Some(secret) = secret {
            request = request.header("x-mlflow-signature", sign(secret, delivery_id, &seconds, &body));
        }
        match request.body(body).send().await {
            Ok(answer) => read(answer).await,
            Err(e) => Answered::failed(why(&e)),
        }
    }
}

/// Signs a message as MLflow does, so that its receivers' checks hold: version 1, HMAC-SHA256 of id, time and body.
fn sign(secret: &str, delivery_id: &str, timestamp: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = hmac::sign(&key, format!("{delivery_id}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(signature))
}

async fn read(mut answer: reqwest::Response) -> Answered {
    let status = answer.status().as_u16();
    let mut body = Vec::new();
    while body.len() < MAX_ANSWER {
        match answer.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            // the status says whether it was delivered, however the answer ends
            Ok(None) | Err(_) => break,
        }
    }
    body.truncate(MAX_ANSWER);
    Answered { status: Some(status), body: String::from_utf8_lossy(&body).replace('\0', "\u{fffd}"), error: None }
}

/// Says why in words that name no address: what lies behind a name is not for everybody to know.
fn why(error: &reqwest::Error) -> String {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(e) = cause {
        if e.downcast_ref::<Refused>().is_some() {
            return e.to_string();
        }
        cause = e.source();
    }
    let what = if error.is_timeout() {
        "the receiver did not answer in time"
    } else if error.is_connect() {
        "the receiver could not be reached"
    } else {
        "the request broke off"
    };
    what.to_owned()
}

/// Why a name was not asked.
#[derive(Debug, thiserror::Error)]
#[error("the address of the webhook is not public; see the setting webhook_targets")]
struct Refused;

/// Resolves names, and refuses those that lead into the own network.
struct Resolver(WebhookTargets);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let targets = self.0;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if !targets.is_any() && found.iter().any(|address| !is_public(address.ip())) {
                return Err(Refused.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Reads an address and refuses what needs no resolving to be refused.
pub(super) fn check(url: &str, targets: WebhookTargets) -> Result<Url> {
    let bad = |why: &str| Error::invalid("invalid_url", format!("Invalid webhook URL: {why}"));
    let url = Url::parse(url).map_err(|e| bad(&e.to_string()))?;
    if url.scheme() != "https" && !(targets.is_any() && url.scheme() == "http") {
        return Err(bad("the scheme must be https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("it contains credentials"));
    }
    let ip = match url.host() {
        None => return Err(bad("it has no host")),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            if !targets.is_any() && (name == "localhost" || name.ends_with(".localhost")) {
                return Err(bad("it must be a public address"));
            }
            None
        }
        Some(Host::Ipv4(ip)) => Some(IpAddr::V4(ip)),
        Some(Host::Ipv6(ip)) => Some(IpAddr::V6(ip)),
    };
    if !targets.is_any() && ip.is_some_and(|ip| !is_public(ip)) {
        return Err(bad("it must be a public address"));
    }
    Ok(url)
}

/// Tells whether an address is one of the public internet.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

/// Leaves out what IANA's registry of special addresses has.
fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_multicast() || ip.is_documentation() || a == 0;
    let shared = a == 100 && (64..128).contains(&b);
    let protocols = a == 192 && b == 0 && c == 0;
    let relays = a == 192 && b == 88 && c == 99;
    let benchmarks = a == 198 && (b == 18 || b == 19);
    !(special || shared || protocols || relays || benchmarks || a >= 240)
}

/// Global unicast alone, and of that no form that carries an address of version 4 which is not public.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let s = ip.segments();
    let embedded = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    if let Some(v4) = ip.to_ipv4_mapped() {
        return is_public_v4(v4);
    }
    if s.starts_with(&[0x64, 0xff9b, 0, 0, 0, 0]) {
        return is_public_v4(embedded(s[6], s[7]));
    }
    if s[0] == 0x2002 {
        return is_public_v4(embedded(s[1], s[2]));
    }
    let global = s[0] & 0xe000 == 0x2000;
    // 2001::/23 is for protocols, Teredo among them; 2001:db8::/32 and 3fff::/20 are for examples
    let special = (s[0] == 0x2001 && (s[1] < 0x200 || s[1] == 0xdb8)) || (s[0] == 0x3fff && s[1] < 0x1000);
    global && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_public() {
        for private in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.8.8.8",
            "169.254.169.254",
            "172.16.0.1",
            "192.0.0.8",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "192.0.2.1",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "fc00::1",
            "fd00::1",
            "fe80::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "::127.0.0.1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in ["1.1.1.1", "93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "64:ff9b::101:101", "2002:101:101::"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn every_spelling_of_a_private_address_is_refused() {
        for bad in [
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://0177.0.0.1/",
            "https://[::1]/",
            "https://localhost/",
            "https://LOCALHOST./",
            "https://a.localhost/",
            "https://[::ffff:169.254.169.254]/",
            "http://example.com/",
            "https://a:b@example.com/",
            "gopher://example.com/",
            "file:///etc/passwd",
            "https://①②⑦.0.0.1/",
        ] {
            assert!(check(bad, WebhookTargets::Public).is_err(), "{bad}");
        }
        assert!(check("https://example.com:8443/hook?x=1", WebhookTargets::Public).is_ok());
        assert!(check("http://127.0.0.1:1/", WebhookTargets::Any).is_ok());
        assert!(check("ftp://127.0.0.1:1/", WebhookTargets::Any).is_err());
    }

    #[test]
    fn the_signature_is_mlflows() {
        // made with Python: hmac.new(b"secret", b"id.1.{}", hashlib.sha256)
        assert_eq!(sign("secret", "id", "1", "{}"), "v1,490pAcC1LQ1k1cOcmH0da199+A88OKCj0Io4WnJlp68=");
    }
}

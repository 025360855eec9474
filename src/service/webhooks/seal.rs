//! Secrets at rest. With the setting `secret_key` they are sealed by ChaCha20-Poly1305 under a key made from it, bound to their
//! webhook; without, they are kept as they are. No answer ever shows one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};
use crate::service::App;
use crate::store::webhook::StoredWebhook;

const SEALED: &str = "sealed:";
const PLAIN: &str = "plain:";

fn key(setting: &str) -> Result<LessSafeKey> {
    let bytes = Sha256::new().chain_update(b"slipway webhook secrets").chain_update(setting).finalize();
    let key = UnboundKey::new(&CHACHA20_POLY1305, &bytes).map_err(|_| Error::internal("a key of 32 bytes was refused"))?;
    Ok(LessSafeKey::new(key))
}

fn bound(workspace: &str, webhook_id: &str) -> Aad<Vec<u8>> {
    Aad::from(format!("{workspace}/{webhook_id}").into_bytes())
}

/// Writes a secret as it is stored.
pub(super) fn seal(app: &App, workspace: &str, webhook_id: &str, secret: &str) -> Result<String> {
    let setting = &app.config().secret_key;
    if setting.is_empty() {
        return Ok(format!("{PLAIN}{secret}"));
    }
    let mut nonce = [0; NONCE_LEN];
    app.ids().secret(&mut nonce);
    let mut bytes = secret.as_bytes().to_vec();
    let sealed = key(setting)?.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), bound(workspace, webhook_id), &mut bytes);
    sealed.map_err(|_| Error::internal("a secret could not be sealed"))?;
    Ok(format!("{SEALED}{}", STANDARD.encode([nonce.as_slice(), &bytes].concat())))
}

/// Reads a stored secret; none where deliveries are not signed.
pub(super) fn open(app: &App, workspace: &str, found: &StoredWebhook) -> Result<Option<String>> {
    let Some(stored) = &found.secret else { return Ok(None) };
    if let Some(secret) = stored.strip_prefix(PLAIN) {
        return Ok(Some(secret.to_owned()));
    }
    let lost = || Error::conflict("secret_unreadable", "the secret was sealed under another secret_key; set the webhook's secret again");
    let sealed = stored.strip_prefix(SEALED).and_then(|text| STANDARD.decode(text).ok()).ok_or_else(lost)?;
    let (nonce, bytes) = sealed.split_first_chunk::<NONCE_LEN>().ok_or_else(lost)?;
    let mut bytes = bytes.to_vec();
    let aad = bound(workspace, &found.webhook.webhook_id);
    let opened = key(&app.config().secret_key)?.open_in_place(Nonce::assume_unique_for_key(*nonce), aad, &mut bytes).map_err(|_| lost())?;
    String::from_utf8(opened.to_vec()).map(Some).map_err(|_| lost())
}

//! Credential key pairs, and credentials that the relying party keeps.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hmac,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use keywright_ctap::StatusCode;
use keywright_webauthn::{CoseAlgorithm, CoseKey};
use p256::ecdsa::{SigningKey, signature::Signer as _};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    error::Result,
    secret::Secret,
    state::{HmacSecrets, ResidentCredential},
};

/// A credential private key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PrivateKey {
    alg: CoseAlgorithm,
    /// P-256: the scalar. Ed25519: the seed. 32 bytes each.
    secret: Secret,
}

/// The algorithms a key offers, its favourite first.
pub(crate) const ALGORITHMS: [CoseAlgorithm; 2] = [CoseAlgorithm::ES256, CoseAlgorithm::EDDSA];

impl PrivateKey {
    /// A fresh key pair of one of [`ALGORITHMS`].
    pub(crate) fn generate(alg: CoseAlgorithm) -> Result<(Self, CoseKey)> {
        loop {
            let key = Self {
                alg,
                secret: Secret::random(32)?,
            };
            // All but one in 2^32 candidates are below the group order.
            if let Ok(public) = key.public_key() {
                return Ok((key, public));
            }
        }
    }

    pub(crate) fn public_key(&self) -> Result<CoseKey, StatusCode> {
        if self.alg == CoseAlgorithm::EDDSA {
            CoseKey::okp(self.alg, self.ed25519()?.public_key().as_ref())
        } else {
            let point = self.p256()?.verifying_key().to_sec1_point(false);
            let (x, y) = point
                .as_bytes()
                .get(1..)
                .unwrap_or_default()
                .split_at_checked(32)
                .unwrap_or_default();
            CoseKey::ec2(self.alg, x, y)
        }
        .map_err(|_| StatusCode::Unspecified)
    }

    /// Signs in the form of WebAuthn Level 3 section 6.5.5.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, StatusCode> {
        if self.alg == CoseAlgorithm::EDDSA {
            Ok(self.ed25519()?.sign(message).as_ref().to_vec())
        } else {
            let signature: p256::ecdsa::Signature = self.p256()?.sign(message);
            Ok(signature.to_der().as_bytes().to_vec())
        }
    }

    fn p256(&self) -> Result<SigningKey, StatusCode> {
        SigningKey::from_slice(self.secret.expose()).map_err(|_| StatusCode::Unspecified)
    }

    fn ed25519(&self) -> Result<Ed25519KeyPair, StatusCode> {
        Ed25519KeyPair::from_seed_unchecked(self.secret.expose())
            .map_err(|_| StatusCode::Unspecified)
    }
}

/// What it takes to sign with a credential, wherever it is kept.
#[derive(Debug, Clone)]
pub(crate) struct Usable {
    pub(crate) id: Vec<u8>,
    pub(crate) private_key: PrivateKey,
    pub(crate) cred_protect: u8,
    pub(crate) hmac_secret: Option<HmacSecrets>,
    /// The account; only of a discoverable credential.
    pub(crate) user: Option<keywright_ctap::message::UserEntity>,
}

impl From<&ResidentCredential> for Usable {
    fn from(credential: &ResidentCredential) -> Self {
        Self {
            id: credential.id.0.clone(),
            private_key: credential.private_key.clone(),
            cred_protect: credential.cred_protect,
            hmac_secret: credential.hmac_secret.clone(),
            user: Some(credential.user()),
        }
    }
}

/// Puts a credential into its own id: `nonce || AES-256-GCM(alg, credProtect, hmac-secret, private
/// key)`, bound to the relying party.
pub(crate) fn wrap(
    wrapping_key: &Secret,
    rp_id_hash: &[u8; 32],
    private_key: &PrivateKey,
    cred_protect: u8,
    hmac_secret: bool,
) -> Result<Vec<u8>, StatusCode> {
    let mut nonce = [0; NONCE_LEN];
    getrandom::fill(&mut nonce).map_err(|_| StatusCode::Unspecified)?;
    let alg = ALGORITHMS
        .iter()
        .position(|known| *known == private_key.alg)
        .ok_or(StatusCode::Unspecified)?;
    let mut content = Zeroizing::new(vec![alg as u8, cred_protect, u8::from(hmac_secret)]);
    content.extend_from_slice(private_key.secret.expose());
    let tag = aead(wrapping_key)?
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(rp_id_hash),
            &mut content,
        )
        .map_err(|_| StatusCode::Unspecified)?;
    Ok([nonce.as_slice(), &content, tag.as_ref()].concat())
}

/// Takes a credential out of an id. `None` when it is not one of this key and this relying party.
pub(crate) fn unwrap(wrapping_key: &Secret, rp_id_hash: &[u8; 32], id: &[u8]) -> Option<Usable> {
    let (nonce, sealed) = id.split_first_chunk::<NONCE_LEN>()?;
    let mut content = Zeroizing::new(sealed.to_vec());
    let opened = aead(wrapping_key)
        .ok()?
        .open_in_place(
            Nonce::assume_unique_for_key(*nonce),
            Aad::from(rp_id_hash),
            &mut content,
        )
        .ok()?;
    let [alg, cred_protect, hmac_secret, secret @ ..] = opened else {
        return None;
    };
    let private_key = PrivateKey {
        alg: *ALGORITHMS.get(usize::from(*alg))?,
        secret: Secret::new(secret.to_vec()),
    };
    Some(Usable {
        id: id.to_vec(),
        private_key,
        cred_protect: *cred_protect,
        hmac_secret: (*hmac_secret != 0).then(|| derive_hmac_secrets(wrapping_key, id)),
        user: None,
    })
}

/// The `hmac-secret` secrets of a credential that the relying party keeps follow from its id.
fn derive_hmac_secrets(wrapping_key: &Secret, id: &[u8]) -> HmacSecrets {
    let derive =
        |label: &[u8]| Secret::new(hmac_sha256(wrapping_key.expose(), &[label, id].concat()));
    HmacSecrets {
        with_uv: derive(b"hmac-secret with UV"),
        without_uv: derive(b"hmac-secret without UV"),
    }
}

pub(crate) fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message)
        .as_ref()
        .to_vec()
}

fn aead(wrapping_key: &Secret) -> Result<LessSafeKey, StatusCode> {
    UnboundKey::new(&AES_256_GCM, wrapping_key.expose())
        .map(LessSafeKey::new)
        .map_err(|_| StatusCode::Unspecified)
}

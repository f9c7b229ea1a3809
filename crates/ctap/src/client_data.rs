//! What a credential or an assertion is made for, and is bound to.

use sha2::{Digest, Sha256};

/// Client data (WebAuthn L3 §5.8.1): its hash, which is all that a key gets to see, and the JSON itself where the caller has
/// it.
///
/// A key needs the hash only; libraries that hash by themselves (`webauthn.dll`, ctap-hid-fido2) need the JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientData {
    json: Option<Vec<u8>>,
    hash: [u8; 32],
}

impl ClientData {
    /// The JSON-compatible serialization of client data, byte by byte as the relying party will get it.
    pub fn new(json: impl Into<Vec<u8>>) -> Self {
        let json = json.into();
        Self {
            hash: Sha256::digest(&json).into(),
            json: Some(json),
        }
    }

    /// Its SHA-256.
    pub fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// The bytes that were hashed, unless only their hash is known.
    pub fn json(&self) -> Option<&[u8]> {
        self.json.as_deref()
    }
}

impl From<[u8; 32]> for ClientData {
    /// Client data of which only the SHA-256 is known.
    fn from(hash: [u8; 32]) -> Self {
        Self { json: None, hash }
    }
}

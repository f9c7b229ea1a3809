//! CTAP 2.2 §6.5.6 PIN/UV Auth Protocol One.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{
    PinUvError,
    aes256::{self, BLOCK},
};

/// The shared secret: one key for both encryption and authentication.
pub(super) struct Key(Zeroizing<[u8; 32]>);

impl Key {
    /// `kdf(Z)`: "Return SHA-256(Z)".
    pub(super) fn derive(z: &[u8]) -> Self {
        Self(Zeroizing::new(Sha256::digest(z).into()))
    }

    /// "Return the AES-256-CBC encryption of demPlaintext under key using an all-zero IV. No padding is performed".
    pub(super) fn encrypt(&self, plaintext: &[u8]) -> Result<Vec<u8>, PinUvError> {
        aes256::encrypt(&self.0, &[0; BLOCK], plaintext)
    }

    /// "If the size of demCiphertext is not a multiple of the AES block length, return error. Otherwise return the
    /// AES-256-CBC decryption of demCiphertext under key using an all-zero IV."
    pub(super) fn decrypt(&self, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, PinUvError> {
        aes256::decrypt(&self.0, &[0; BLOCK], ciphertext)
    }

    pub(super) fn authenticate(&self, message: &[u8]) -> Vec<u8> {
        authenticate(self.0.as_slice(), message)
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// "Return the first 16 bytes of the result of computing HMAC-SHA-256 with the given key and message."
pub(super) fn authenticate(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac_sha_256(key, message).into_iter().take(16).collect()
}

#[expect(
    clippy::expect_used,
    reason = "HMAC takes a key of any length (RFC 2104 §2)"
)]
pub(super) fn hmac_sha_256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.chain_update(message).finalize().into_bytes().into()
}

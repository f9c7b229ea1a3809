//! CTAP 2.2 §6.5.7 PIN/UV Auth Protocol Two.

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{
    PinUvError,
    aes256::{self, BLOCK},
    one::hmac_sha_256,
    random,
};

/// The shared secret: a key for authentication and one for encryption.
pub(super) struct Keys {
    hmac: Zeroizing<[u8; 32]>,
    aes: Zeroizing<[u8; 32]>,
}

impl Keys {
    /// `kdf(Z)`: "HKDF-SHA-256(salt = 32 zero bytes, IKM = Z, L = 32, info = "CTAP2 HMAC key") || HKDF-SHA-256(… info =
    /// "CTAP2 AES key")".
    pub(super) fn derive(z: &[u8]) -> Result<Self, PinUvError> {
        let hkdf = Hkdf::<Sha256>::new(Some(&[0; 32]), z);
        let expand = |info: &[u8]| {
            let mut key = Zeroizing::new([0; 32]);
            hkdf.expand(info, key.as_mut_slice())
                .map_err(|_| PinUvError::Length {
                    what: "a derived key",
                    length: key.len(),
                })?;
            Ok::<_, PinUvError>(key)
        };
        Ok(Self {
            hmac: expand(b"CTAP2 HMAC key")?,
            aes: expand(b"CTAP2 AES key")?,
        })
    }

    /// "Let iv be a 16-byte, random bytestring. Let ct be the AES-256-CBC encryption of demPlaintext using key and iv.
    /// (No padding …) Return iv || ct."
    pub(super) fn encrypt(&self, plaintext: &[u8]) -> Result<Vec<u8>, PinUvError> {
        let mut iv = [0; BLOCK];
        random(&mut iv)?;
        let mut ciphertext = iv.to_vec();
        ciphertext.extend(aes256::encrypt(&self.aes, &iv, plaintext)?);
        Ok(ciphertext)
    }

    /// "If demPlaintext is less than 16 bytes in length, return an error. Split demPlaintext after the 16th byte to
    /// produce two subspans, iv and ct. Return the AES-256-CBC decryption of ct using key and iv."
    pub(super) fn decrypt(&self, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, PinUvError> {
        let (iv, ciphertext) =
            ciphertext
                .split_first_chunk::<BLOCK>()
                .ok_or(PinUvError::Length {
                    what: "a ciphertext without a whole IV,",
                    length: ciphertext.len(),
                })?;
        aes256::decrypt(&self.aes, iv, ciphertext)
    }

    pub(super) fn authenticate(&self, message: &[u8]) -> Vec<u8> {
        authenticate(self.hmac.as_slice(), message)
    }
}

/// "Return the result of computing HMAC-SHA-256 on key and message." The key of a shared secret is its first 32 bytes;
/// a token is taken whole.
pub(super) fn authenticate(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac_sha_256(key, message).to_vec()
}

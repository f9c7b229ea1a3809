//! The P-256 keys behind attestation certificates.

use p256::{
    ecdsa::{Signature, SigningKey, signature::Signer as _},
    pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _},
};
use rcgen::{PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm};

use crate::{
    error::{Error, Result},
    secret::Secret,
};

/// A key that signs certificates and attestations.
///
/// Its randomness is the operating system's, as that of everything on the key is. rcgen's own keys would have aws-lc
/// gather entropy first, which takes a new process a tenth of a second, and seconds in an emulator.
pub(super) struct Signer {
    key: SigningKey,
    /// The uncompressed point.
    public: Vec<u8>,
}

impl Signer {
    pub(super) fn generate() -> Result<Self> {
        loop {
            // All but one in 2^32 candidates are below the group order.
            if let Ok(key) = SigningKey::from_slice(Secret::random(32)?.expose()) {
                return Ok(Self::new(key));
            }
        }
    }

    pub(super) fn from_pkcs8(der: &[u8]) -> Result<Self> {
        SigningKey::from_pkcs8_der(der)
            .map(Self::new)
            .map_err(|error| Error::Attestation(error.to_string()))
    }

    pub(super) fn to_pkcs8(&self) -> Result<Secret> {
        self.key
            .to_pkcs8_der()
            .map(|der| Secret::new(der.as_bytes().to_vec()))
            .map_err(|error| Error::Attestation(error.to_string()))
    }

    /// A signature in DER. RFC 6979: without any randomness.
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature: Signature = self.key.sign(message);
        signature.to_der().as_bytes().to_vec()
    }

    fn new(key: SigningKey) -> Self {
        let public = key.verifying_key().to_sec1_point(false).as_bytes().to_vec();
        Self { key, public }
    }
}

impl PublicKeyData for Signer {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for Signer {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(Self::sign(self, message))
    }
}

//! COSE algorithm identifiers.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A `COSEAlgorithmIdentifier` (WebAuthn Level 3 section 5.8.5): a number of the IANA COSE
/// algorithms registry.
///
/// Any number can be represented; [`is_supported`](Self::is_supported) tells which of them this
/// crate can verify.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CoseAlgorithm(pub i64);

impl CoseAlgorithm {
    /// ECDSA with SHA-256 (in WebAuthn: on P-256).
    pub const ES256: Self = Self(-7);
    /// EdDSA (in WebAuthn: Ed25519).
    pub const EDDSA: Self = Self(-8);
    /// ECDSA on P-256 with SHA-256, fully specified (RFC 9864).
    pub const ESP256: Self = Self(-9);
    /// Ed25519, fully specified (RFC 9864).
    pub const ED25519: Self = Self(-19);
    /// ECDSA with SHA-384 (in WebAuthn: on P-384).
    pub const ES384: Self = Self(-35);
    /// ECDSA with SHA-512 (in WebAuthn: on P-521).
    pub const ES512: Self = Self(-36);
    /// RSASSA-PSS with SHA-256.
    pub const PS256: Self = Self(-37);
    /// RSASSA-PSS with SHA-384.
    pub const PS384: Self = Self(-38);
    /// RSASSA-PSS with SHA-512.
    pub const PS512: Self = Self(-39);
    /// ECDSA on secp256k1 with SHA-256.
    pub const ES256K: Self = Self(-47);
    /// ML-DSA-44 (FIPS 204).
    pub const ML_DSA_44: Self = Self(-48);
    /// ML-DSA-65 (FIPS 204).
    pub const ML_DSA_65: Self = Self(-49);
    /// ML-DSA-87 (FIPS 204).
    pub const ML_DSA_87: Self = Self(-50);
    /// ECDSA on P-384 with SHA-384, fully specified (RFC 9864).
    pub const ESP384: Self = Self(-51);
    /// ECDSA on P-521 with SHA-512, fully specified (RFC 9864).
    pub const ESP512: Self = Self(-52);
    /// Ed448, fully specified (RFC 9864).
    pub const ED448: Self = Self(-53);
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    pub const RS256: Self = Self(-257);
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    pub const RS384: Self = Self(-258);
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    pub const RS512: Self = Self(-259);
    /// RSASSA-PKCS1-v1_5 with SHA-1, which old TPMs attest with.
    pub const RS1: Self = Self(-65535);

    /// Every algorithm whose signatures this crate verifies, preferred ones first.
    pub const SUPPORTED: &'static [Self] = &[
        Self::ES256,
        Self::EDDSA,
        Self::RS256,
        Self::ESP256,
        Self::ED25519,
        Self::ES384,
        Self::ESP384,
        Self::ES512,
        Self::ESP512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::RS384,
        Self::RS512,
        Self::ES256K,
    ];

    /// Whether this crate can verify signatures of this algorithm.
    #[must_use]
    pub fn is_supported(self) -> bool {
        Self::SUPPORTED.contains(&self)
    }

    /// The registered name, for example `ES256`.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::ES256 => "ES256",
            Self::EDDSA => "EdDSA",
            Self::ESP256 => "ESP256",
            Self::ED25519 => "Ed25519",
            Self::ES384 => "ES384",
            Self::ES512 => "ES512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256K => "ES256K",
            Self::ML_DSA_44 => "ML-DSA-44",
            Self::ML_DSA_65 => "ML-DSA-65",
            Self::ML_DSA_87 => "ML-DSA-87",
            Self::ESP384 => "ESP384",
            Self::ESP512 => "ESP512",
            Self::ED448 => "Ed448",
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::RS1 => "RS1",
            _ => return None,
        })
    }
}

impl fmt::Display for CoseAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "algorithm {}", self.0),
        }
    }
}

impl From<i64> for CoseAlgorithm {
    fn from(identifier: i64) -> Self {
        Self(identifier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_json() {
        assert_eq!(CoseAlgorithm::ES256.to_string(), "ES256 (-7)");
        assert_eq!(CoseAlgorithm(-99).to_string(), "algorithm -99");
        assert_eq!(
            serde_json::to_string(&CoseAlgorithm::RS256).unwrap(),
            "-257"
        );
        assert!(
            CoseAlgorithm::SUPPORTED
                .iter()
                .all(|algorithm| algorithm.name().is_some())
        );
    }
}

//! Signatures in the forms of WebAuthn Level 3 section 6.5.5, verified by aws-lc-rs.

use aws_lc_rs::signature::{
    self as lc, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};

use super::{CoseAlgorithm, CoseKeyParameters};

/// Why a signature is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// The signature is not one of this key over this message. A key that is no point of its curve
    /// ends here, too.
    #[error("the {0} signature is not valid")]
    Invalid(CoseAlgorithm),
    /// This crate does not verify this algorithm.
    #[error("{0} signatures are not supported")]
    Unsupported(CoseAlgorithm),
    /// The key is of another kind than the algorithm asks for.
    #[error("the key does not go with {0}")]
    KeyMismatch(CoseAlgorithm),
}

/// A public key in one of the forms in which verifiers meet one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum VerificationKey<'a> {
    /// The parameters of a COSE key.
    Cose(CoseKeyParameters<'a>),
    /// A certificate's `subjectPublicKeyInfo`, in DER.
    Spki(&'a [u8]),
}

pub(crate) fn verify(
    algorithm: CoseAlgorithm,
    key: &VerificationKey<'_>,
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    let verified = match key {
        VerificationKey::Spki(spki) => {
            UnparsedPublicKey::new(verification_algorithm(algorithm)?, spki)
                .verify(message, signature)
        }
        VerificationKey::Cose(CoseKeyParameters::Ec2 { x, y, .. }) => {
            let algorithm = verification_algorithm(algorithm)?;
            let (point, length) = uncompressed_point(x, y);
            UnparsedPublicKey::new(algorithm, point.get(..length).unwrap_or_default())
                .verify(message, signature)
        }
        VerificationKey::Cose(CoseKeyParameters::Okp { x, .. }) => {
            UnparsedPublicKey::new(verification_algorithm(algorithm)?, x).verify(message, signature)
        }
        VerificationKey::Cose(CoseKeyParameters::Rsa { n, e }) => {
            RsaPublicKeyComponents { n, e }.verify(rsa_parameters(algorithm)?, message, signature)
        }
        VerificationKey::Cose(CoseKeyParameters::Akp { .. }) => {
            return Err(SignatureError::Unsupported(algorithm));
        }
    };
    verified.map_err(|_| SignatureError::Invalid(algorithm))
}

/// Whether an elliptic-curve key is a point of its curve. Keys of other kinds have no such rule.
pub(crate) fn is_on_curve(algorithm: CoseAlgorithm, key: CoseKeyParameters<'_>) -> bool {
    let CoseKeyParameters::Ec2 { x, y, .. } = key else {
        return true;
    };
    let Ok(algorithm) = verification_algorithm(algorithm) else {
        return false;
    };
    let (point, length) = uncompressed_point(x, y);
    UnparsedPublicKey::new(algorithm, point.get(..length).unwrap_or_default())
        .parse()
        .is_ok()
}

fn verification_algorithm(
    algorithm: CoseAlgorithm,
) -> Result<&'static dyn VerificationAlgorithm, SignatureError> {
    Ok(match algorithm {
        CoseAlgorithm::ES256 | CoseAlgorithm::ESP256 => &lc::ECDSA_P256_SHA256_ASN1,
        CoseAlgorithm::ES384 | CoseAlgorithm::ESP384 => &lc::ECDSA_P384_SHA384_ASN1,
        CoseAlgorithm::ES512 | CoseAlgorithm::ESP512 => &lc::ECDSA_P521_SHA512_ASN1,
        CoseAlgorithm::ES256K => &lc::ECDSA_P256K1_SHA256_ASN1,
        CoseAlgorithm::EDDSA | CoseAlgorithm::ED25519 => &lc::ED25519,
        other => rsa_parameters(other)?,
    })
}

fn rsa_parameters(algorithm: CoseAlgorithm) -> Result<&'static lc::RsaParameters, SignatureError> {
    Ok(match algorithm {
        CoseAlgorithm::RS256 => &lc::RSA_PKCS1_2048_8192_SHA256,
        CoseAlgorithm::RS384 => &lc::RSA_PKCS1_2048_8192_SHA384,
        CoseAlgorithm::RS512 => &lc::RSA_PKCS1_2048_8192_SHA512,
        CoseAlgorithm::PS256 => &lc::RSA_PSS_2048_8192_SHA256,
        CoseAlgorithm::PS384 => &lc::RSA_PSS_2048_8192_SHA384,
        CoseAlgorithm::PS512 => &lc::RSA_PSS_2048_8192_SHA512,
        other => return Err(SignatureError::Unsupported(other)),
    })
}

/// SEC 1 section 2.3.3: an uncompressed point, and its length. 133 bytes are one of P-521.
fn uncompressed_point(x: &[u8], y: &[u8]) -> ([u8; 133], usize) {
    let mut point = [0; 133];
    let mut length = 0;
    for part in [&[0x04], x, y] {
        if let Some(target) = point.get_mut(length..length + part.len()) {
            target.copy_from_slice(part);
            length += part.len();
        }
    }
    (point, length)
}

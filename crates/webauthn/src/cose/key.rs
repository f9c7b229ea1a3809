//! COSE keys (RFC 9052 section 7) of the types that WebAuthn's credentials use.

use std::{fmt, ops::Range};

use super::{
    CoseAlgorithm, SignatureError, VerificationKey, is_on_curve,
    layout::{ALG, CRV, E, KTY, Layout, Members, N, X, Y, curve_of},
    verify,
};
use crate::cbor::{CborError, CborErrorKind, write_head};

/// A credential public key in COSE form (WebAuthn Level 3 section 6.5.1.1), with the encoding it
/// came in.
#[derive(Clone, PartialEq, Eq)]
pub struct CoseKey {
    encoded: Vec<u8>,
    algorithm: CoseAlgorithm,
    layout: Layout,
}

/// The parameters of a [`CoseKey`], borrowed from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CoseKeyParameters<'a> {
    /// Elliptic curve with both coordinates, each of the curve's full length.
    Ec2 {
        /// COSE curve: 1 P-256, 2 P-384, 3 P-521, 8 secp256k1.
        curve: i64,
        /// The x coordinate.
        x: &'a [u8],
        /// The y coordinate.
        y: &'a [u8],
    },
    /// Octet key pair: Ed25519 and Ed448.
    Okp {
        /// COSE curve: 6 Ed25519, 7 Ed448.
        curve: i64,
        /// The public key.
        x: &'a [u8],
    },
    /// RSA (RFC 8230).
    Rsa {
        /// The modulus, big-endian, without leading zeros.
        n: &'a [u8],
        /// The public exponent, big-endian, without leading zeros.
        e: &'a [u8],
    },
    /// A key pair of a kind with one public member (`AKP`: ML-DSA).
    Akp {
        /// The public key.
        public: &'a [u8],
    },
}

/// A COSE key type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CoseKeyType {
    /// 1: octet key pair.
    Okp,
    /// 2: elliptic curve with two coordinates.
    Ec2,
    /// 3: RSA.
    Rsa,
    /// 7: algorithm key pair.
    Akp,
}

/// Why a COSE key is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CoseKeyError {
    /// It is not canonical CBOR.
    #[error("the COSE key: {0}")]
    Cbor(#[from] CborError),
    /// A required member is missing.
    #[error("the COSE key has no {0}")]
    Missing(&'static str),
    /// Its key type is not one of WebAuthn's.
    #[error("the COSE key has the unknown key type {0}")]
    UnknownKeyType(i64),
    /// Its algorithm does not go with its key type or curve.
    #[error("{algorithm} does not go with a COSE key of type {key_type:?} and curve {curve:?}")]
    Mismatch {
        /// The key's `alg`.
        algorithm: CoseAlgorithm,
        /// The key's `kty`.
        key_type: CoseKeyType,
        /// The key's `crv`.
        curve: Option<i64>,
    },
    /// A coordinate or number has a wrong length.
    #[error("the COSE key's {what} has {length} bytes")]
    Length {
        /// Which member.
        what: &'static str,
        /// Its length in bytes.
        length: usize,
    },
    /// Its coordinates are no point of its curve.
    #[error("the COSE key is not a point of its curve")]
    NotOnCurve,
    /// It has a member that it must not have (WebAuthn Level 3 section 6.5.1: no optional
    /// parameters).
    #[error("the COSE key has the superfluous member {0}")]
    Superfluous(i64),
}

impl CoseKey {
    /// Reads a key that is the whole of `encoded`.
    ///
    /// # Errors
    /// [`CoseKeyError`].
    pub fn from_cbor(encoded: &[u8]) -> Result<Self, CoseKeyError> {
        let (key, length) = Self::from_cbor_prefix(encoded)?;
        if length < encoded.len() {
            return Err(CborError {
                kind: CborErrorKind::TrailingBytes,
                offset: length,
            }
            .into());
        }
        Ok(key)
    }

    /// Reads a key at the beginning of `bytes` and tells how many bytes it takes.
    ///
    /// # Errors
    /// [`CoseKeyError`].
    pub fn from_cbor_prefix(bytes: &[u8]) -> Result<(Self, usize), CoseKeyError> {
        let members = Members::read(bytes)?;
        let algorithm = CoseAlgorithm(members.algorithm.ok_or(CoseKeyError::Missing("alg (3)"))?);
        let layout = members.layout()?;
        layout.check(bytes, algorithm)?;
        let encoded = bytes.get(..members.end).unwrap_or_default().to_vec();
        Ok((
            Self {
                encoded,
                algorithm,
                layout,
            },
            members.end,
        ))
    }

    /// An elliptic-curve key.
    ///
    /// # Errors
    /// Coordinates that do not have the length of the algorithm's curve, or an algorithm of another
    /// kind of key.
    pub fn ec2(algorithm: CoseAlgorithm, x: &[u8], y: &[u8]) -> Result<Self, CoseKeyError> {
        let curve = curve_of(algorithm).ok_or(CoseKeyError::Mismatch {
            algorithm,
            key_type: CoseKeyType::Ec2,
            curve: None,
        })?;
        let mut encoded = key_head(5, CoseKeyType::Ec2, algorithm);
        write_integer_member(&mut encoded, CRV, curve);
        write_bytes_member(&mut encoded, X, x);
        write_bytes_member(&mut encoded, Y, y);
        Self::from_cbor(&encoded)
    }

    /// An octet key pair's public key.
    ///
    /// # Errors
    /// A length that is not that of the algorithm's curve, or an algorithm of another kind of key.
    pub fn okp(algorithm: CoseAlgorithm, x: &[u8]) -> Result<Self, CoseKeyError> {
        let curve = curve_of(algorithm).ok_or(CoseKeyError::Mismatch {
            algorithm,
            key_type: CoseKeyType::Okp,
            curve: None,
        })?;
        let mut encoded = key_head(4, CoseKeyType::Okp, algorithm);
        write_integer_member(&mut encoded, CRV, curve);
        write_bytes_member(&mut encoded, X, x);
        Self::from_cbor(&encoded)
    }

    /// An RSA key.
    ///
    /// # Errors
    /// Numbers with leading zeros, or an algorithm of another kind of key.
    pub fn rsa(algorithm: CoseAlgorithm, n: &[u8], e: &[u8]) -> Result<Self, CoseKeyError> {
        let mut encoded = key_head(4, CoseKeyType::Rsa, algorithm);
        write_bytes_member(&mut encoded, N, n);
        write_bytes_member(&mut encoded, E, e);
        Self::from_cbor(&encoded)
    }

    /// The key's canonical CBOR, as it came.
    #[must_use]
    pub fn as_cbor(&self) -> &[u8] {
        &self.encoded
    }

    /// The algorithm the key is for.
    #[must_use]
    pub fn algorithm(&self) -> CoseAlgorithm {
        self.algorithm
    }

    /// The key's type.
    #[must_use]
    pub fn key_type(&self) -> CoseKeyType {
        self.layout.key_type()
    }

    /// The key's parameters.
    #[must_use]
    pub fn parameters(&self) -> CoseKeyParameters<'_> {
        let part = |range: &Range<usize>| self.encoded.get(range.clone()).unwrap_or_default();
        match &self.layout {
            Layout::Ec2 { curve, x, y } => CoseKeyParameters::Ec2 {
                curve: *curve,
                x: part(x),
                y: part(y),
            },
            Layout::Okp { curve, x } => CoseKeyParameters::Okp {
                curve: *curve,
                x: part(x),
            },
            Layout::Rsa { n, e } => CoseKeyParameters::Rsa {
                n: part(n),
                e: part(e),
            },
            Layout::Akp { public } => CoseKeyParameters::Akp {
                public: part(public),
            },
        }
    }

    /// Checks that an elliptic-curve key is a point of its curve. Reading a key does not: it costs
    /// as much as a good part of a verification, which checks it anyway.
    ///
    /// # Errors
    /// [`CoseKeyError::NotOnCurve`].
    pub fn check_on_curve(&self) -> Result<(), CoseKeyError> {
        if is_on_curve(self.algorithm, self.parameters()) {
            Ok(())
        } else {
            Err(CoseKeyError::NotOnCurve)
        }
    }

    /// Verifies a signature that was made with this key and its algorithm, in the form WebAuthn
    /// uses (section 6.5.5: ECDSA signatures are DER).
    ///
    /// # Errors
    /// [`SignatureError`]: the signature is not valid, or the algorithm is not supported.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        verify(
            self.algorithm,
            &VerificationKey::Cose(self.parameters()),
            message,
            signature,
        )
    }
}

impl fmt::Debug for CoseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoseKey")
            .field("algorithm", &self.algorithm)
            .field("parameters", &self.parameters())
            .finish()
    }
}

impl CoseKeyType {
    /// The `kty` value.
    #[must_use]
    pub fn identifier(self) -> i64 {
        match self {
            Self::Okp => 1,
            Self::Ec2 => 2,
            Self::Rsa => 3,
            Self::Akp => 7,
        }
    }
}

fn key_head(members: u64, key_type: CoseKeyType, algorithm: CoseAlgorithm) -> Vec<u8> {
    let mut out = Vec::with_capacity(96);
    write_head(&mut out, 5, members);
    write_integer_member(&mut out, KTY, key_type.identifier());
    write_integer_member(&mut out, ALG, algorithm.0);
    out
}

fn write_integer_member(out: &mut Vec<u8>, label: i64, value: i64) {
    write_integer(out, label);
    write_integer(out, value);
}

fn write_bytes_member(out: &mut Vec<u8>, label: i64, value: &[u8]) {
    write_integer(out, label);
    write_head(out, 2, value.len() as u64);
    out.extend_from_slice(value);
}

fn write_integer(out: &mut Vec<u8>, value: i64) {
    match u64::try_from(value) {
        Ok(unsigned) => write_head(out, 0, unsigned),
        // -1 - value, which is the complement, and not negative here.
        Err(_) => write_head(out, 1, !value as u64),
    }
}

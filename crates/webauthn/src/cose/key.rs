//! COSE keys (RFC 9052 section 7) of the types that WebAuthn's credentials use.

use std::{fmt, ops::Range};

use super::{CoseAlgorithm, SignatureError, VerificationKey, is_on_curve, verify};
use crate::cbor::{CborError, CborErrorKind, Kind, Reader, write_head};

/// A credential public key in COSE form (WebAuthn Level 3 section 6.5.1.1), with the encoding it came in.
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
    /// It has a member that it must not have (WebAuthn Level 3 section 6.5.1: no optional parameters).
    #[error("the COSE key has the superfluous member {0}")]
    Superfluous(i64),
}

#[derive(Clone, PartialEq, Eq)]
enum Layout {
    Ec2 {
        curve: i64,
        x: Range<usize>,
        y: Range<usize>,
    },
    Okp {
        curve: i64,
        x: Range<usize>,
    },
    Rsa {
        n: Range<usize>,
        e: Range<usize>,
    },
    Akp {
        public: Range<usize>,
    },
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
    /// Coordinates that do not have the length of the algorithm's curve, or an algorithm of another kind of key.
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

    /// Checks that an elliptic-curve key is a point of its curve. Reading a key does not: it costs as much as a good part of a
    /// verification, which checks it anyway.
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

    /// Verifies a signature that was made with this key and its algorithm, in the form WebAuthn uses (section 6.5.5: ECDSA
    /// signatures are DER).
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

/// The members of a COSE key, as places in its encoding.
#[derive(Default)]
struct Members {
    key_type: Option<i64>,
    algorithm: Option<i64>,
    curve: Option<i64>,
    minus_1: Option<Range<usize>>,
    minus_2: Option<Range<usize>>,
    minus_3: Option<Range<usize>>,
    end: usize,
}

impl Members {
    fn read(bytes: &[u8]) -> Result<Self, CoseKeyError> {
        let mut members = Self::default();
        let mut reader = Reader::new(bytes);
        let mut map = reader.map()?;
        while let Some(label) = map.next_integer_key(&mut reader)? {
            match label {
                KTY => members.key_type = Some(reader.integer()?),
                ALG => members.algorithm = Some(reader.integer()?),
                // A curve, or the modulus of an RSA key.
                CRV if reader.kind()? != Kind::Bytes => members.curve = Some(reader.integer()?),
                CRV => members.minus_1 = Some(byte_range(&mut reader)?),
                X => members.minus_2 = Some(byte_range(&mut reader)?),
                Y => members.minus_3 = Some(byte_range(&mut reader)?),
                // WebAuthn Level 3 section 6.5.1: "The COSE_Key-encoded credential public key MUST contain the "alg"
                // parameter and MUST NOT contain any other OPTIONAL parameters."
                other => return Err(CoseKeyError::Superfluous(other)),
            }
        }
        members.end = reader.offset();
        Ok(members)
    }

    fn layout(&self) -> Result<Layout, CoseKeyError> {
        let present =
            |member: &Option<Range<usize>>, name| member.clone().ok_or(CoseKeyError::Missing(name));
        let curve = self.curve.ok_or(CoseKeyError::Missing("crv (-1)"));
        match self.key_type.ok_or(CoseKeyError::Missing("kty (1)"))? {
            1 => Ok(Layout::Okp {
                curve: curve?,
                x: present(&self.minus_2, "x (-2)")?,
            }),
            2 => Ok(Layout::Ec2 {
                curve: curve?,
                x: present(&self.minus_2, "x (-2)")?,
                y: present(&self.minus_3, "y (-3)")?,
            }),
            3 => Ok(Layout::Rsa {
                n: present(&self.minus_1, "n (-1)")?,
                e: present(&self.minus_2, "e (-2)")?,
            }),
            7 => Ok(Layout::Akp {
                public: present(&self.minus_1, "pub (-1)")?,
            }),
            other => Err(CoseKeyError::UnknownKeyType(other)),
        }
    }
}

impl Layout {
    fn key_type(&self) -> CoseKeyType {
        match self {
            Self::Ec2 { .. } => CoseKeyType::Ec2,
            Self::Okp { .. } => CoseKeyType::Okp,
            Self::Rsa { .. } => CoseKeyType::Rsa,
            Self::Akp { .. } => CoseKeyType::Akp,
        }
    }

    /// WebAuthn Level 3 section 5.8.5: which curve an algorithm is bound to; and that nothing is too long or too short for it.
    fn check(&self, bytes: &[u8], algorithm: CoseAlgorithm) -> Result<(), CoseKeyError> {
        let key_type = self.key_type();
        let mismatch = |curve| CoseKeyError::Mismatch {
            algorithm,
            key_type,
            curve,
        };
        let length_is = |what, range: &Range<usize>, expected: usize| {
            if range.len() == expected {
                Ok(())
            } else {
                Err(CoseKeyError::Length {
                    what,
                    length: range.len(),
                })
            }
        };
        match self {
            Self::Ec2 { curve, x, y } => {
                if curve_of(algorithm) != Some(*curve) {
                    return Err(mismatch(Some(*curve)));
                }
                let length = match *curve {
                    P_384 => 48,
                    P_521 => 66,
                    P_256 | SECP256K1 => 32,
                    _ => return Err(mismatch(Some(*curve))),
                };
                length_is("x", x, length)?;
                length_is("y", y, length)
            }
            Self::Okp { curve, x } => {
                if curve_of(algorithm) != Some(*curve) {
                    return Err(mismatch(Some(*curve)));
                }
                match *curve {
                    ED25519 => length_is("x", x, 32),
                    ED448 => length_is("x", x, 57),
                    _ => Err(mismatch(Some(*curve))),
                }
            }
            Self::Rsa { n, e } => {
                if !is_rsa(algorithm) {
                    return Err(mismatch(None));
                }
                for (what, range) in [("n", n), ("e", e)] {
                    // RFC 8230 section 4: "The octet sequence MUST utilize the minimum number of octets needed".
                    let first = bytes.get(range.clone()).and_then(<[u8]>::first);
                    if matches!(first, None | Some(0)) {
                        return Err(CoseKeyError::Length {
                            what,
                            length: range.len(),
                        });
                    }
                }
                Ok(())
            }
            Self::Akp { public } => match algorithm {
                CoseAlgorithm::ML_DSA_44 => length_is("pub", public, 1312),
                CoseAlgorithm::ML_DSA_65 => length_is("pub", public, 1952),
                CoseAlgorithm::ML_DSA_87 => length_is("pub", public, 2592),
                _ => Err(mismatch(None)),
            },
        }
    }
}

fn curve_of(algorithm: CoseAlgorithm) -> Option<i64> {
    Some(match algorithm {
        CoseAlgorithm::ES256 | CoseAlgorithm::ESP256 => P_256,
        CoseAlgorithm::ES384 | CoseAlgorithm::ESP384 => P_384,
        CoseAlgorithm::ES512 | CoseAlgorithm::ESP512 => P_521,
        CoseAlgorithm::ES256K => SECP256K1,
        CoseAlgorithm::EDDSA | CoseAlgorithm::ED25519 => ED25519,
        CoseAlgorithm::ED448 => ED448,
        _ => return None,
    })
}

fn is_rsa(algorithm: CoseAlgorithm) -> bool {
    matches!(
        algorithm,
        CoseAlgorithm::RS256
            | CoseAlgorithm::RS384
            | CoseAlgorithm::RS512
            | CoseAlgorithm::PS256
            | CoseAlgorithm::PS384
            | CoseAlgorithm::PS512
            | CoseAlgorithm::RS1
    )
}

fn byte_range(reader: &mut Reader<'_>) -> Result<Range<usize>, CborError> {
    let length = reader.bytes()?.len();
    let end = reader.offset();
    Ok(end - length..end)
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

const KTY: i64 = 1;
const ALG: i64 = 3;
const CRV: i64 = -1;
const X: i64 = -2;
const Y: i64 = -3;
const N: i64 = -1;
const E: i64 = -2;

const P_256: i64 = 1;
const P_384: i64 = 2;
const P_521: i64 = 3;
const ED25519: i64 = 6;
const ED448: i64 = 7;
const SECP256K1: i64 = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_that_are_built_are_read() {
        let key = CoseKey::ec2(CoseAlgorithm::ES256, &[1; 32], &[2; 32]).unwrap();
        assert_eq!(
            key.parameters(),
            CoseKeyParameters::Ec2 {
                curve: 1,
                x: &[1; 32],
                y: &[2; 32]
            }
        );
        assert_eq!(CoseKey::from_cbor(key.as_cbor()).unwrap(), key);
        let key = CoseKey::okp(CoseAlgorithm::EDDSA, &[3; 32]).unwrap();
        assert_eq!(
            key.parameters(),
            CoseKeyParameters::Okp {
                curve: 6,
                x: &[3; 32]
            }
        );
        let key = CoseKey::rsa(CoseAlgorithm::RS256, &[0xff; 256], &[1, 0, 1]).unwrap();
        assert_eq!(
            key.parameters(),
            CoseKeyParameters::Rsa {
                n: &[0xff; 256],
                e: &[1, 0, 1]
            }
        );
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        assert!(matches!(
            CoseKey::ec2(CoseAlgorithm::ES256, &[1; 31], &[2; 32]),
            Err(CoseKeyError::Length {
                what: "x",
                length: 31
            })
        ));
        assert!(matches!(
            CoseKey::ec2(CoseAlgorithm::RS256, &[1; 32], &[2; 32]),
            Err(CoseKeyError::Mismatch { .. })
        ));
        assert!(matches!(
            CoseKey::okp(CoseAlgorithm::ES256, &[1; 32]),
            Err(CoseKeyError::Mismatch { .. })
        ));
        assert!(matches!(
            CoseKey::rsa(CoseAlgorithm::RS256, &[0, 1], &[1, 0, 1]),
            Err(CoseKeyError::Length { what: "n", .. })
        ));
        // {1: 1, 2: h'', 3: -8, -1: 6, -2: 32 bytes}: a key identifier is an optional parameter.
        let mut with_kid = vec![
            0xa5, 0x01, 0x01, 0x02, 0x40, 0x03, 0x27, 0x20, 0x06, 0x21, 0x58, 0x20,
        ];
        with_kid.extend_from_slice(&[0; 32]);
        assert_eq!(
            CoseKey::from_cbor(&with_kid),
            Err(CoseKeyError::Superfluous(2))
        );
        assert_eq!(
            CoseKey::from_cbor(&[0xa1, 0x01, 0x02]),
            Err(CoseKeyError::Missing("alg (3)"))
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = CoseKey::from_cbor_prefix(&bytes);
        }

        #[test]
        fn no_mutation_panics(position in 0usize..77, byte: u8) {
            let mut encoded = CoseKey::ec2(CoseAlgorithm::ES256, &[1; 32], &[2; 32]).unwrap().as_cbor().to_vec();
            encoded[position] = byte;
            if let Ok(key) = CoseKey::from_cbor(&encoded) {
                prop_assert_eq!(key.as_cbor(), &encoded[..]);
            }
        }
    }
}

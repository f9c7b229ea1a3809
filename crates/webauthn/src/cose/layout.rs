//! Where the members of a COSE key lie in its encoding, and what they have to be like.

use std::ops::Range;

use super::{CoseAlgorithm, CoseKeyError, CoseKeyType};
use crate::cbor::{CborError, Kind, Reader};

/// What there is besides the algorithm, by key type.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Layout {
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

/// The members of a COSE key, as places in its encoding.
#[derive(Default)]
pub(super) struct Members {
    pub(super) key_type: Option<i64>,
    pub(super) algorithm: Option<i64>,
    pub(super) curve: Option<i64>,
    pub(super) minus_1: Option<Range<usize>>,
    pub(super) minus_2: Option<Range<usize>>,
    pub(super) minus_3: Option<Range<usize>>,
    pub(super) end: usize,
}

impl Members {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, CoseKeyError> {
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
                // WebAuthn Level 3 section 6.5.1: "The COSE_Key-encoded credential public key MUST
                // contain the "alg" parameter and MUST NOT contain any other OPTIONAL parameters."
                other => return Err(CoseKeyError::Superfluous(other)),
            }
        }
        members.end = reader.offset();
        Ok(members)
    }

    pub(super) fn layout(&self) -> Result<Layout, CoseKeyError> {
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
    pub(super) fn key_type(&self) -> CoseKeyType {
        match self {
            Self::Ec2 { .. } => CoseKeyType::Ec2,
            Self::Okp { .. } => CoseKeyType::Okp,
            Self::Rsa { .. } => CoseKeyType::Rsa,
            Self::Akp { .. } => CoseKeyType::Akp,
        }
    }

    /// WebAuthn Level 3 section 5.8.5: which curve an algorithm is bound to; and that nothing is
    /// too long or too short for it.
    pub(super) fn check(&self, bytes: &[u8], algorithm: CoseAlgorithm) -> Result<(), CoseKeyError> {
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
                    // RFC 8230 section 4: "The octet sequence MUST utilize the minimum number of
                    // octets needed".
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

pub(super) fn curve_of(algorithm: CoseAlgorithm) -> Option<i64> {
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

pub(super) const KTY: i64 = 1;
pub(super) const ALG: i64 = 3;
pub(super) const CRV: i64 = -1;
pub(super) const X: i64 = -2;
pub(super) const Y: i64 = -3;
pub(super) const N: i64 = -1;
pub(super) const E: i64 = -2;

pub(super) const P_256: i64 = 1;
pub(super) const P_384: i64 = 2;
pub(super) const P_521: i64 = 3;
pub(super) const ED25519: i64 = 6;
pub(super) const ED448: i64 = 7;
pub(super) const SECP256K1: i64 = 8;

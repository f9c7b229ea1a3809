//! ECDH on P-256, which both protocols agree on a secret with.

use std::fmt;

use ciborium::Value;
use p256::{SecretKey, elliptic_curve::sec1::ToSec1Point};
use zeroize::Zeroizing;

use super::{Keys, PinUvError, Protocol, SharedSecret, one, random, two};

/// A key pair for key agreement. An authenticator keeps one from power-up on (`initialize`) and replaces it when a PIN
/// was wrong (`regenerate`); a platform makes one per exchange.
pub struct KeyAgreement(SecretKey);

impl KeyAgreement {
    /// A fresh key pair.
    ///
    /// # Errors
    /// [`PinUvError::Random`]
    pub fn generate() -> Result<Self, PinUvError> {
        let mut candidate = Zeroizing::new([0; 32]);
        // All but one in 2^32 candidates are below the group order.
        loop {
            random(candidate.as_mut_slice())?;
            if let Ok(secret) = SecretKey::from_slice(candidate.as_slice()) {
                return Ok(Self(secret));
            }
        }
    }

    /// The key pair of a known private scalar, 32 bytes big-endian.
    ///
    /// # Errors
    /// [`PinUvError::Length`] when it is zero, or not below the group order.
    pub fn from_secret(scalar: &[u8; 32]) -> Result<Self, PinUvError> {
        SecretKey::from_slice(scalar)
            .map(Self)
            .map_err(|_| PinUvError::Length {
                what: "a scalar outside of P-256,",
                length: scalar.len(),
            })
    }

    /// `getPublicKey`
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.public_key())
    }

    /// `decapsulate(peerCoseKey) → sharedSecret`: the authenticator's side of the key agreement.
    ///
    /// # Errors
    /// None but for exhausted resources.
    pub fn decapsulate(
        &self,
        protocol: Protocol,
        peer: &PublicKey,
    ) -> Result<SharedSecret, PinUvError> {
        // "Z is the 32-byte, big-endian encoding of the x-coordinate of the shared point."
        let z = self.0.diffie_hellman(&peer.0);
        let z = z.raw_secret_bytes().as_slice();
        Ok(SharedSecret(match protocol {
            Protocol::One => Keys::One(one::Key::derive(z)),
            Protocol::Two => Keys::Two(two::Keys::derive(z)?),
        }))
    }
}

impl fmt::Debug for KeyAgreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyAgreement({:?}, ..)", self.public_key())
    }
}

/// The public half of a [`KeyAgreement`]: a point on P-256 other than infinity.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(p256::PublicKey);

impl PublicKey {
    /// As COSE_Key with the members §6.5.5.4 lists: kty 2 (EC2), alg -25 ("although this is not the algorithm actually
    /// used"), crv 1 (P-256), x, y.
    pub fn to_cose(&self) -> Value {
        let point = self.0.to_sec1_point(false);
        // An uncompressed point: 0x04, x, y.
        let (x, y) = point
            .as_bytes()
            .get(1..)
            .unwrap_or_default()
            .split_at_checked(32)
            .unwrap_or_default();
        Value::Map(vec![
            (KTY.into(), EC2.into()),
            (ALG.into(), ECDH_ES_HKDF_256.into()),
            (CRV.into(), P_256.into()),
            (X.into(), Value::Bytes(x.to_vec())),
            (Y.into(), Value::Bytes(y.to_vec())),
        ])
    }

    /// From a COSE_Key. `alg` may be absent, and other members are ignored.
    ///
    /// # Errors
    /// [`PinUvError::NotAPublicKey`]
    pub fn from_cose(key: &Value) -> Result<Self, PinUvError> {
        let members = key.as_map().ok_or(PinUvError::NotAPublicKey)?;
        let member = |label: i64| {
            members
                .iter()
                .find(|(key, _)| key.as_integer() == Some(label.into()))
                .map(|(_, value)| value)
        };
        let number = |label| member(label).and_then(Value::as_integer).map(i128::from);
        let coordinate = |label| {
            member(label)
                .and_then(Value::as_bytes)
                .filter(|bytes| bytes.len() == 32)
        };

        if number(KTY) != Some(EC2.into())
            || number(CRV) != Some(P_256.into())
            || number(ALG).is_some_and(|alg| alg != ECDH_ES_HKDF_256.into())
        {
            return Err(PinUvError::NotAPublicKey);
        }
        let (Some(x), Some(y)) = (coordinate(X), coordinate(Y)) else {
            return Err(PinUvError::NotAPublicKey);
        };
        let point: Vec<u8> = std::iter::once(UNCOMPRESSED)
            .chain(x.iter().copied())
            .chain(y.iter().copied())
            .collect();
        p256::PublicKey::from_sec1_bytes(&point)
            .map(Self)
            .map_err(|_| PinUvError::NotAPublicKey)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(")?;
        self.0
            .to_sec1_point(true)
            .as_bytes()
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

// COSE_Key labels and values (RFC 9052 §7, RFC 9053 §7.1.1).
const KTY: i64 = 1;
const ALG: i64 = 3;
const CRV: i64 = -1;
const X: i64 = -2;
const Y: i64 = -3;
const EC2: i64 = 2;
const P_256: i64 = 1;
const ECDH_ES_HKDF_256: i64 = -25;
const UNCOMPRESSED: u8 = 0x04;

//! Challenges that carry what the server needs to know about them.
//!
//! Entra's challenge is the ASCII text of an encrypted token of some KB which names the user and the end of its life; the server
//! keeps nothing, and the challenge can be used again while it lives. This one has the same outer form, and a seal
//! instead of encryption.

use aws_lc_rs::{hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use uuid::Uuid;

/// Makes and opens challenges of one run.
pub(crate) struct Sealer {
    key: hmac::Key,
}

/// What a challenge says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claims {
    /// The user it was issued for.
    pub(crate) user: Uuid,
    /// When it ends, by the server's clock.
    pub(crate) expires: Timestamp,
}

/// The challenge is not one of this run, or not whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotSealed;

impl Sealer {
    pub(crate) fn new(secret: &[u8]) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, secret),
        }
    }

    /// The bytes of a new challenge: `header.claims.filler.seal`, each in base64url.
    pub(crate) fn seal(&self, claims: Claims) -> Result<Vec<u8>, aws_lc_rs::error::Unspecified> {
        let mut filler = [0; FILLER];
        rand::fill(&mut filler)?;
        let mut body = Vec::with_capacity(CLAIMS);
        body.push(FORMAT);
        body.extend_from_slice(claims.user.as_bytes());
        body.extend_from_slice(&claims.expires.as_second().to_be_bytes());
        let mut token = [HEADER.as_bytes(), &body, &filler]
            .map(|part| URL_SAFE_NO_PAD.encode(part))
            .join(".");
        let seal = hmac::sign(&self.key, token.as_bytes());
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(seal.as_ref()));
        Ok(token.into_bytes())
    }

    /// What a challenge says, once its seal is found unbroken.
    pub(crate) fn open(&self, challenge: &[u8]) -> Result<Claims, NotSealed> {
        let token = std::str::from_utf8(challenge).map_err(|_| NotSealed)?;
        let (signed, seal) = token.rsplit_once('.').ok_or(NotSealed)?;
        let seal = URL_SAFE_NO_PAD.decode(seal).map_err(|_| NotSealed)?;
        hmac::verify(&self.key, signed.as_bytes(), &seal).map_err(|_| NotSealed)?;
        let body = signed.split('.').nth(1).ok_or(NotSealed)?;
        let body = URL_SAFE_NO_PAD.decode(body).map_err(|_| NotSealed)?;
        let body: [u8; CLAIMS] = body.try_into().map_err(|_| NotSealed)?;
        let [FORMAT, rest @ ..] = body else {
            return Err(NotSealed);
        };
        let (user, expires) = rest.split_first_chunk::<16>().ok_or(NotSealed)?;
        let expires = i64::from_be_bytes(expires.try_into().map_err(|_| NotSealed)?);
        Ok(Claims {
            user: Uuid::from_bytes(*user),
            expires: Timestamp::from_second(expires).map_err(|_| NotSealed)?,
        })
    }

    /// The user handle (`user.id`): 51 bytes, as Entra's, the same for a user each time, not the object id.
    pub(crate) fn user_handle(&self, user: Uuid) -> Vec<u8> {
        let derive = |label: &[u8]| hmac::sign(&self.key, &[label, user.as_bytes()].concat());
        let bytes = [derive(b"handle 1").as_ref(), derive(b"handle 2").as_ref()].concat();
        b"OF:"
            .iter()
            .copied()
            .chain(bytes.into_iter().take(48))
            .collect()
    }
}

const HEADER: &str = r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","typ":"rehearsal"}"#;
const FORMAT: u8 = 1;
const CLAIMS: usize = 1 + 16 + 8;

/// What makes the challenge as large as Entra's.
const FILLER: usize = 1_800;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn claims() -> Claims {
        Claims {
            user: Uuid::from_u128(7),
            expires: Timestamp::from_second(1_800_000_000).unwrap(),
        }
    }

    #[test]
    fn what_is_sealed_can_be_opened_again_and_again() {
        let sealer = Sealer::new(b"secret");
        let challenge = sealer.seal(claims()).unwrap();
        assert!(
            challenge.is_ascii() && challenge.len() > 2_000,
            "{}",
            challenge.len()
        );
        assert_eq!(sealer.open(&challenge), Ok(claims()));
        assert_eq!(sealer.open(&challenge), Ok(claims()));
        assert_eq!(Sealer::new(b"another run").open(&challenge), Err(NotSealed));
        assert_ne!(sealer.seal(claims()).unwrap(), challenge);
    }

    #[test]
    fn handles_are_stable_and_have_entras_length() {
        let sealer = Sealer::new(b"secret");
        let handle = sealer.user_handle(claims().user);
        assert_eq!(handle.len(), 51);
        assert!(handle.starts_with(b"OF:"));
        assert_eq!(handle, sealer.user_handle(claims().user));
        assert_ne!(handle, sealer.user_handle(Uuid::from_u128(8)));
    }

    proptest! {
        #[test]
        fn no_change_goes_unnoticed(position in 0usize..2_600, bit in 0u8..7) {
            let sealer = Sealer::new(b"secret");
            let mut challenge = sealer.seal(claims()).unwrap();
            let position = position % challenge.len();
            challenge[position] ^= 1 << bit;
            prop_assert_eq!(sealer.open(&challenge), Err(NotSealed));
        }

        #[test]
        fn anything_else_is_refused(bytes: Vec<u8>) {
            prop_assert_eq!(Sealer::new(b"secret").open(&bytes), Err(NotSealed));
        }
    }
}

//! CTAP 2.2 §6.5.4 to §6.5.7: the PIN/UV auth protocols, from the platform's side and from the authenticator's.
//!
//! ```
//! use keywright_ctap::pin_uv::{KeyAgreement, Protocol, Token};
//!
//! // The authenticator shows its public key, the platform answers with its own, and both have the secret.
//! let authenticator = KeyAgreement::generate()?;
//! let (platform_key, platform) = Protocol::Two.encapsulate(&authenticator.public_key())?;
//! let key = authenticator.decapsulate(Protocol::Two, &platform_key)?;
//!
//! let token = Token::generate(Protocol::Two)?;
//! let received = Token::new(Protocol::Two, &platform.decrypt(&key.encrypt(token.expose())?)?)?;
//! token.verify(b"client data hash", &received.authenticate(b"client data hash"))?;
//! # Ok::<(), keywright_ctap::pin_uv::PinUvError>(())
//! ```

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::error::Error;

mod aes256;
mod key_agreement;
mod one;
mod two;

pub use key_agreement::{KeyAgreement, PublicKey};

/// A PIN/UV auth protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// §6.5.6: SHA-256 as key derivation, AES-256-CBC with an IV of zeros, HMAC-SHA-256 cut to 16 bytes.
    One,
    /// §6.5.7: HKDF-SHA-256, AES-256-CBC with a random IV, whole HMAC-SHA-256.
    Two,
}

impl Protocol {
    /// Its number in messages.
    pub fn number(self) -> u64 {
        match self {
            Self::One => 1,
            Self::Two => 2,
        }
    }

    /// The protocol with this number in messages.
    pub fn from_number(number: u64) -> Option<Self> {
        match number {
            1 => Some(Self::One),
            2 => Some(Self::Two),
            _ => None,
        }
    }

    /// The protocol to use with a key that offers these (CTAP 2.2 §6.4 pinUvAuthProtocols: "in order of decreasing
    /// authenticator preference"), where the caller may insist on one.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when there is none.
    pub fn choose(insisted: Option<Self>, offered: &[u64]) -> Result<Self, Error> {
        match insisted {
            Some(wanted) if offered.contains(&wanted.number()) => Ok(wanted),
            Some(_) => Err(Error::Unsupported(
                "the PIN/UV auth protocol that was insisted on",
            )),
            // CTAP 2.0 keys may leave the member out, and know protocol one.
            None if offered.is_empty() => Ok(Self::One),
            None => offered
                .iter()
                .find_map(|number| Self::from_number(*number))
                .ok_or(Error::Unsupported(
                    "any PIN/UV auth protocol that is known here",
                )),
        }
    }

    /// The platform's side of the key agreement: a fresh key pair, of which the public half goes to the authenticator,
    /// and the secret shared with it.
    ///
    /// # Errors
    /// [`PinUvError::Random`] when the operating system has no randomness.
    pub fn encapsulate(
        self,
        authenticator: &PublicKey,
    ) -> Result<(PublicKey, SharedSecret), PinUvError> {
        let platform = KeyAgreement::generate()?;
        let secret = platform.decapsulate(self, authenticator)?;
        Ok((platform.public_key(), secret))
    }
}

/// The secret that a platform and an authenticator have in common for one exchange.
pub struct SharedSecret(Keys);

enum Keys {
    One(one::Key),
    Two(two::Keys),
}

impl SharedSecret {
    /// Which protocol it is for.
    pub fn protocol(&self) -> Protocol {
        match self.0 {
            Keys::One(_) => Protocol::One,
            Keys::Two(_) => Protocol::Two,
        }
    }

    /// `encrypt(key, demPlaintext) → ciphertext`
    ///
    /// # Errors
    /// [`PinUvError::Length`] unless `plaintext` is whole AES blocks, [`PinUvError::Random`] without randomness.
    pub fn encrypt(&self, plaintext: &[u8]) -> Result<Vec<u8>, PinUvError> {
        match &self.0 {
            Keys::One(key) => key.encrypt(plaintext),
            Keys::Two(keys) => keys.encrypt(plaintext),
        }
    }

    /// `decrypt(key, ciphertext) → plaintext`
    ///
    /// # Errors
    /// [`PinUvError::Length`] unless `ciphertext` is whole AES blocks (and an IV, with protocol two).
    pub fn decrypt(&self, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, PinUvError> {
        match &self.0 {
            Keys::One(key) => key.decrypt(ciphertext),
            Keys::Two(keys) => keys.decrypt(ciphertext),
        }
    }

    /// `authenticate(key, message) → signature`
    pub fn authenticate(&self, message: &[u8]) -> Vec<u8> {
        match &self.0 {
            Keys::One(key) => key.authenticate(message),
            Keys::Two(keys) => keys.authenticate(message),
        }
    }

    /// `verify(key, message, signature)`, in constant time.
    ///
    /// # Errors
    /// [`PinUvError::Authentication`]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), PinUvError> {
        verify(&self.authenticate(message), signature)
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedSecret({:?}, ..)", self.protocol())
    }
}

/// A `pinUvAuthToken`: what user verification has earned, and what later requests are authenticated with.
#[derive(Clone)]
pub struct Token {
    protocol: Protocol,
    bytes: Zeroizing<Vec<u8>>,
}

impl Token {
    /// A token as the authenticator gave it, decrypted.
    ///
    /// # Errors
    /// [`PinUvError::Length`] unless it has 32 bytes, or 16 with protocol one.
    pub fn new(protocol: Protocol, bytes: &[u8]) -> Result<Self, PinUvError> {
        match (protocol, bytes.len()) {
            (_, 32) | (Protocol::One, 16) => Ok(Self {
                protocol,
                bytes: Zeroizing::new(bytes.to_vec()),
            }),
            (_, length) => Err(PinUvError::Length {
                what: "a pinUvAuthToken",
                length,
            }),
        }
    }

    /// `resetPinUvAuthToken`: a fresh random token of 32 bytes (the authenticator's side).
    ///
    /// # Errors
    /// [`PinUvError::Random`]
    pub fn generate(protocol: Protocol) -> Result<Self, PinUvError> {
        let mut bytes = Zeroizing::new(vec![0; 32]);
        random(&mut bytes)?;
        Ok(Self { protocol, bytes })
    }

    /// Which protocol it is for.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The token itself, for the authenticator to encrypt.
    pub fn expose(&self) -> &[u8] {
        &self.bytes
    }

    /// `authenticate(pinUvAuthToken, message)`: a `pinUvAuthParam`.
    pub fn authenticate(&self, message: &[u8]) -> Vec<u8> {
        match self.protocol {
            Protocol::One => one::authenticate(&self.bytes, message),
            Protocol::Two => two::authenticate(&self.bytes, message),
        }
    }

    /// `verify(pinUvAuthToken, message, pinUvAuthParam)`, in constant time.
    ///
    /// # Errors
    /// [`PinUvError::Authentication`]
    pub fn verify(&self, message: &[u8], pin_uv_auth_param: &[u8]) -> Result<(), PinUvError> {
        verify(&self.authenticate(message), pin_uv_auth_param)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({:?}, ..)", self.protocol)
    }
}

/// What can go wrong in a PIN/UV auth protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PinUvError {
    /// Not a COSE_Key with a point on P-256.
    #[error("the key agreement key is not a COSE_Key with a point on P-256")]
    NotAPublicKey,
    /// Bytes of a length that cannot be.
    #[error("{what} of {length} bytes")]
    Length {
        /// Of what.
        what: &'static str,
        /// How long it is.
        length: usize,
    },
    /// A signature is not what it should be.
    #[error("the authentication of a PIN/UV auth message is wrong")]
    Authentication,
    /// The operating system gave no randomness.
    #[error("the operating system has no randomness to give")]
    Random,
}

fn verify(expected: &[u8], given: &[u8]) -> Result<(), PinUvError> {
    if bool::from(expected.ct_eq(given)) {
        Ok(())
    } else {
        Err(PinUvError::Authentication)
    }
}

fn random(bytes: &mut [u8]) -> Result<(), PinUvError> {
    getrandom::fill(bytes).map_err(|_| PinUvError::Random)
}

#[cfg(test)]
mod tests;

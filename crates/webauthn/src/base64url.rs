//! Base64url (RFC 4648 section 5) as WebAuthn's JSON uses it, with a reader for what the world
//! sends.

use std::{fmt, str::FromStr};

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Bytes that JSON carries as base64url.
///
/// Written without padding (WebAuthn Level 3 section 3, "Base64url Encoding"). Read from either
/// alphabet (`-_` or `+/`), with or without padding; every other character, a wrong length and
/// stray bits in the last character are refused, so that no two different texts silently become the
/// same bytes.
///
/// ```
/// use keywright_webauthn::Base64Url;
///
/// let id: Base64Url = "pgIfj2fn/g==".parse()?;
/// assert_eq!(id.to_string(), "pgIfj2fn_g");
/// # Ok::<(), keywright_webauthn::InvalidBase64Url>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Base64Url(pub Vec<u8>);

/// Why a text is not base64url.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not base64url: {0}")]
pub struct InvalidBase64Url(#[from] base64::DecodeError);

impl Base64Url {
    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, without a copy.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// The base64url text of `bytes`, without padding.
    #[must_use]
    pub fn encode(bytes: &[u8]) -> String {
        URL_SAFE.encode(bytes)
    }
}

impl FromStr for Base64Url {
    type Err = InvalidBase64Url;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A text of the standard alphabet has no character of the URL alphabet's own, so one look
        // decides; a text that mixes both is refused by either engine.
        let engine = if text.contains(['+', '/']) {
            &STANDARD
        } else {
            &URL_SAFE
        };
        Ok(Self(engine.decode(text)?))
    }
}

impl fmt::Display for Base64Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        base64::display::Base64Display::new(&self.0, &URL_SAFE).fmt(f)
    }
}

impl fmt::Debug for Base64Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Base64Url({self})")
    }
}

impl AsRef<[u8]> for Base64Url {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Base64Url {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&[u8]> for Base64Url {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl From<Base64Url> for Vec<u8> {
    fn from(value: Base64Url) -> Self {
        value.0
    }
}

impl Serialize for Base64Url {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Base64Url {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Base64Url;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a base64url string")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Base64Url, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// Whether `text` is the base64url encoding of `bytes`, found out without a copy of either.
pub(crate) fn is_encoding_of(text: &str, bytes: &[u8]) -> bool {
    struct Rest<'a>(&'a str);
    impl fmt::Write for Rest<'_> {
        fn write_str(&mut self, part: &str) -> fmt::Result {
            self.0 = self.0.strip_prefix(part).ok_or(fmt::Error)?;
            Ok(())
        }
    }
    let mut rest = Rest(text);
    let encoding = base64::display::Base64Display::new(bytes, &URL_SAFE);
    fmt::write(&mut rest, format_args!("{encoding}")).is_ok() && rest.0.is_empty()
}

const CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_encode_padding(false)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, CONFIG);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_alphabets_with_and_without_padding_are_read() {
        for text in ["-_8", "-_8=", "+/8", "+/8="] {
            assert_eq!(text.parse::<Base64Url>().unwrap().0, [0xfb, 0xff], "{text}");
        }
        assert_eq!("".parse::<Base64Url>().unwrap().0, b"");
    }

    #[test]
    fn anything_else_is_refused() {
        // A mixed alphabet, white space, too much padding, an impossible length, stray bits in the
        // last character.
        for text in [
            "-/8", "-_8 ", " -_8", "-_8==", "-_8\n", "A", "-_9", "%2B", "é",
        ] {
            assert!(text.parse::<Base64Url>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn bytes_survive_the_text(bytes: Vec<u8>) {
            let value = Base64Url(bytes);
            prop_assert_eq!(&value.to_string().parse::<Base64Url>().unwrap(), &value);
            let json = serde_json::to_string(&value).unwrap();
            prop_assert_eq!(serde_json::from_str::<Base64Url>(&json).unwrap(), value);
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = text.parse::<Base64Url>();
        }
    }
}

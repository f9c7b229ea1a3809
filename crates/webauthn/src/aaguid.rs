//! The AAGUID: which model an authenticator is.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Authenticator Attestation GUID (WebAuthn Level 3 section 6.5.1): 16 bytes, the same for all keys
/// of one make and model.
///
/// Text and JSON use the hyphenated lower-case form of the FIDO metadata service and of Microsoft
/// Graph; the 32-digit form and upper case are read, too.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Aaguid(pub [u8; 16]);

/// A text that is not a GUID of 32 hexadecimal digits, hyphenated 8-4-4-4-12 or not at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an AAGUID (expected xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx)")]
pub struct InvalidAaguid(String);

impl Aaguid {
    /// What an authenticator says that does not tell its model: U2F keys, and keys whose
    /// attestation was removed.
    pub const ZERO: Self = Self([0; 16]);

    /// Whether the model is untold.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }
}

impl fmt::Display for Aaguid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if HYPHEN_BEFORE_BYTE.contains(&index) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Aaguid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Aaguid({self})")
    }
}

impl FromStr for Aaguid {
    type Err = InvalidAaguid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text)
            .map(Self)
            .ok_or_else(|| InvalidAaguid(text.chars().take(64).collect()))
    }
}

impl From<[u8; 16]> for Aaguid {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl AsRef<[u8]> for Aaguid {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Serialize for Aaguid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Aaguid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

fn parse(text: &str) -> Option<[u8; 16]> {
    let hyphenated = match text.len() {
        36 => true,
        32 => false,
        _ => return None,
    };
    let mut characters = text.chars();
    let mut bytes = [0; 16];
    for (index, byte) in bytes.iter_mut().enumerate() {
        if hyphenated && HYPHEN_BEFORE_BYTE.contains(&index) && characters.next() != Some('-') {
            return None;
        }
        let high = characters.next()?.to_digit(16)?;
        let low = characters.next()?.to_digit(16)?;
        *byte = u8::try_from(high << 4 | low).ok()?;
    }
    characters.next().is_none().then_some(bytes)
}

const HYPHEN_BEFORE_BYTE: [usize; 4] = [4, 6, 8, 10];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_forms() {
        let aaguid: Aaguid = "cb69481e-8ff7-4039-93ec-0a2729a154a8".parse().unwrap();
        assert_eq!(aaguid.0[..4], [0xcb, 0x69, 0x48, 0x1e]);
        assert_eq!(aaguid.to_string(), "cb69481e-8ff7-4039-93ec-0a2729a154a8");
        assert_eq!("CB69481E8FF7403993EC0A2729A154A8".parse(), Ok(aaguid));
        assert_eq!(
            serde_json::to_string(&aaguid).unwrap(),
            "\"cb69481e-8ff7-4039-93ec-0a2729a154a8\""
        );
    }

    #[test]
    fn misplaced_hyphens_and_other_characters_are_refused() {
        for text in [
            "",
            "cb69481e-8ff7-4039-93ec-0a2729a154a",
            "cb69481e8-ff7-4039-93ec-0a2729a154a8",
            "{cb69481e-8ff7-4039-93ec-0a2729a154}",
            "cb69481e-8ff7-4039-93ec-0a2729a154ag",
        ] {
            assert!(text.parse::<Aaguid>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn round_trip(bytes: [u8; 16]) {
            prop_assert_eq!(Aaguid(bytes).to_string().parse::<Aaguid>().unwrap(), Aaguid(bytes));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = text.parse::<Aaguid>();
        }
    }
}

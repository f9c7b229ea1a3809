//! The enumerations of WebAuthn's options. The dictionaries declare these members as strings, so
//! that a client can meet a value that it does not know: each enumeration keeps such a value in
//! `Other`.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! string_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)+
            /// A value that Level 3 does not define, as it was sent.
            Other(String),
        }

        impl $name {
            /// The value as JSON carries it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other(text) => text,
                }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)+
                    _ => Self::Other(text.to_owned()),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Ok(std::borrow::Cow::<'de, str>::deserialize(deserializer)?.as_ref().into())
            }
        }
    };
}

string_enum! {
    /// The kind of a credential (section 5.8.2).
    #[derive(Default)]
    PublicKeyCredentialType {
        /// `public-key`, the only kind there is.
        #[default]
        PublicKey = "public-key",
    }
}

string_enum! {
    /// Whether the key is part of the client device (section 5.4.5).
    AuthenticatorAttachment {
        /// Built into the client device.
        Platform = "platform",
        /// Removable: a security key or a phone.
        CrossPlatform = "cross-platform",
    }
}

string_enum! {
    /// Whether the credential has to be discoverable (section 5.4.6).
    ResidentKeyRequirement {
        /// A server-side credential is preferred.
        Discouraged = "discouraged",
        /// A discoverable credential is preferred.
        Preferred = "preferred",
        /// The credential must be discoverable.
        Required = "required",
    }
}

string_enum! {
    /// Whether the user has to be verified, by PIN or biometrics (section 5.8.6).
    #[derive(Default)]
    UserVerificationRequirement {
        /// The ceremony fails without.
        Required = "required",
        /// Wanted where possible.
        #[default]
        Preferred = "preferred",
        /// Not wanted.
        Discouraged = "discouraged",
    }
}

string_enum! {
    /// What attestation the relying party wants to see (section 5.4.7).
    #[derive(Default)]
    AttestationConveyancePreference {
        /// None.
        #[default]
        None = "none",
        /// Verifiable, however obtained.
        Indirect = "indirect",
        /// As the authenticator made it.
        Direct = "direct",
        /// One that may identify the single authenticator.
        Enterprise = "enterprise",
    }
}

string_enum! {
    /// Whether a large blob has to be storable (section 10.1.5).
    LargeBlobSupport {
        /// The credential must support it.
        Required = "required",
        /// Where possible.
        Preferred = "preferred",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_values_survive() {
        let value: ResidentKeyRequirement = serde_json::from_str("\"on-tuesdays\"").unwrap();
        assert_eq!(
            value,
            ResidentKeyRequirement::Other("on-tuesdays".to_owned())
        );
        assert_eq!(serde_json::to_string(&value).unwrap(), "\"on-tuesdays\"");
        assert_eq!(
            AuthenticatorAttachment::from("cross-platform"),
            AuthenticatorAttachment::CrossPlatform
        );
    }
}

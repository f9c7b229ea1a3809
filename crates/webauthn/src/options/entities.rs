//! Who the credential is for: relying party, user, and credentials named by their ids.

use serde::{Deserialize, Serialize};

use super::PublicKeyCredentialType;
use crate::Base64Url;

/// The relying party (section 5.4.2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKeyCredentialRpEntity {
    /// The RP ID, a domain; absent means the origin's effective domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// A name for people. Required by the specification, read as empty where it is not sent.
    #[serde(default)]
    pub name: String,
}

/// The user (section 5.4.3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublicKeyCredentialUserEntity {
    /// The user handle: 1 to 64 opaque bytes.
    pub id: Base64Url,
    /// The account's name, for example a user principal name.
    #[serde(default)]
    pub name: String,
    /// The person's name.
    #[serde(default)]
    pub display_name: String,
}

/// A credential named by its id (section 5.8.3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKeyCredentialDescriptor {
    /// Always `public-key`.
    #[serde(rename = "type", default)]
    pub type_: PublicKeyCredentialType,
    /// The credential id.
    pub id: Base64Url,
    /// How the authenticator may be reached: `usb`, `nfc`, `ble`, `smart-card`, `hybrid`,
    /// `internal`; empty when unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transports: Vec<String>,
}

impl PublicKeyCredentialDescriptor {
    /// The descriptor of a public-key credential whose transports are unknown.
    #[must_use]
    pub fn new(id: impl Into<Base64Url>) -> Self {
        Self {
            type_: PublicKeyCredentialType::PublicKey,
            id: id.into(),
            transports: Vec::new(),
        }
    }
}

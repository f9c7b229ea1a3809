//! `PublicKeyCredentialRequestOptions` (WebAuthn Level 3 section 5.5).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{PublicKeyCredentialDescriptor, UserVerificationRequirement};
use crate::Base64Url;

/// What a relying party asks of an authentication, in its JSON form
/// (`PublicKeyCredentialRequestOptionsJSON`, section 5.1.9).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublicKeyCredentialRequestOptions {
    /// The challenge, exactly as issued.
    pub challenge: Base64Url,
    /// How long the ceremony may take, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    /// The RP ID; absent means the origin's effective domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rp_id: Option<String>,
    /// Acceptable credentials; empty means any discoverable one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_credentials: Vec<PublicKeyCredentialDescriptor>,
    /// Whether the user has to be verified.
    #[serde(default)]
    pub user_verification: UserVerificationRequirement,
    /// Hints to the user interface.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
    /// Extension inputs, as they were sent.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extensions: Map<String, Value>,
}

impl PublicKeyCredentialRequestOptions {
    /// Whether the user must be verified.
    #[must_use]
    pub fn require_user_verification(&self) -> bool {
        self.user_verification == UserVerificationRequirement::Required
    }
}

//! Extension inputs of a registration (WebAuthn Level 3 section 10; CTAP 2.2 section 12).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::LargeBlobSupport;
use crate::Base64Url;

/// `AuthenticationExtensionsClientInputs` of a registration. The dictionary is open: members that
/// are not known here are kept in [`other`](Self::other) and written again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistrationExtensionInputs {
    /// `hmacCreateSecret`: make a secret for the `hmac-secret` extension (CTAP 2.2 section 12.7).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hmac_create_secret: Option<bool>,
    /// `credentialProtectionPolicy` (CTAP 2.2 section 12.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_protection_policy: Option<CredentialProtectionPolicy>,
    /// `enforceCredentialProtectionPolicy`: rather no credential than one that is less protected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforce_credential_protection_policy: Option<bool>,
    /// `minPinLength`: report the minimum PIN length (CTAP 2.2 section 12.5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_pin_length: Option<bool>,
    /// `credProps` (section 10.1.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cred_props: Option<bool>,
    /// `credBlob`: bytes to store with the credential (CTAP 2.2 section 12.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cred_blob: Option<CredBlob>,
    /// `largeBlob` (section 10.1.5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub large_blob: Option<LargeBlobInputs>,
    /// `prf` (section 10.1.4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prf: Option<PrfInputs>,
    /// Every other member, as it was sent.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl RegistrationExtensionInputs {
    /// Whether nothing at all is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// When a credential can be found and used without user verification (CTAP 2.2 section 12.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[repr(u8)]
pub enum CredentialProtectionPolicy {
    /// Level 1: always. What a key does that knows no protection.
    UserVerificationOptional = 1,
    /// Level 2: only by a client that names the credential's id.
    UserVerificationOptionalWithCredentialIdList = 2,
    /// Level 3: never.
    UserVerificationRequired = 3,
}

impl CredentialProtectionPolicy {
    /// The value of CTAP's `credProtect` extension, 1 to 3.
    #[must_use]
    pub fn level(self) -> u8 {
        self as u8
    }

    /// The policy of a `credProtect` value.
    #[must_use]
    pub fn from_level(level: u8) -> Option<Self> {
        Some(match level {
            1 => Self::UserVerificationOptional,
            2 => Self::UserVerificationOptionalWithCredentialIdList,
            3 => Self::UserVerificationRequired,
            _ => return None,
        })
    }
}

/// The bytes of a `credBlob`.
pub type CredBlob = Base64Url;

/// Inputs of `largeBlob` at registration (section 10.1.5).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LargeBlobInputs {
    /// Whether the credential has to support it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub support: Option<LargeBlobSupport>,
    /// Members of later levels, as they were sent.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Inputs of `prf` (section 10.1.4).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PrfInputs {
    /// Inputs for any credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eval: Option<PrfValues>,
    /// Inputs by credential id (base64url).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub eval_by_credential: BTreeMap<String, PrfValues>,
}

/// One or two inputs of the pseudo-random function.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrfValues {
    /// The first input.
    pub first: Base64Url,
    /// The second input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<Base64Url>,
}

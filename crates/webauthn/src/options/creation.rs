//! `PublicKeyCredentialCreationOptions` (WebAuthn Level 3 section 5.4).

use serde::{Deserialize, Serialize};

use super::{
    AttestationConveyancePreference, AuthenticatorAttachment, PublicKeyCredentialDescriptor,
    PublicKeyCredentialRpEntity, PublicKeyCredentialType, PublicKeyCredentialUserEntity,
    RegistrationExtensionInputs, ResidentKeyRequirement, UserVerificationRequirement, is_false,
};
use crate::{Base64Url, CoseAlgorithm};

/// What a relying party asks of a registration, in its JSON form
/// (`PublicKeyCredentialCreationOptionsJSON`, section 5.1.8).
///
/// [`from_graph_json`](Self::from_graph_json) reads what Microsoft Graph sends, which is not quite
/// that form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublicKeyCredentialCreationOptions {
    /// The relying party.
    pub rp: PublicKeyCredentialRpEntity,
    /// The user.
    pub user: PublicKeyCredentialUserEntity,
    /// The challenge, exactly as issued.
    pub challenge: Base64Url,
    /// The acceptable algorithms, preferred ones first.
    pub pub_key_cred_params: Vec<PublicKeyCredentialParameters>,
    /// How long the ceremony may take, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    /// Credentials of this user: an authenticator that holds one of them must not make another.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude_credentials: Vec<PublicKeyCredentialDescriptor>,
    /// Which authenticators are wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authenticator_selection: Option<AuthenticatorSelectionCriteria>,
    /// Hints to the user interface: `security-key`, `client-device`, `hybrid`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
    /// The attestation that is wanted.
    #[serde(default)]
    pub attestation: AttestationConveyancePreference,
    /// Attestation statement formats, preferred ones first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attestation_formats: Vec<String>,
    /// Extension inputs.
    #[serde(default, skip_serializing_if = "RegistrationExtensionInputs::is_empty")]
    pub extensions: RegistrationExtensionInputs,
}

/// An acceptable kind of credential and algorithm (section 5.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKeyCredentialParameters {
    /// Always `public-key`.
    #[serde(rename = "type", default)]
    pub type_: PublicKeyCredentialType,
    /// The algorithm.
    pub alg: CoseAlgorithm,
}

/// Which authenticators are wanted (section 5.4.4).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthenticatorSelectionCriteria {
    /// Built in, or removable; either when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authenticator_attachment: Option<AuthenticatorAttachment>,
    /// Whether the credential has to be discoverable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resident_key: Option<ResidentKeyRequirement>,
    /// The same as Level 1 said it; counts where `residentKey` is absent.
    #[serde(default, skip_serializing_if = "is_false")]
    pub require_resident_key: bool,
    /// Whether the user has to be verified.
    #[serde(default)]
    pub user_verification: UserVerificationRequirement,
}

impl PublicKeyCredentialCreationOptions {
    /// Whether the credential must be discoverable: `residentKey` is `required`, or is absent (or
    /// unknown) and `requireResidentKey` is true (section 5.4.4).
    #[must_use]
    pub fn require_resident_key(&self) -> bool {
        self.authenticator_selection
            .as_ref()
            .is_some_and(|selection| match &selection.resident_key {
                Some(ResidentKeyRequirement::Required) => true,
                Some(ResidentKeyRequirement::Discouraged | ResidentKeyRequirement::Preferred) => {
                    false
                }
                Some(ResidentKeyRequirement::Other(_)) | None => selection.require_resident_key,
            })
    }

    /// Whether the user must be verified.
    #[must_use]
    pub fn require_user_verification(&self) -> bool {
        self.authenticator_selection
            .as_ref()
            .is_some_and(|selection| {
                selection.user_verification == UserVerificationRequirement::Required
            })
    }

    /// The RP ID, where it is given.
    #[must_use]
    pub fn rp_id(&self) -> Option<&str> {
        self.rp.id.as_deref()
    }

    /// The acceptable algorithms in the relying party's order. Entries that are no `public-key` are
    /// left out, as section 5.1.3 has clients do, and an empty list means ES256 and RS256.
    #[must_use]
    pub fn algorithms(&self) -> Vec<CoseAlgorithm> {
        if self.pub_key_cred_params.is_empty() {
            return vec![CoseAlgorithm::ES256, CoseAlgorithm::RS256];
        }
        self.pub_key_cred_params
            .iter()
            .filter(|parameters| parameters.type_ == PublicKeyCredentialType::PublicKey)
            .map(|parameters| parameters.alg)
            .collect()
    }
}

impl PublicKeyCredentialParameters {
    /// A public-key credential of this algorithm.
    #[must_use]
    pub fn new(alg: CoseAlgorithm) -> Self {
        Self {
            type_: PublicKeyCredentialType::PublicKey,
            alg,
        }
    }
}

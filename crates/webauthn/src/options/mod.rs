//! What a relying party asks for: the options of a registration and of an authentication (WebAuthn
//! Level 3 sections 5.4 and 5.5) in their JSON form (sections 5.1.8 and 5.1.9).

mod creation;
mod entities;
mod enums;
mod extensions;
mod graph;
mod request;

pub use creation::{
    AuthenticatorSelectionCriteria, PublicKeyCredentialCreationOptions,
    PublicKeyCredentialParameters,
};
pub use entities::{
    PublicKeyCredentialDescriptor, PublicKeyCredentialRpEntity, PublicKeyCredentialUserEntity,
};
pub use enums::{
    AttestationConveyancePreference, AuthenticatorAttachment, LargeBlobSupport,
    PublicKeyCredentialType, ResidentKeyRequirement, UserVerificationRequirement,
};
pub use extensions::{
    CredBlob, CredentialProtectionPolicy, LargeBlobInputs, PrfInputs, PrfValues,
    RegistrationExtensionInputs,
};
pub use graph::OptionsError;
pub use request::PublicKeyCredentialRequestOptions;

fn is_false(value: &bool) -> bool {
    !value
}

#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod cbor;

mod aaguid;
mod attestation;
mod authentication;
mod authenticator_data;
mod base64url;
mod client_data;
mod cose;
mod error;
mod model_names;
mod options;
mod registration;

pub use aaguid::{Aaguid, InvalidAaguid};
pub use attestation::{
    AttestationObject, AttestationObjectError, AttestationType, CertificateError, Trust,
};
pub use authentication::{
    Assertion, AuthenticationExpectations, StoredCredential, VerifiedAuthentication,
    verify_authentication,
};
pub use authenticator_data::{
    AttestedCredentialData, AuthenticatorData, AuthenticatorDataError, AuthenticatorDataFlags,
};
pub use base64url::{Base64Url, InvalidBase64Url};
pub use client_data::{ClientDataError, ClientDataType, CollectedClientData};
pub use cose::{
    CoseAlgorithm, CoseKey, CoseKeyError, CoseKeyParameters, CoseKeyType, SignatureError,
};
pub use error::{
    AttestationStep, AuthenticationStep, Reason, RegistrationStep, Step, VerificationError,
};
pub use model_names::{MetadataBlobError, ModelNames};
pub use options::{
    AttestationConveyancePreference, AuthenticatorAttachment, AuthenticatorSelectionCriteria,
    CredBlob, CredentialProtectionPolicy, LargeBlobInputs, LargeBlobSupport, OptionsError,
    PrfInputs, PrfValues, PublicKeyCredentialCreationOptions, PublicKeyCredentialDescriptor,
    PublicKeyCredentialParameters, PublicKeyCredentialRequestOptions, PublicKeyCredentialRpEntity,
    PublicKeyCredentialType, PublicKeyCredentialUserEntity, RegistrationExtensionInputs,
    ResidentKeyRequirement, UserVerificationRequirement,
};
pub use registration::{
    AttestationPolicy, RegistrationExpectations, Relaxations, VerifiedRegistration,
    verify_registration,
};

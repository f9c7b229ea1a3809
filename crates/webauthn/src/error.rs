//! Why a ceremony fails: the step of the specification that says no, and what it found.

use std::fmt;

use crate::{
    AttestationType, AuthenticatorDataError, ClientDataError, CoseAlgorithm, SignatureError,
    attestation::{AttestationObjectError, CertificateError},
};

/// A refusal of [`verify_registration`](crate::verify_registration) or
/// [`verify_authentication`](crate::verify_authentication).
#[derive(Debug, thiserror::Error)]
#[error("{step}: {reason}")]
pub struct VerificationError {
    /// The step of the specification that refuses.
    pub step: Step,
    /// What it found.
    #[source]
    pub reason: Reason,
}

/// A step of WebAuthn Level 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// Of section 7.1, "Registering a New Credential".
    Registration(RegistrationStep),
    /// Of a format's verification procedure, which is step 22 of section 7.1.
    Attestation(AttestationStep),
    /// Of section 7.2, "Verifying an Authentication Assertion".
    Authentication(AuthenticationStep),
}

/// A step of an attestation statement format's verification procedure (section 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AttestationStep {
    /// The format's identifier, for example `packed`.
    pub format: &'static str,
    /// The section and the step in it, for example `8.2 step 2`.
    pub section: &'static str,
    /// What the step looks at.
    pub name: &'static str,
}

macro_rules! steps {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $number:literal, $text:literal;)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)+
        }

        impl $name {
            /// The number of the step in the specification.
            #[must_use]
            pub fn number(self) -> u8 {
                match self {
                    $(Self::$variant => $number,)+
                }
            }

            /// What the step looks at, in a few words.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }
    };
}

steps! {
    /// The steps of section 7.1 that can refuse.
    RegistrationStep {
        /// UTF-8 decode of the client data.
        ClientDataText = 5, "client data text";
        /// JSON parsing of the client data.
        ClientDataJson = 6, "client data JSON";
        /// `type` is `webauthn.create`.
        Type = 7, "type";
        /// The challenge.
        Challenge = 8, "challenge";
        /// The origin.
        Origin = 9, "origin";
        /// Frames that are not same-origin with their ancestors.
        CrossOrigin = 10, "cross origin";
        /// The top-level page's origin.
        TopOrigin = 11, "top origin";
        /// CBOR decoding of the attestation object and its authenticator data.
        AttestationObject = 13, "attestation object";
        /// The RP ID's hash.
        RpIdHash = 14, "RP ID hash";
        /// User presence.
        UserPresence = 15, "user presence";
        /// User verification.
        UserVerification = 16, "user verification";
        /// BS only with BE.
        BackupState = 17, "backup state";
        /// The credential's algorithm was asked for.
        Algorithm = 20, "algorithm";
        /// The attestation statement format is known.
        AttestationFormat = 21, "attestation statement format";
        /// The attestation is acceptable.
        Trust = 24, "attestation trustworthiness";
        /// The credential id's length.
        CredentialIdLength = 25, "credential id length";
    }
}

steps! {
    /// The steps of section 7.2 that can refuse.
    AuthenticationStep {
        /// The credential was one of the allowed ones.
        AllowCredentials = 5, "allowed credentials";
        /// The credential belongs to the user.
        User = 6, "user";
        /// Decoding of the response's parts.
        Response = 7, "response";
        /// UTF-8 decode of the client data.
        ClientDataText = 8, "client data text";
        /// JSON parsing of the client data.
        ClientDataJson = 9, "client data JSON";
        /// `type` is `webauthn.get`.
        Type = 10, "type";
        /// The challenge.
        Challenge = 11, "challenge";
        /// The origin.
        Origin = 12, "origin";
        /// Frames that are not same-origin with their ancestors.
        CrossOrigin = 13, "cross origin";
        /// The top-level page's origin.
        TopOrigin = 14, "top origin";
        /// The RP ID's hash.
        RpIdHash = 15, "RP ID hash";
        /// User presence.
        UserPresence = 16, "user presence";
        /// User verification.
        UserVerification = 17, "user verification";
        /// BS only with BE.
        BackupState = 18, "backup state";
        /// BE is what it was at registration.
        BackupEligibility = 19, "backup eligibility";
        /// The signature.
        Signature = 21, "signature";
        /// The signature counter.
        SignCount = 22, "signature counter";
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registration(step) => {
                write!(f, "registration step {} ({})", step.number(), step.name())
            }
            Self::Attestation(AttestationStep {
                format,
                section,
                name,
            }) => {
                write!(
                    f,
                    "registration step 22 (attestation statement {format}, section {section}, {name})"
                )
            }
            Self::Authentication(step) => {
                write!(f, "authentication step {} ({})", step.number(), step.name())
            }
        }
    }
}

/// What a step found that it does not accept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The client data cannot be read.
    #[error(transparent)]
    ClientData(#[from] ClientDataError),
    /// The client data is of another ceremony.
    #[error("the client data's type is {found:?} instead of {expected:?}")]
    Type {
        /// What it is.
        found: String,
        /// What it has to be.
        expected: &'static str,
    },
    /// The client data's challenge is another one.
    #[error("the client data's challenge is not the one that was issued")]
    Challenge,
    /// The origin is not expected.
    #[error("the origin {0:?} is not an expected one")]
    Origin(String),
    /// The ceremony took place in a cross-origin frame.
    #[error("the ceremony took place in a cross-origin frame, which is not expected")]
    CrossOrigin,
    /// The top-level page's origin is not expected.
    #[error("the top-level origin {0:?} is not an expected one")]
    TopOrigin(String),
    /// The attestation object cannot be read.
    #[error(transparent)]
    AttestationObject(#[from] AttestationObjectError),
    /// The authenticator data cannot be read.
    #[error(transparent)]
    AuthenticatorData(#[from] AuthenticatorDataError),
    /// The authenticator data has no attested credential data.
    #[error("the authenticator data has no attested credential data")]
    NoCredential,
    /// The authenticator data is for another RP ID.
    #[error("the authenticator data is not for the RP ID {0:?}")]
    RpIdHash(String),
    /// UP is not set.
    #[error("the authenticator did not see the user (UP is not set)")]
    UserNotPresent,
    /// UV is not set.
    #[error("the authenticator did not verify the user (UV is not set)")]
    UserNotVerified,
    /// BS is set without BE.
    #[error("the credential is backed up (BS) although it is not eligible for it (BE)")]
    BackupState,
    /// BE is not what it was.
    #[error("the credential's backup eligibility (BE) has changed to {0}")]
    BackupEligibility(bool),
    /// The algorithm was not asked for.
    #[error("the credential's algorithm {0} was not asked for")]
    Algorithm(CoseAlgorithm),
    /// The attestation statement format is not known.
    #[error("the attestation statement format {0:?} is not supported")]
    Format(String),
    /// The attestation statement does not have the format's form.
    #[error("the attestation statement {0}")]
    Statement(String),
    /// A signature is refused.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// An attestation certificate is refused.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The attestation is of a type that is not accepted.
    #[error("an attestation of type {0} is not accepted")]
    AttestationType(AttestationType),
    /// The attestation does not lead to a trust anchor.
    #[error("the attestation certificate leads to no trust anchor{}", .0.as_ref().map(|error| format!(": {error}")).unwrap_or_default())]
    Untrusted(#[source] Option<CertificateError>),
    /// The credential id is longer than 1,023 bytes.
    #[error("the credential id has {0} bytes (at most 1023 are allowed)")]
    CredentialIdLength(usize),
    /// The assertion is of a credential that was not allowed, or not the one on record.
    #[error("the assertion is of another credential")]
    UnexpectedCredential,
    /// The user handle is of another user.
    #[error("the assertion's user handle is of another user")]
    UserHandle,
    /// The signature counter did not grow: the authenticator may have been cloned.
    #[error(
        "the signature counter is {found} after {stored}: the authenticator may have been cloned"
    )]
    SignCount {
        /// The counter on record.
        stored: u32,
        /// The counter of the assertion.
        found: u32,
    },
}

/// Turns a refusal into the error of a step.
pub(crate) trait AtStep<T> {
    fn at(self, step: impl Into<Step>) -> Result<T, VerificationError>;
}

impl<T, E: Into<Reason>> AtStep<T> for Result<T, E> {
    fn at(self, step: impl Into<Step>) -> Result<T, VerificationError> {
        self.map_err(|reason| VerificationError {
            step: step.into(),
            reason: reason.into(),
        })
    }
}

/// Refuses at a step unless a condition holds.
pub(crate) fn ensure(
    condition: bool,
    step: impl Into<Step>,
    reason: impl FnOnce() -> Reason,
) -> Result<(), VerificationError> {
    if condition {
        Ok(())
    } else {
        Err(VerificationError {
            step: step.into(),
            reason: reason(),
        })
    }
}

impl From<RegistrationStep> for Step {
    fn from(step: RegistrationStep) -> Self {
        Self::Registration(step)
    }
}

impl From<AuthenticationStep> for Step {
    fn from(step: AuthenticationStep) -> Self {
        Self::Authentication(step)
    }
}

impl From<AttestationStep> for Step {
    fn from(step: AttestationStep) -> Self {
        Self::Attestation(step)
    }
}

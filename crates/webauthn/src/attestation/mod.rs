//! Attestation (WebAuthn Level 3 sections 6.5 and 8): the object, and one module per attestation
//! statement format.

mod certificate;
mod fido_u2f;
mod none;
mod object;
mod packed;
mod trust;

use std::fmt;

pub use certificate::CertificateError;
pub(crate) use object::AttestationObjectRef;
pub use object::{AttestationObject, AttestationObjectError};
pub(crate) use trust::assess;

use crate::{
    AttestationStep, Reason, Relaxations, Step, VerificationError,
    authenticator_data::{AttestedCredentialDataRef, AuthenticatorDataRef},
    cbor::CborError,
};

/// What an attestation proves (section 6.5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AttestationType {
    /// Nothing.
    None,
    /// Possession of the credential private key (`Self`).
    SelfAttestation,
    /// The model: the attestation key is shared by many authenticators. Also what cannot be told
    /// from [`AttCa`](Self::AttCa).
    Basic,
    /// The model, through a privacy CA that knows the single authenticator.
    AttCa,
    /// The model, through a CA that signs each credential anonymously.
    AnonCa,
}

impl fmt::Display for AttestationType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::SelfAttestation => "Self",
            Self::Basic => "Basic",
            Self::AttCa => "AttCA",
            Self::AnonCa => "AnonCA",
        })
    }
}

/// Whether an attestation's certificates lead to a trust anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Trust {
    /// They lead to one of the anchors.
    Root,
    /// They do not, or no anchors were given.
    Unknown,
    /// There are no certificates: attestation types None and Self.
    NotApplicable,
}

/// An attestation statement format (section 8). A new one is a file with a type that implements
/// this, and an entry in [`FORMATS`].
pub(crate) trait AttestationFormat: Sync {
    /// The identifier, as `fmt` has it.
    fn identifier(&self) -> &'static str;

    /// The format's verification procedure.
    fn verify<'a>(&self, input: &StatementInput<'a>) -> Result<Attested<'a>, VerificationError>;
}

/// What a verification procedure works on (section 6.5.2: "given attStmt, authenticatorData and
/// clientDataHash").
pub(crate) struct StatementInput<'a> {
    /// The encoded `attStmt`, a canonical map.
    pub(crate) att_stmt: &'a [u8],
    /// The encoded authenticator data.
    pub(crate) auth_data: &'a [u8],
    /// The same, parsed.
    pub(crate) authenticator_data: &'a AuthenticatorDataRef<'a>,
    /// Its credential.
    pub(crate) credential: &'a AttestedCredentialDataRef<'a>,
    /// SHA-256 of the client data.
    pub(crate) client_data_hash: &'a [u8],
    /// Rules not to insist on.
    pub(crate) relaxations: Relaxations,
}

/// What a verification procedure returns.
pub(crate) struct Attested<'a> {
    pub(crate) attestation_type: AttestationType,
    /// The certificates in DER, leaf first.
    pub(crate) trust_path: Vec<&'a [u8]>,
}

/// Every format that can be verified.
pub(crate) const FORMATS: &[&dyn AttestationFormat] =
    &[&packed::Packed, &none::None, &fido_u2f::FidoU2f];

impl StatementInput<'_> {
    /// The concatenation of authenticatorData and clientDataHash, which most formats sign.
    pub(crate) fn signed_data(&self) -> Vec<u8> {
        [self.auth_data, self.client_data_hash].concat()
    }
}

/// The refusal of a statement that does not have its format's syntax.
fn malformed(step: AttestationStep, what: impl fmt::Display) -> VerificationError {
    VerificationError {
        step: Step::Attestation(step),
        reason: Reason::Statement(what.to_string()),
    }
}

fn bad_cbor(step: AttestationStep) -> impl Fn(CborError) -> VerificationError {
    move |error| malformed(step, format_args!("is not as the format has it: {error}"))
}

//! Verifying an authentication assertion (WebAuthn Level 3 section 7.2).

use std::borrow::Cow;

use aws_lc_rs::digest::{SHA256, digest};
use ciborium::Value;

use crate::{
    AuthenticationStep as Step, AuthenticatorDataError, AuthenticatorDataFlags, ClientDataError,
    CoseKey, PublicKeyCredentialRequestOptions, Reason, VerificationError,
    authenticator_data::AuthenticatorDataRef,
    base64url, cbor,
    client_data::RawClientData,
    error::{AtStep, ensure},
    registration::host,
};

/// An assertion as the client returns it (`AuthenticatorAssertionResponse`, section 5.2.2).
#[derive(Clone, Copy, Debug)]
pub struct Assertion<'a> {
    /// The credential's id (`rawId`).
    pub credential_id: &'a [u8],
    /// The client data.
    pub client_data_json: &'a [u8],
    /// The authenticator data.
    pub authenticator_data: &'a [u8],
    /// The signature.
    pub signature: &'a [u8],
    /// The user handle, where there is one.
    pub user_handle: Option<&'a [u8]>,
}

/// The credential on record (section 4, "Credential Record").
#[derive(Clone, Copy, Debug)]
pub struct StoredCredential<'a> {
    /// The credential's id.
    pub id: &'a [u8],
    /// The credential public key.
    pub public_key: &'a CoseKey,
    /// The signature counter of the last ceremony.
    pub sign_count: u32,
    /// BE at registration, where it was recorded.
    pub backup_eligible: Option<bool>,
    /// The user's handle, where it was recorded.
    pub user_handle: Option<&'a [u8]>,
}

/// What a relying party expects of an authentication.
#[derive(Clone, Debug)]
pub struct AuthenticationExpectations<'a> {
    /// The RP ID.
    pub rp_id: &'a str,
    /// The origins where the ceremony may take place.
    pub origins: Cow<'a, [&'a str]>,
    /// The challenge that was issued.
    pub challenge: &'a [u8],
    /// The ids of the allowed credentials; empty means any.
    pub allow_credentials: Cow<'a, [&'a [u8]]>,
    /// Whether UV must be set.
    pub require_user_verification: bool,
    /// Whether the ceremony may take place in a cross-origin frame.
    pub allow_cross_origin: bool,
    /// The top-level origins of such frames.
    pub top_origins: Cow<'a, [&'a str]>,
    /// Whether to accept a signature counter that did not grow.
    pub allow_sign_count_rollback: bool,
}

/// An authentication that passed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct VerifiedAuthentication {
    /// The signature counter to store.
    pub sign_count: u32,
    /// The flags.
    pub flags: AuthenticatorDataFlags,
    /// The authenticator extension outputs, a map.
    pub extensions: Option<Value>,
}

impl<'a> AuthenticationExpectations<'a> {
    /// What follows from the options that were sent, for a ceremony that takes place at `origin`.
    #[must_use]
    pub fn from_options(options: &'a PublicKeyCredentialRequestOptions, origin: &'a str) -> Self {
        Self {
            rp_id: options.rp_id.as_deref().unwrap_or_else(|| host(origin)),
            origins: Cow::Owned(vec![origin]),
            challenge: options.challenge.as_bytes(),
            allow_credentials: options
                .allow_credentials
                .iter()
                .map(|descriptor| descriptor.id.as_bytes())
                .collect(),
            require_user_verification: options.require_user_verification(),
            allow_cross_origin: false,
            top_origins: Cow::Borrowed(&[]),
            allow_sign_count_rollback: false,
        }
    }
}

/// Verifies an assertion: the steps of section 7.2 from 5 to 22. Storing the new counter (step 24)
/// is the caller's.
///
/// # Errors
/// [`VerificationError`] names the step that refuses, and what it found.
pub fn verify_authentication(
    assertion: &Assertion<'_>,
    credential: &StoredCredential<'_>,
    expected: &AuthenticationExpectations<'_>,
) -> Result<VerifiedAuthentication, VerificationError> {
    // "5. If pkOptions.allowCredentials is not empty, verify that credential.id identifies one of
    // the public key credentials listed in pkOptions.allowCredentials."
    let allowed = &expected.allow_credentials;
    ensure(
        allowed.is_empty() || allowed.contains(&assertion.credential_id),
        Step::AllowCredentials,
        || Reason::UnexpectedCredential,
    )?;
    // "6. Identify the user being authenticated and let credentialRecord be the credential record
    // for the credential:"
    ensure(assertion.credential_id == credential.id, Step::User, || {
        Reason::UnexpectedCredential
    })?;
    // "If response.userHandle is present, verify that it equals the user handle of the user
    // account."
    if let (Some(found), Some(stored)) = (assertion.user_handle, credential.user_handle) {
        ensure(found == stored, Step::User, || Reason::UserHandle)?;
    }
    // "7. Let cData, authData and sig denote the value of response's clientDataJSON,
    // authenticatorData, and signature respectively."
    let authenticator_data =
        AuthenticatorDataRef::parse(assertion.authenticator_data).at(Step::Response)?;
    verify_client_data(assertion.client_data_json, expected)?;
    verify_authenticator_data(&authenticator_data, credential, expected)?;
    // "20. Let hash be the result of computing a hash over the cData using SHA-256."
    let hash = digest(&SHA256, assertion.client_data_json);
    // "21. Using credentialRecord.publicKey, verify that sig is a valid signature over the binary
    // concatenation of authData and hash."
    let message = [assertion.authenticator_data, hash.as_ref()].concat();
    credential
        .public_key
        .verify(&message, assertion.signature)
        .at(Step::Signature)?;
    // "22. If authData.signCount is nonzero or credentialRecord.signCount is nonzero, then run the
    // following sub-step: If authData.signCount is […] less than or equal to
    // credentialRecord.signCount: This is a signal, but not proof, that the authenticator may be
    // cloned."
    let (stored, found) = (credential.sign_count, authenticator_data.sign_count);
    let grew = found > stored || (found == 0 && stored == 0);
    ensure(
        grew || expected.allow_sign_count_rollback,
        Step::SignCount,
        || Reason::SignCount { stored, found },
    )?;
    let extensions = authenticator_data
        .extensions
        .map(cbor::from_canonical_slice)
        .transpose();
    Ok(VerifiedAuthentication {
        sign_count: found,
        flags: authenticator_data.flags,
        extensions: extensions
            .map_err(AuthenticatorDataError::from)
            .at(Step::Response)?,
    })
}

fn verify_client_data(
    client_data_json: &[u8],
    expected: &AuthenticationExpectations<'_>,
) -> Result<(), VerificationError> {
    // "8. Let JSONtext be the result of running UTF-8 decode on the value of cData."
    // "9. Let C, the client data claimed as used for the signature, be the result of running an
    // implementation-specific JSON parser on JSONtext."
    let c = RawClientData::parse(client_data_json).map_err(|error| {
        let step = if matches!(error, ClientDataError::NotUtf8(_)) {
            Step::ClientDataText
        } else {
            Step::ClientDataJson
        };
        VerificationError {
            step: step.into(),
            reason: error.into(),
        }
    })?;
    // "10. Verify that the value of C.type is the string webauthn.get."
    ensure(c.type_ == GET, Step::Type, || Reason::Type {
        found: c.type_.to_string(),
        expected: GET,
    })?;
    // "11. Verify that the value of C.challenge equals the base64url encoding of
    // pkOptions.challenge."
    ensure(
        base64url::is_encoding_of(&c.challenge, expected.challenge),
        Step::Challenge,
        || Reason::Challenge,
    )?;
    // "12. Verify that the value of C.origin is an origin expected by the Relying Party."
    ensure(expected.origins.contains(&&*c.origin), Step::Origin, || {
        Reason::Origin(c.origin.to_string())
    })?;
    // "13. If C.crossOrigin is present and set to true, verify that the Relying Party expects this
    // credential to be used within an iframe that is not same-origin with its ancestors."
    ensure(
        c.cross_origin != Some(true) || expected.allow_cross_origin,
        Step::CrossOrigin,
        || Reason::CrossOrigin,
    )?;
    // "14. If C.topOrigin is present: Verify that the Relying Party expects this credential to be
    // used within an iframe that is not same-origin with its ancestors. Verify that the value of
    // C.topOrigin matches the origin of a page that the Relying Party expects to be sub-framed
    // within."
    if let Some(top_origin) = &c.top_origin {
        ensure(expected.allow_cross_origin, Step::TopOrigin, || {
            Reason::CrossOrigin
        })?;
        let known = expected.top_origins.contains(&&**top_origin);
        ensure(known, Step::TopOrigin, || {
            Reason::TopOrigin(top_origin.to_string())
        })?;
    }
    Ok(())
}

fn verify_authenticator_data(
    authenticator_data: &AuthenticatorDataRef<'_>,
    credential: &StoredCredential<'_>,
    expected: &AuthenticationExpectations<'_>,
) -> Result<(), VerificationError> {
    let flags = authenticator_data.flags;
    // "15. Verify that the rpIdHash in authData is the SHA-256 hash of the RP ID expected by the
    // Relying Party."
    let rp_id_hash = digest(&SHA256, expected.rp_id.as_bytes());
    ensure(
        rp_id_hash.as_ref() == authenticator_data.rp_id_hash,
        Step::RpIdHash,
        || Reason::RpIdHash(expected.rp_id.to_owned()),
    )?;
    // "16. Verify that the UP bit of the flags in authData is set."
    ensure(flags.user_present(), Step::UserPresence, || {
        Reason::UserNotPresent
    })?;
    // "17. If user verification was determined to be required, verify that the UV bit of the flags
    // in authData is set. Otherwise, ignore the value of the UV flag."
    let verified = flags.user_verified() || !expected.require_user_verification;
    ensure(verified, Step::UserVerification, || Reason::UserNotVerified)?;
    // "18. If the BE bit of the flags in authData is not set, verify that the BS bit is not set."
    ensure(
        flags.backup_eligible() || !flags.backup_state(),
        Step::BackupState,
        || Reason::BackupState,
    )?;
    // "19. […] If credentialRecord.backupEligible is set, verify that currentBe is set. If
    // credentialRecord.backupEligible is not set, verify that currentBe is not set."
    let current = flags.backup_eligible();
    let same = credential
        .backup_eligible
        .is_none_or(|recorded| recorded == current);
    ensure(same, Step::BackupEligibility, || {
        Reason::BackupEligibility(current)
    })
}

const GET: &str = "webauthn.get";

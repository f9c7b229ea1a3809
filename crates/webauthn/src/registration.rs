//! Registering a new credential (WebAuthn Level 3 section 7.1).

use std::{borrow::Cow, time::SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use ciborium::Value;

use crate::{
    Aaguid, AttestationType, AuthenticatorDataError, AuthenticatorDataFlags, ClientDataError,
    CoseAlgorithm, CoseKey, PublicKeyCredentialCreationOptions, Reason, RegistrationStep as Step,
    Trust, VerificationError,
    attestation::{AttestationObjectRef, FORMATS, StatementInput, assess},
    authenticator_data::AuthenticatorDataRef,
    base64url, cbor,
    client_data::RawClientData,
    error::{AtStep, ensure},
};

/// What a relying party expects of a registration.
#[derive(Clone, Debug)]
pub struct RegistrationExpectations<'a> {
    /// The RP ID.
    pub rp_id: &'a str,
    /// The origins where the ceremony may take place.
    pub origins: Cow<'a, [&'a str]>,
    /// The challenge that was issued.
    pub challenge: &'a [u8],
    /// Whether UV must be set.
    pub require_user_verification: bool,
    /// Whether UP need not be set, because the ceremony's mediation was `conditional`.
    pub conditional_mediation: bool,
    /// The algorithms that were asked for.
    pub algorithms: Cow<'a, [CoseAlgorithm]>,
    /// Whether the ceremony may take place in a cross-origin frame.
    pub allow_cross_origin: bool,
    /// The top-level origins of such frames.
    pub top_origins: Cow<'a, [&'a str]>,
    /// Root certificates (or attestation certificates themselves) in DER. `None` when there are
    /// none to check against.
    pub trust_anchors: Option<&'a [Vec<u8>]>,
    /// Which attestations are acceptable.
    pub attestation_policy: AttestationPolicy,
    /// The time at which certificates have to be valid; `None` means now.
    pub time: Option<SystemTime>,
    /// Rules not to insist on.
    pub relaxations: Relaxations,
}

/// Which attestations are acceptable (step 24). All are, by default: the answer says what there
/// was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttestationPolicy {
    /// Accept type None.
    pub none: bool,
    /// Accept type Self.
    pub self_attestation: bool,
    /// Accept certificates that lead to no trust anchor.
    pub untrusted: bool,
}

/// Rules that real authenticators or published test vectors break. None is relaxed by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Relaxations {
    /// Accept a `fido-u2f` attestation whose AAGUID is not zero (CTAP 2.2 section 10.2 makes it
    /// zero).
    pub u2f_aaguid: bool,
}

/// A registration that passed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct VerifiedRegistration {
    /// The credential id.
    pub credential_id: Vec<u8>,
    /// The credential public key.
    pub public_key: CoseKey,
    /// The authenticator's model.
    pub aaguid: Aaguid,
    /// The signature counter.
    pub sign_count: u32,
    /// The flags.
    pub flags: AuthenticatorDataFlags,
    /// The attestation statement format.
    pub fmt: &'static str,
    /// What the attestation proves.
    pub attestation_type: AttestationType,
    /// The attestation certificates in DER, leaf first.
    pub trust_path: Vec<Vec<u8>>,
    /// Whether they lead to a trust anchor.
    pub trust: Trust,
    /// The authenticator extension outputs, a map.
    pub extensions: Option<Value>,
}

impl Default for AttestationPolicy {
    fn default() -> Self {
        Self {
            none: true,
            self_attestation: true,
            untrusted: true,
        }
    }
}

impl<'a> RegistrationExpectations<'a> {
    /// What follows from the options that were sent, for a ceremony that takes place at `origin`.
    /// The RP ID, where the options have none, is the origin's host.
    #[must_use]
    pub fn from_options(options: &'a PublicKeyCredentialCreationOptions, origin: &'a str) -> Self {
        Self {
            rp_id: options.rp_id().unwrap_or_else(|| host(origin)),
            origins: Cow::Owned(vec![origin]),
            challenge: options.challenge.as_bytes(),
            require_user_verification: options.require_user_verification(),
            conditional_mediation: false,
            algorithms: Cow::Owned(options.algorithms()),
            allow_cross_origin: false,
            top_origins: Cow::Borrowed(&[]),
            trust_anchors: None,
            attestation_policy: AttestationPolicy::default(),
            time: None,
            relaxations: Relaxations::default(),
        }
    }
}

/// Verifies a registration: the steps of section 7.1 that look at `clientDataJSON` and the
/// attestation object.
///
/// The rest is the caller's: steps 1 to 4 run the ceremony, step 26 asks whether the credential id
/// is already registered, and steps 27 to 29 store the credential.
///
/// # Errors
/// [`VerificationError`] names the step that refuses, and what it found.
pub fn verify_registration(
    client_data_json: &[u8],
    attestation_object: &[u8],
    expected: &RegistrationExpectations<'_>,
) -> Result<VerifiedRegistration, VerificationError> {
    verify_client_data(client_data_json, expected)?;
    // "12. Let hash be the result of computing a hash over response.clientDataJSON using SHA-256."
    let hash = digest(&SHA256, client_data_json);
    // "13. Perform CBOR decoding on the attestationObject field of the
    // AuthenticatorAttestationResponse structure to obtain the attestation statement format fmt,
    // the authenticator data authData, and the attestation statement attStmt."
    let object = AttestationObjectRef::decode(attestation_object).at(Step::AttestationObject)?;
    let authenticator_data =
        AuthenticatorDataRef::parse(object.auth_data).at(Step::AttestationObject)?;
    let credential = authenticator_data
        .attested_credential_data
        .as_ref()
        .ok_or(Reason::NoCredential)
        .at(Step::AttestationObject)?;
    let key = &credential.credential_public_key;
    key.check_on_curve()
        .map_err(AuthenticatorDataError::from)
        .at(Step::AttestationObject)?;
    verify_authenticator_data(&authenticator_data, expected)?;
    let algorithm = key.algorithm();
    // "20. Verify that the "alg" parameter in the credential public key in authData matches the alg
    // attribute of one of the items in pkOptions.pubKeyCredParams."
    ensure(
        expected.algorithms.contains(&algorithm),
        Step::Algorithm,
        || Reason::Algorithm(algorithm),
    )?;
    // "21. Determine the attestation statement format by performing a USASCII case-sensitive match
    // on fmt against the set of supported WebAuthn Attestation Statement Format Identifier values."
    let format = FORMATS
        .iter()
        .find(|format| format.identifier() == object.fmt)
        .ok_or_else(|| Reason::Format(object.fmt.to_owned()))
        .at(Step::AttestationFormat)?;
    // "22. Verify that attStmt is a correct attestation statement, conveying a valid attestation
    // signature, by using the attestation statement format fmt's verification procedure given
    // attStmt, authData and hash."
    let attested = format.verify(&StatementInput {
        att_stmt: object.att_stmt,
        auth_data: object.auth_data,
        authenticator_data: &authenticator_data,
        credential,
        client_data_hash: hash.as_ref(),
        relaxations: expected.relaxations,
    })?;
    let trust = assess_trust(attested.attestation_type, &attested.trust_path, expected)?;
    // "25. Verify that the credentialId is ≤ 1023 bytes. Credential IDs larger than this many bytes
    // SHOULD cause the RP to fail this registration ceremony."
    let length = credential.credential_id.len();
    ensure(
        length <= MAX_CREDENTIAL_ID,
        Step::CredentialIdLength,
        || Reason::CredentialIdLength(length),
    )?;
    let extensions = authenticator_data
        .extensions
        .map(cbor::from_canonical_slice)
        .transpose();
    Ok(VerifiedRegistration {
        credential_id: credential.credential_id.to_vec(),
        aaguid: credential.aaguid,
        sign_count: authenticator_data.sign_count,
        flags: authenticator_data.flags,
        fmt: format.identifier(),
        attestation_type: attested.attestation_type,
        trust_path: attested
            .trust_path
            .iter()
            .map(|certificate| certificate.to_vec())
            .collect(),
        trust,
        extensions: extensions
            .map_err(AuthenticatorDataError::from)
            .at(Step::AttestationObject)?,
        public_key: key.clone(),
    })
}

fn verify_client_data(
    client_data_json: &[u8],
    expected: &RegistrationExpectations<'_>,
) -> Result<(), VerificationError> {
    // "5. Let JSONtext be the result of running UTF-8 decode on the value of
    // response.clientDataJSON."
    // "6. Let C, the client data claimed as collected during the credential creation, be the result
    // of running an implementation-specific JSON parser on JSONtext."
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
    // "7. Verify that the value of C.type is webauthn.create."
    ensure(c.type_ == CREATE, Step::Type, || Reason::Type {
        found: c.type_.to_string(),
        expected: CREATE,
    })?;
    // "8. Verify that the value of C.challenge equals the base64url encoding of
    // pkOptions.challenge."
    ensure(
        base64url::is_encoding_of(&c.challenge, expected.challenge),
        Step::Challenge,
        || Reason::Challenge,
    )?;
    // "9. Verify that the value of C.origin is an origin expected by the Relying Party."
    ensure(expected.origins.contains(&&*c.origin), Step::Origin, || {
        Reason::Origin(c.origin.to_string())
    })?;
    // "10. If C.crossOrigin is present and set to true, verify that the Relying Party expects that
    // this credential would have been created within an iframe that is not same-origin with its
    // ancestors."
    ensure(
        c.cross_origin != Some(true) || expected.allow_cross_origin,
        Step::CrossOrigin,
        || Reason::CrossOrigin,
    )?;
    // "11. If C.topOrigin is present:"
    if let Some(top_origin) = &c.top_origin {
        // "Verify that the Relying Party expects that this credential would have been created
        // within an iframe that is not same-origin with its ancestors."
        ensure(expected.allow_cross_origin, Step::TopOrigin, || {
            Reason::CrossOrigin
        })?;
        // "Verify that the value of C.topOrigin matches the origin of a page that the Relying Party
        // expects to be sub-framed within."
        let known = expected.top_origins.contains(&&**top_origin);
        ensure(known, Step::TopOrigin, || {
            Reason::TopOrigin(top_origin.to_string())
        })?;
    }
    Ok(())
}

fn verify_authenticator_data(
    authenticator_data: &AuthenticatorDataRef<'_>,
    expected: &RegistrationExpectations<'_>,
) -> Result<(), VerificationError> {
    let flags = authenticator_data.flags;
    // "14. Verify that the rpIdHash in authData is the SHA-256 hash of the RP ID expected by the
    // Relying Party."
    let rp_id_hash = digest(&SHA256, expected.rp_id.as_bytes());
    ensure(
        rp_id_hash.as_ref() == authenticator_data.rp_id_hash,
        Step::RpIdHash,
        || Reason::RpIdHash(expected.rp_id.to_owned()),
    )?;
    // "15. If options.mediation is not set to conditional, verify that the UP bit of the flags in
    // authData is set."
    let present = flags.user_present() || expected.conditional_mediation;
    ensure(present, Step::UserPresence, || Reason::UserNotPresent)?;
    // "16. If the Relying Party requires user verification for this registration, verify that the
    // UV bit of the flags in authData is set."
    let verified = flags.user_verified() || !expected.require_user_verification;
    ensure(verified, Step::UserVerification, || Reason::UserNotVerified)?;
    // "17. If the BE bit of the flags in authData is not set, verify that the BS bit is not set."
    ensure(
        flags.backup_eligible() || !flags.backup_state(),
        Step::BackupState,
        || Reason::BackupState,
    )
}

fn assess_trust(
    attestation_type: AttestationType,
    trust_path: &[&[u8]],
    expected: &RegistrationExpectations<'_>,
) -> Result<Trust, VerificationError> {
    let policy = expected.attestation_policy;
    let not_accepted = || Reason::AttestationType(attestation_type);
    // "24. Assess the attestation trustworthiness using the outputs of the verification procedure
    // in step 21, as follows:"
    match attestation_type {
        // "If no attestation was provided, verify that None attestation is acceptable under Relying
        // Party policy."
        AttestationType::None => {
            ensure(policy.none, Step::Trust, not_accepted)?;
            Ok(Trust::NotApplicable)
        }
        // "If self attestation was used, verify that self attestation is acceptable under Relying
        // Party policy."
        AttestationType::SelfAttestation => {
            ensure(policy.self_attestation, Step::Trust, not_accepted)?;
            Ok(Trust::NotApplicable)
        }
        // "Otherwise, use the X.509 certificates returned as the attestation trust path from the
        // verification procedure to verify that the attestation public key either correctly chains
        // up to an acceptable root certificate, or is itself an acceptable certificate."
        AttestationType::Basic | AttestationType::AttCa | AttestationType::AnonCa => {
            let time = expected.time.unwrap_or_else(SystemTime::now);
            let refusal = match expected.trust_anchors {
                None => None,
                Some(anchors) => match assess(trust_path, anchors, time) {
                    Ok(()) => return Ok(Trust::Root),
                    Err(refusal) => refusal,
                },
            };
            ensure(policy.untrusted, Step::Trust, || Reason::Untrusted(refusal))?;
            Ok(Trust::Unknown)
        }
    }
}

/// The host of an origin, without its port.
pub(crate) fn host(origin: &str) -> &str {
    let authority = origin
        .split_once("://")
        .map_or(origin, |(_, authority)| authority);
    authority.split([':', '/']).next().unwrap_or(authority)
}

const CREATE: &str = "webauthn.create";
const MAX_CREDENTIAL_ID: usize = 1023;

//! Files of test vectors: registrations and authentications with what is known of them. Shared by
//! the tests and by the `verify` example.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use keywright_webauthn::{
    Assertion, AttestationObject, AttestationPolicy, AuthenticationExpectations, AuthenticatorData,
    Base64Url, CollectedClientData, CoseAlgorithm, RegistrationExpectations, Relaxations,
    StoredCredential, VerificationError, VerifiedAuthentication, VerifiedRegistration,
    verify_authentication, verify_registration,
};
use serde::Deserialize;

/// A file of vectors.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VectorFile {
    /// The vectors.
    #[serde(default)]
    pub(crate) vectors: Vec<Vector>,
    /// The root of their attestation certificates.
    pub(crate) attestation_root_cert_der: Option<Base64Url>,
}

/// A registration and its authentications.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Vector {
    pub(crate) name: String,
    pub(crate) rp_id: Option<String>,
    pub(crate) origin: Option<String>,
    pub(crate) top_origin: Option<String>,
    pub(crate) cross_origin: Option<bool>,
    /// Unix seconds.
    suggested_verify_time: Option<u64>,
    pub(crate) registration: Registration,
    pub(crate) authentication: Option<Authentication>,
    #[serde(default)]
    authentications: Vec<Authentication>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Registration {
    pub(crate) challenge: Option<Base64Url>,
    pub(crate) attestation_object: Base64Url,
    /// Some samples come without.
    #[serde(rename = "clientDataJSON")]
    pub(crate) client_data_json: Option<Base64Url>,
    #[serde(default)]
    pub(crate) expected: serde_json::Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Authentication {
    pub(crate) challenge: Option<Base64Url>,
    pub(crate) authenticator_data: Base64Url,
    #[serde(rename = "clientDataJSON")]
    pub(crate) client_data_json: Base64Url,
    pub(crate) signature: Base64Url,
    pub(crate) rp_id: Option<String>,
    pub(crate) origin: Option<String>,
    pub(crate) top_origin: Option<String>,
    pub(crate) cross_origin: Option<bool>,
    #[serde(default)]
    pub(crate) expected: serde_json::Value,
}

/// What all vectors of a run are checked against.
pub(crate) struct Policy {
    /// Trust anchors; none at all when there are none to check against.
    pub(crate) anchors: Option<Vec<Vec<u8>>>,
    /// Rules that the vectors break on purpose.
    pub(crate) relaxations: Relaxations,
}

/// Every rule that a published vector is known to break.
pub(crate) fn relaxed() -> Relaxations {
    let mut relaxations = Relaxations::default();
    relaxations.u2f_aaguid = true;
    relaxations
}

/// Why a ceremony could not be verified.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The verification refused it.
    Refused(VerificationError),
    /// There was nothing to verify it with.
    Unusable(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(error) => error.fmt(f),
            Self::Unusable(reason) => f.write_str(reason),
        }
    }
}

impl Vector {
    /// Verifies the registration.
    pub(crate) fn verify_registration(
        &self,
        policy: &Policy,
    ) -> Result<VerifiedRegistration, Failure> {
        let registration = &self.registration;
        let client_data_json = registration
            .client_data_json
            .as_ref()
            .ok_or_else(|| Failure::Unusable("the vector has no client data".to_owned()))?
            .as_bytes();
        let claimed = CollectedClientData::parse(client_data_json).ok();
        let rp_id_hash = AttestationObject::decode(registration.attestation_object.as_bytes())
            .ok()
            .and_then(|object| Some(*object.auth_data.first_chunk::<32>()?));
        let place = Place::new(
            [self.rp_id.as_deref(), None],
            [self.origin.as_deref(), None],
            claimed.as_ref(),
            rp_id_hash,
        );
        let challenge = registration
            .challenge
            .as_ref()
            .or(claimed.as_ref().map(|claimed| &claimed.challenge));
        let expected = RegistrationExpectations {
            rp_id: &place.rp_id,
            origins: Cow::Owned(vec![place.origin.as_str()]),
            challenge: challenge.map(Base64Url::as_bytes).unwrap_or_default(),
            require_user_verification: expects_uv(&registration.expected),
            conditional_mediation: false,
            algorithms: Cow::Borrowed(CoseAlgorithm::SUPPORTED),
            allow_cross_origin: self.cross_origin == Some(true),
            top_origins: self.top_origin.as_deref().into_iter().collect(),
            trust_anchors: policy.anchors.as_deref(),
            attestation_policy: AttestationPolicy::default(),
            time: self.suggested_verify_time.map(unix_time),
            relaxations: policy.relaxations,
        };
        verify_registration(
            client_data_json,
            registration.attestation_object.as_bytes(),
            &expected,
        )
        .map_err(Failure::Refused)
    }

    /// Verifies each authentication with the credential as the registration states it, whether that
    /// passes or not.
    pub(crate) fn verify_authentications(&self) -> Vec<Result<VerifiedAuthentication, Failure>> {
        self.authentication
            .iter()
            .chain(&self.authentications)
            .map(|authentication| self.verify_authentication(authentication))
            .collect()
    }

    fn verify_authentication(
        &self,
        authentication: &Authentication,
    ) -> Result<VerifiedAuthentication, Failure> {
        let unusable = |error: &dyn std::fmt::Display| {
            Failure::Unusable(format!("no credential to verify with: {error}"))
        };
        let object = AttestationObject::decode(self.registration.attestation_object.as_bytes())
            .map_err(|error| unusable(&error))?;
        let registered =
            AuthenticatorData::parse(&object.auth_data).map_err(|error| unusable(&error))?;
        let credential = registered
            .attested_credential_data
            .as_ref()
            .ok_or_else(|| unusable(&"no attested credential data"))?;
        let claimed = CollectedClientData::parse(authentication.client_data_json.as_bytes()).ok();
        let place = Place::new(
            [authentication.rp_id.as_deref(), self.rp_id.as_deref()],
            [authentication.origin.as_deref(), self.origin.as_deref()],
            claimed.as_ref(),
            authentication
                .authenticator_data
                .as_bytes()
                .first_chunk::<32>()
                .copied(),
        );
        let challenge = authentication
            .challenge
            .as_ref()
            .or(claimed.as_ref().map(|claimed| &claimed.challenge));
        let expected = AuthenticationExpectations {
            rp_id: &place.rp_id,
            origins: Cow::Owned(vec![place.origin.as_str()]),
            challenge: challenge.map(Base64Url::as_bytes).unwrap_or_default(),
            allow_credentials: Cow::Borrowed(&[]),
            require_user_verification: expects_uv(&authentication.expected),
            allow_cross_origin: authentication.cross_origin.or(self.cross_origin) == Some(true),
            top_origins: authentication
                .top_origin
                .as_deref()
                .or(self.top_origin.as_deref())
                .into_iter()
                .collect(),
            allow_sign_count_rollback: false,
        };
        let assertion = Assertion {
            credential_id: &credential.credential_id,
            client_data_json: authentication.client_data_json.as_bytes(),
            authenticator_data: authentication.authenticator_data.as_bytes(),
            signature: authentication.signature.as_bytes(),
            user_handle: None,
        };
        let stored = StoredCredential {
            id: &credential.credential_id,
            public_key: &credential.credential_public_key,
            sign_count: registered.sign_count,
            backup_eligible: Some(registered.flags.backup_eligible()),
            user_handle: None,
        };
        verify_authentication(&assertion, &stored, &expected).map_err(Failure::Refused)
    }
}

/// Where a ceremony takes place. What the vector does not say is taken from the ceremony itself.
struct Place {
    rp_id: String,
    origin: String,
}

impl Place {
    fn new(
        rp_ids: [Option<&str>; 2],
        origins: [Option<&str>; 2],
        claimed: Option<&CollectedClientData>,
        rp_id_hash: Option<[u8; 32]>,
    ) -> Self {
        let first =
            |values: [Option<&str>; 2]| values.into_iter().flatten().next().map(str::to_owned);
        let origin = first(origins)
            .or(claimed.map(|claimed| claimed.origin.clone()))
            .unwrap_or_default();
        let rp_id = first(rp_ids).unwrap_or_else(|| registrable_suffix(&origin, rp_id_hash));
        Self { rp_id, origin }
    }
}

/// The origin's host, or that parent domain of it whose hash the authenticator data has.
fn registrable_suffix(origin: &str, rp_id_hash: Option<[u8; 32]>) -> String {
    let authority = origin
        .split_once("://")
        .map_or(origin, |(_, authority)| authority);
    let host = authority.split([':', '/']).next().unwrap_or_default();
    let hash =
        |domain: &str| aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, domain.as_bytes());
    std::iter::successors(Some(host), |domain| {
        domain.split_once('.').map(|(_, parent)| parent)
    })
    .find(|domain| rp_id_hash.is_some_and(|expected| hash(domain).as_ref() == expected))
    .unwrap_or(host)
    .to_owned()
}

fn expects_uv(expected: &serde_json::Value) -> bool {
    expected.get("uv").and_then(serde_json::Value::as_bool) == Some(true)
}

fn unix_time(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

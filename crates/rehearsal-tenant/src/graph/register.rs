//! `POST …/fido2Methods`: everything a relying party has to check before it trusts a new credential.

use std::borrow::Cow;

use axum::http::StatusCode;
use keywright_webauthn::{
    AttestationPolicy, Base64Url, CollectedClientData, CoseAlgorithm, RegistrationExpectations,
    Relaxations, verify_registration,
};
use serde::Deserialize;
use serde_json::Value;

use super::options::{ALGORITHMS, RP_ID};
use super::{Call, Version, users};
use crate::answer::{Answer, Outcome, Refusal};
use crate::directory::TenantUser;
use crate::registry::RegisteredMethod;

/// `POST …/fido2Methods`.
pub(super) fn register(call: &Call<'_>, user: &str) -> Outcome {
    let outcome = try_register(call, user);
    if outcome.is_err() {
        call.state
            .count(|counters| counters.registrations_refused += 1);
    }
    outcome
}

fn try_register(call: &Call<'_>, user: &str) -> Outcome {
    let (index, user) = users::enrollable(call, user)?;
    let body = Body::read(call)?;
    let client_data = CollectedClientData::parse(&body.client_data_json.0)
        .map_err(|problem| Refusal::bad_request(format!("clientDataJSON: {problem}")))?;
    check_challenge(call, user, &client_data)?;
    let algorithms = ALGORITHMS.map(CoseAlgorithm);
    let expected = RegistrationExpectations {
        rp_id: RP_ID,
        origins: Cow::Borrowed(&[ORIGIN]),
        challenge: client_data.challenge.as_bytes(),
        require_user_verification: true,
        conditional_mediation: false,
        algorithms: Cow::Borrowed(&algorithms),
        allow_cross_origin: false,
        top_origins: Cow::Borrowed(&[]),
        trust_anchors: None,
        attestation_policy: AttestationPolicy::default(),
        time: None,
        relaxations: Relaxations::default(),
    };
    let verified = verify_registration(
        &body.client_data_json.0,
        &body.attestation_object.0,
        &expected,
    )
    .map_err(|problem| {
        Refusal::bad_request(format!("The credential could not be verified: {problem}"))
    })?;
    if !FORMATS.contains(&verified.fmt) {
        return Err(Refusal::bad_request(format!(
            "The attestation format '{}' is not supported.",
            verified.fmt
        )));
    }
    if verified.credential_id != body.id.0 {
        return Err(Refusal::bad_request(
            "publicKeyCredential.id is not the credential id of the attestation object.",
        ));
    }

    let model = call.state.models.name(verified.aaguid).map(str::to_owned);
    let method = RegisteredMethod::new(&verified, body.display_name, model, call.now);
    let mut answer = method.to_json();
    if let Some(answer) = answer.as_object_mut() {
        let context = call.context(&format!(
            "users('{}')/authentication/fido2Methods/$entity",
            user.id
        ));
        answer.insert("@odata.context".to_owned(), context.into());
        answer.insert(
            "@odata.type".to_owned(),
            "#microsoft.graph.fido2AuthenticationMethod".into(),
        );
    }
    call.state.registry().add(index, method).map_err(|_| {
        Refusal::new(
            StatusCode::CONFLICT,
            "conflict",
            "A credential with this id is already registered.",
        )
    })?;
    let lost = call.state.faults().loses_answer();
    call.state.count(|counters| {
        counters.registrations += 1;
        counters.answers_lost += u64::from(lost);
    });
    Ok(Answer {
        lost,
        ..Answer::created(answer)
    })
}

/// The challenge is ours, for this user, and still alive. Within its life it can be used again.
fn check_challenge(
    call: &Call<'_>,
    user: &TenantUser,
    client_data: &CollectedClientData,
) -> Result<(), Refusal> {
    let claims = call
        .state
        .sealer
        .open(client_data.challenge.as_bytes())
        .map_err(|_| {
            Refusal::bad_request("The challenge was not issued by this tenant, or was changed.")
        })?;
    if claims.user != user.id {
        return Err(Refusal::bad_request(
            "The challenge was issued for another user.",
        ));
    }
    if claims.expires <= call.now {
        return Err(Refusal::bad_request(format!(
            "The challenge expired at {}.",
            claims.expires
        )));
    }
    Ok(())
}

/// The parts of the request body that matter.
struct Body {
    display_name: String,
    id: Base64Url,
    client_data_json: Base64Url,
    attestation_object: Base64Url,
}

impl Body {
    fn read(call: &Call<'_>) -> Result<Self, Refusal> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Method {
            display_name: String,
            public_key_credential: Credential,
        }
        #[derive(Deserialize)]
        struct Credential {
            id: Base64Url,
            response: Response,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Response {
            #[serde(rename = "clientDataJSON", alias = "clientDataJson")]
            client_data_json: Base64Url,
            attestation_object: Base64Url,
        }
        if !has_json(call) {
            return Err(Refusal::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Request_BadRequest",
                "Write requests (excluding DELETE) must contain the Content-Type header declaration application/json.",
            ));
        }
        let value: Value = serde_json::from_slice(call.body).map_err(|problem| {
            Refusal::bad_request(format!("Unable to read JSON request payload: {problem}"))
        })?;
        // What some SDKs send on beta, and what Graph answers to it.
        let annotated = value.get("@odata.type").is_some() && call.version == Version::Beta;
        let complete =
            value.get("displayName").is_some() && value.get("publicKeyCredential").is_some();
        if annotated || !complete {
            return Err(Refusal::bad_request(MISSING_ENTITY));
        }
        let method: Method = serde_json::from_value(value).map_err(|problem| {
            Refusal::bad_request(format!(
                "The fido2AuthenticationMethod is not valid: {problem}"
            ))
        })?;
        let length = method.display_name.encode_utf16().count();
        if !(1..=MAX_DISPLAY_NAME).contains(&length) {
            return Err(Refusal::bad_request(format!(
                "displayName has {length} characters; it must have 1 to {MAX_DISPLAY_NAME}."
            )));
        }
        let Credential { id, response } = method.public_key_credential;
        Ok(Self {
            display_name: method.display_name,
            id,
            client_data_json: response.client_data_json,
            attestation_object: response.attestation_object,
        })
    }
}

fn has_json(call: &Call<'_>) -> bool {
    call.headers
        .get("content-type")
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.to_ascii_lowercase().starts_with("application/json"))
}

/// In UTF-16 code units.
const MAX_DISPLAY_NAME: usize = 30;

const ORIGIN: &str = "https://login.microsoft.com";

/// "Currently only packed or none."
const FORMATS: [&str; 2] = ["packed", "none"];

const MISSING_ENTITY: &str = "The request is missing a fido2AuthenticationMethod entity with a displayName and publicKeyCredential in the request body. All other properties will be ignored.";

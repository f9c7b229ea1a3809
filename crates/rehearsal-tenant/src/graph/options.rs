//! `creationOptions`.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{Call, Version, users};
use crate::answer::{Answer, Outcome, Refusal};
use crate::registry::url_token_encode;
use crate::seal::Claims;

/// The relying party of Entra.
pub(super) const RP_ID: &str = "login.microsoft.com";

/// The algorithms asked for: ES256 and RS256.
pub(super) const ALGORITHMS: [i64; 2] = [-7, -257];

/// `GET …/creationOptions`, in all its forms.
pub(super) fn issue(call: &Call<'_>, user: &str, segment: &str) -> Outcome {
    let asked = asked_life(call, segment)?;
    let (index, user) = users::enrollable(call, user)?;
    let life = call.state.faults().challenge_life.unwrap_or(asked);
    let expires = call.now.checked_add(life).unwrap_or(call.now);
    let claims = Claims {
        user: user.id,
        expires,
    };
    let challenge = call
        .state
        .sealer
        .seal(claims)
        .map_err(|_| Refusal::no_randomness())?;
    let excluded: Vec<Value> = call
        .state
        .registry()
        .of(index)
        .iter()
        .map(|method| {
            // The two versions write ids differently: beta with the padding digit, v1.0 as plain base64url.
            let id = match call.version {
                Version::Beta => url_token_encode(&method.credential_id),
                Version::V1 => URL_SAFE_NO_PAD.encode(&method.credential_id),
            };
            json!({"id": id, "type": "public-key", "transports": []})
        })
        .collect();
    call.state.count(|counters| counters.options += 1);
    Ok(Answer::ok(json!({
        "@odata.context": call.context("microsoft.graph.webauthnCredentialCreationOptions"),
        "challengeTimeoutDateTime": expires,
        "publicKey": {
            "challenge": URL_SAFE_NO_PAD.encode(&challenge),
            "timeout": 0,
            "attestation": "direct",
            "rp": {"id": RP_ID, "name": "Microsoft"},
            "user": {
                "id": URL_SAFE_NO_PAD.encode(call.state.sealer.user_handle(user.id)),
                "displayName": user.display_name,
                "name": user.user_principal_name
            },
            "pubKeyCredParams": ALGORITHMS.map(|alg| json!({"type": "public-key", "alg": alg})),
            "excludeCredentials": excluded,
            "authenticatorSelection": {
                "authenticatorAttachment": "cross-platform", "requireResidentKey": true, "userVerification": "required"
            },
            "extensions": {
                "hmacCreateSecret": true, "enforceCredentialProtectionPolicy": true,
                "credentialProtectionPolicy": "userVerificationOptional"
            }
        }
    })))
}

/// How long the challenge shall live, by the parameter of the function or of the query; v1.0 takes neither.
fn asked_life(call: &Call<'_>, segment: &str) -> Result<Duration, Refusal> {
    let in_function = match segment.split_once('(') {
        None if segment.eq_ignore_ascii_case(FUNCTION) => None,
        Some((name, arguments)) if name.eq_ignore_ascii_case(FUNCTION) => {
            Some(argument(segment, arguments)?)
        }
        _ => return Err(Refusal::no_segment(segment)),
    };
    let in_query = call.query.get(PARAMETER);
    let faults = call.state.faults();
    let refused = (in_function.is_some() && faults.refuse_function_form)
        || (in_query.is_some() && faults.refuse_query_form);
    if refused {
        return Err(Refusal::not_allowed());
    }
    let Some(minutes) = in_function.or(in_query) else {
        return Ok(DEFAULT_LIFE);
    };
    if call.version == Version::V1 {
        return Err(Refusal::bad_request(
            "Custom challenge timeout values are not supported in v1.0.",
        ));
    }
    match minutes.parse::<u64>() {
        Ok(minutes @ 5..=43_200) => Ok(Duration::from_secs(minutes * 60)),
        _ => Err(Refusal::bad_request(format!(
            "The value '{minutes}' of {PARAMETER} is not valid; it must be an integer between 5 and 43200."
        ))),
    }
}

/// The value in `challengeTimeoutInMinutes=n)`.
fn argument<'a>(segment: &str, arguments: &'a str) -> Result<&'a str, Refusal> {
    arguments
        .strip_suffix(')')
        .and_then(|arguments| arguments.split_once('='))
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case(PARAMETER))
        .map(|(_, value)| value.trim())
        .ok_or_else(|| Refusal::no_segment(segment))
}

const FUNCTION: &str = "creationOptions";
const PARAMETER: &str = "challengeTimeoutInMinutes";
const DEFAULT_LIFE: Duration = Duration::from_secs(5 * 60);

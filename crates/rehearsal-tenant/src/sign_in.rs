//! The token endpoint: `POST /{tenant}/oauth2/v2.0/token`, client credentials only.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use axum::http::{HeaderMap, Method, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use url::{Host, Url};
use uuid::Uuid;

use crate::answer::Refusal;
use crate::tenant::State;

/// Status and body of the endpoint's answer.
pub(crate) fn answer(
    state: &State,
    tenant: &str,
    method: &Method,
    body: &[u8],
    now: Timestamp,
) -> (StatusCode, Value) {
    match grant(state, tenant, method, body) {
        Ok(token) => {
            state.count(|counters| counters.tokens += 1);
            let life = state.tokens.life.as_secs();
            let body = json!({"token_type": "Bearer", "expires_in": life, "ext_expires_in": life, "access_token": token});
            (StatusCode::OK, body)
        }
        Err(problem) => {
            state.count(|counters| counters.sign_ins_refused += 1);
            (problem.status, problem.to_json(now))
        }
    }
}

fn grant(state: &State, tenant: &str, method: &Method, body: &[u8]) -> Result<String, Problem> {
    if method != Method::POST {
        let text = format!("The endpoint only accepts POST requests. Received a {method} request.");
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            900_561,
            text,
        ));
    }
    if !tenant.eq_ignore_ascii_case(&state.tenant_name)
        && !tenant.eq_ignore_ascii_case(&state.tenant_id.to_string())
    {
        let text = format!(
            "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant."
        );
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            90_002,
            text,
        ));
    }
    let form: HashMap<String, String> = url::form_urlencoded::parse(body).into_owned().collect();
    let parameter = |name: &str| {
        form.get(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| {
                let text =
                    format!("The request body must contain the following parameter: '{name}'.");
                Problem::new(StatusCode::BAD_REQUEST, "invalid_request", 900_144, text)
            })
    };

    let grant_type = parameter("grant_type")?;
    if grant_type != "client_credentials" {
        let text = format!("The app requested an unsupported grant type '{grant_type}'.");
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "unsupported_grant_type",
            70_003,
            text,
        ));
    }
    let client_id = parameter("client_id")?;
    if !client_id.eq_ignore_ascii_case(&state.client_id) {
        let text = format!(
            "Application with identifier '{client_id}' was not found in the directory '{}'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.",
            state.tenant_name
        );
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "unauthorized_client",
            700_016,
            text,
        ));
    }
    let Some(secret) = form
        .get("client_secret")
        .filter(|secret| !secret.is_empty())
    else {
        let text = "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.";
        return Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "invalid_client",
            7_000_216,
            text.to_owned(),
        ));
    };
    if verify_slices_are_equal(
        secret.as_bytes(),
        state.client_secret.expose_secret().as_bytes(),
    )
    .is_err()
    {
        let text = format!(
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{}'.",
            state.client_id
        );
        return Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "invalid_client",
            7_000_215,
            text,
        ));
    }
    check_scope(parameter("scope")?, state)?;
    state.tokens.issue().map_err(|_| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "temporarily_unavailable",
            90_033,
            "A transient error has occurred. Please try again.".to_owned(),
        )
    })
}

/// `{resource}/.default`, where the resource is Graph: by its real name, or by the address this server has.
fn check_scope(scope: &str, state: &State) -> Result<(), Problem> {
    let resource = scope.strip_suffix("/.default").ok_or_else(|| {
        let text = format!(
            "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI)."
        );
        Problem::new(StatusCode::BAD_REQUEST, "invalid_scope", 1_002_012, text)
    })?;
    let is_graph = Url::parse(resource).is_ok_and(|url| match url.host() {
        Some(Host::Domain(name)) => name == "graph.microsoft.com" || name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    });
    if is_graph {
        return Ok(());
    }
    let text = format!(
        "The resource principal named {resource} was not found in the tenant named {}. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant.",
        state.tenant_name
    );
    Err(Problem::new(
        StatusCode::BAD_REQUEST,
        "invalid_resource",
        500_011,
        text,
    ))
}

/// A refusal of the token endpoint.
struct Problem {
    status: StatusCode,
    error: &'static str,
    code: u32,
    text: String,
}

impl Problem {
    fn new(status: StatusCode, error: &'static str, code: u32, text: String) -> Self {
        Self {
            status,
            error,
            code,
            text,
        }
    }

    fn to_json(&self, now: Timestamp) -> Value {
        let (trace_id, correlation_id) = (Uuid::new_v4(), Uuid::new_v4());
        let timestamp = now.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        json!({
            "error": self.error,
            "error_description": format!(
                "AADSTS{}: {} Trace ID: {trace_id} Correlation ID: {correlation_id} Timestamp: {timestamp}",
                self.code, self.text
            ),
            "error_codes": [self.code],
            "timestamp": timestamp,
            "trace_id": trace_id,
            "correlation_id": correlation_id,
            "error_uri": format!("https://login.microsoftonline.com/error?code={}", self.code)
        })
    }
}

/// The access tokens that are good. Only their hashes are kept.
pub(crate) struct Tokens {
    life: Duration,
    good_until: Mutex<HashMap<Vec<u8>, Instant>>,
}

impl Tokens {
    pub(crate) fn new(life: Duration) -> Self {
        Self {
            life,
            good_until: Mutex::default(),
        }
    }

    fn issue(&self) -> Result<String, aws_lc_rs::error::Unspecified> {
        let mut bytes = [0; 96];
        rand::fill(&mut bytes)?;
        let token = format!("{TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
        let now = Instant::now();
        let mut good_until = self
            .good_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Those that ran out a while ago are not even remembered as expired.
        good_until.retain(|_, end| *end + REMEMBERED > now);
        good_until.insert(hash(&token), now + self.life);
        Ok(token)
    }

    pub(crate) fn revoke_all(&self) {
        self.good_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// Checks `Authorization: Bearer …`.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(header) = headers.get("authorization") else {
            return Err(Refusal::unauthenticated("Access token is empty."));
        };
        let token = header
            .to_str()
            .ok()
            .and_then(|header| header.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or_else(|| Refusal::unauthenticated("Access token is empty."))?;
        let good_until = self
            .good_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match good_until.get(&hash(token)) {
            None => Err(Refusal::unauthenticated(
                "Access token validation failure. Invalid token.",
            )),
            Some(end) if *end <= Instant::now() => Err(Refusal::unauthenticated(
                "Lifetime validation failed, the token is expired.",
            )),
            Some(_) => Ok(()),
        }
    }
}

/// What every access token of a rehearsal tenant begins with, so that a search finds one that has leaked.
pub const TOKEN_PREFIX: &str = "keywright-rehearsal-token.";

const REMEMBERED: Duration = Duration::from_secs(3600);

fn hash(token: &str) -> Vec<u8> {
    digest(&SHA256, token.as_bytes()).as_ref().to_vec()
}

//! Access tokens and where they come from.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::zeroize::Zeroize;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use crate::aadsts::{SignInError, split_description};
use crate::config::{GraphConfig, RetryPolicy};
use crate::error::{Error, NetworkFailure, Result};
use crate::pace::Backoff;
use crate::transport::{self, Answer, ReadProblem};
use crate::uri;

/// A bearer token for Graph. It is zeroized when dropped and has no readable `Debug`.
#[derive(Clone)]
pub struct AccessToken(SecretString);

impl AccessToken {
    /// Takes the token as the token endpoint gave it.
    pub fn new(token: impl Into<SecretString>) -> Self {
        Self(token.into())
    }

    /// Whether both are the same token, for a [`TokenSource`] to see whether the refused one is still the one it holds.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }

    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(…)")
    }
}

/// Where the client gets its tokens: a client secret here; a certificate, a managed identity or a person elsewhere.
#[async_trait]
pub trait TokenSource: Send + Sync {
    /// A token that can be used now. Called for every request, so an implementation keeps its token while it lives.
    ///
    /// `refused` is a token that Graph answered with 401: the source must not give it again. It gets a new one,
    /// unless another caller already did so in the meantime.
    async fn token(&self, refused: Option<&AccessToken>) -> Result<AccessToken>;
}

/// A token source for an application with a client secret (OAuth 2.0 client credentials).
///
/// The token is kept and renewed when 80 % of its life are over. Callers that come at the same time share one request.
/// Should the renewal fail for a passing reason, the old token serves on while it lives.
pub struct ClientSecret {
    http: reqwest::Client,
    token_endpoint: Url,
    client_id: String,
    scope: String,
    secret: SecretString,
    retry: RetryPolicy,
    state: Mutex<State>,
    rounds: AtomicU64,
}

impl ClientSecret {
    /// Prepares the source; nothing is sent yet.
    ///
    /// The token is asked for the configured tenant at the configured authority, with the scope
    /// `{graph_endpoint}/.default`.
    pub fn new(config: &GraphConfig, secret: SecretString) -> Result<Self> {
        config.check()?;
        let mut token_endpoint = config.authority.clone();
        uri::extend(
            &mut token_endpoint,
            &[&config.tenant, "oauth2", "v2.0", "token"],
        );
        Ok(Self {
            http: transport::client(&config.authority, config)?,
            token_endpoint,
            client_id: config.client_id.clone(),
            scope: format!(
                "{}/.default",
                config.graph_endpoint.as_str().trim_end_matches('/')
            ),
            secret,
            retry: config.retry.clone(),
            state: Mutex::default(),
            rounds: AtomicU64::new(0),
        })
    }

    async fn renew(&self) -> Result<Held> {
        let mut backoff = Backoff::new(&self.retry);
        loop {
            let failure = match self.request().await {
                Ok(held) => return Ok(held),
                Err(failure) => failure,
            };
            match backoff.next(failure.retry_after) {
                Some(wait) if failure.error.is_transient() => tokio::time::sleep(wait).await,
                _ => return Err(failure.error),
            }
        }
    }

    async fn request(&self) -> Result<Held, Failure> {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", self.client_id.as_str()),
            ("client_secret", self.secret.expose_secret()),
            ("scope", self.scope.as_str()),
        ];
        let client_request_id = uuid::Uuid::new_v4().to_string();
        let sent = Instant::now();
        let network = |source: reqwest::Error| {
            Failure::from(Error::Network(Box::new(NetworkFailure {
                operation: OPERATION,
                server: transport::server(&self.token_endpoint),
                attempts: 1,
                client_request_id: client_request_id.clone(),
                not_sent: source.is_connect(),
                outcome_unknown: false,
                source: source.without_url(),
            })))
        };
        let response = self
            .http
            .post(self.token_endpoint.clone())
            .header("client-request-id", &client_request_id)
            .header(reqwest::header::ACCEPT, "application/json")
            .form(&form)
            .send()
            .await
            .map_err(network)?;
        let mut answer = transport::read(response)
            .await
            .map_err(|problem| match problem {
                ReadProblem::Http(source) => network(source),
                ReadProblem::TooLarge => {
                    Failure::from(sign_in(None, "the token endpoint's answer is too large"))
                }
            })?;
        if answer.status.is_success() {
            let held = Held::from_answer(&answer.body, sent);
            answer.body.zeroize();
            return held.map_err(|problem| {
                Failure::from(sign_in(
                    Some(answer.status.as_u16()),
                    &format!(
                        "the token endpoint {} answered {problem}",
                        transport::server(&self.token_endpoint)
                    ),
                ))
            });
        }
        Err(Failure {
            retry_after: answer.retry_after(),
            error: self.refusal(&answer),
        })
    }

    /// The error of RFC 6749 §5.2, with the members that Entra adds.
    fn refusal(&self, answer: &Answer) -> Error {
        #[derive(Deserialize)]
        struct Refusal {
            error: String,
            #[serde(default)]
            error_description: String,
            #[serde(default)]
            error_codes: Vec<u32>,
            trace_id: Option<String>,
            correlation_id: Option<String>,
        }
        let status = answer.status.as_u16();
        let Ok(refusal) = serde_json::from_slice::<Refusal>(&answer.body) else {
            return sign_in(
                Some(status),
                &format!(
                    "{} answered {status} with {}",
                    transport::server(&self.token_endpoint),
                    self.redact(&answer.describe())
                ),
            );
        };
        let error = self.redact(&refusal.error);
        let (code, description) = split_description(&self.redact(&refusal.error_description));
        Error::from(Box::new(SignInError {
            code: code.or_else(|| refusal.error_codes.first().copied()),
            description: if description.is_empty() {
                error.clone()
            } else {
                description
            },
            error,
            status: Some(status),
            trace_id: refusal.trace_id.map(|id| self.redact(&id)),
            correlation_id: refusal.correlation_id.map(|id| self.redact(&id)),
        }))
    }

    /// Should something between us and Entra echo the request, the secret must not reach an error text, neither as it
    /// is nor as the form encodes it.
    fn redact(&self, text: &str) -> String {
        let secret = self.secret.expose_secret();
        if secret.is_empty() {
            return text.to_owned();
        }
        let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        text.replace(secret, REDACTED).replace(&encoded, REDACTED)
    }
}

#[async_trait]
impl TokenSource for ClientSecret {
    async fn token(&self, refused: Option<&AccessToken>) -> Result<AccessToken> {
        let seen = self.rounds.load(Ordering::Acquire);
        // Held while the request is under way: this is what makes it a single flight.
        let mut state = self.state.lock().await;
        if let Some(held) = &state.held
            && held.is_fresh()
            && !refused.is_some_and(|refused| refused.is_same_as(&held.token))
        {
            return Ok(held.token.clone());
        }
        // Those who waited for a round that failed share its outcome: asking again, one after the other, would only be a
        // loop of the kind that Entra answers with AADSTS50196.
        if self.rounds.load(Ordering::Acquire) != seen
            && let Some(failure) = &state.refusal
        {
            return Err(Error::from(failure.clone()));
        }
        let outcome = self.renew().await;
        self.rounds.fetch_add(1, Ordering::AcqRel);
        match outcome {
            Ok(held) => {
                let token = held.token.clone();
                *state = State {
                    held: Some(held),
                    refusal: None,
                };
                Ok(token)
            }
            Err(error) => {
                if let Some(held) = &state.held
                    && error.is_transient()
                    && held.is_alive()
                    && !refused.is_some_and(|refused| refused.is_same_as(&held.token))
                {
                    return Ok(held.token.clone());
                }
                state.held = None;
                state.refusal = Some(match &error {
                    Error::SignIn(failure) => failure.clone(),
                    other => without_answer(other),
                });
                Err(error)
            }
        }
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSecret")
            .field("token_endpoint", &self.token_endpoint.as_str())
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    /// Why the last round failed, if it did.
    refusal: Option<Box<SignInError>>,
}

struct Held {
    token: AccessToken,
    renew_at: Instant,
    ends_at: Instant,
}

impl Held {
    /// RFC 6749 §5.1. The life counts from the moment the request was sent, which is before the token was made.
    fn from_answer(body: &[u8], sent: Instant) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Granted {
            access_token: String,
            token_type: String,
            expires_in: u32,
        }
        // serde's text may quote the answer, which holds a token; only the place is told.
        let granted: Granted =
            serde_json::from_slice(body).map_err(|problem| transport::json_problem(&problem))?;
        let token = SecretString::from(granted.access_token);
        if !granted.token_type.eq_ignore_ascii_case("bearer") {
            return Err("a token that is not a bearer token".to_owned());
        }
        if reqwest::header::HeaderValue::from_str(token.expose_secret()).is_err() {
            return Err("a token that cannot be put into a header".to_owned());
        }
        let life = Duration::from_secs(granted.expires_in.into());
        Ok(Self {
            token: AccessToken(token),
            renew_at: sent + life * 4 / 5,
            ends_at: sent + life,
        })
    }

    fn is_fresh(&self) -> bool {
        Instant::now() < self.renew_at
    }

    fn is_alive(&self) -> bool {
        Instant::now() < self.ends_at
    }
}

struct Failure {
    error: Error,
    retry_after: Option<Duration>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            error,
            retry_after: None,
        }
    }
}

const OPERATION: &str = "sign in";
const REDACTED: &str = "[client secret]";

/// What is left of an error that cannot be shared, for those who share it.
fn without_answer(error: &Error) -> Box<SignInError> {
    Box::new(SignInError {
        code: None,
        error: String::new(),
        description: error.to_string(),
        status: None,
        trace_id: None,
        correlation_id: None,
    })
}

fn sign_in(status: Option<u16>, description: &str) -> Error {
    Error::from(Box::new(SignInError {
        code: None,
        error: String::new(),
        description: description.to_owned(),
        status,
        trace_id: None,
        correlation_id: None,
    }))
}

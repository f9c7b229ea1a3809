//! Sending one operation: token, pace, attempts, and what an answer means.

use std::fmt;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::client::GraphClient;
use crate::error::{Error, GraphFailure, NetworkFailure, Result, UnexpectedAnswer};
use crate::event::GraphEvent;
use crate::pace::Backoff;
use crate::token::AccessToken;
use crate::transport::{self, Answer, ReadProblem};

/// One logical operation; all its attempts carry the same `client-request-id`.
pub(crate) struct Call {
    operation: &'static str,
    method: Method,
    url: Url,
    body: Option<Vec<u8>>,
    eventual: bool,
    client_request_id: String,
}

impl Call {
    pub(crate) fn new(operation: &'static str, method: Method, url: Url) -> Self {
        let client_request_id = uuid::Uuid::new_v4().to_string();
        Self {
            operation,
            method,
            url,
            body: None,
            eventual: false,
            client_request_id,
        }
    }

    pub(crate) fn get(operation: &'static str, url: Url) -> Self {
        Self::new(operation, Method::GET, url)
    }

    /// With a JSON body.
    pub(crate) fn with_body(mut self, body: Vec<u8>) -> Self {
        self.body = Some(body);
        self
    }

    /// With `ConsistencyLevel: eventual`, which advanced queries (a cast, `$count`) need.
    pub(crate) fn eventual(mut self) -> Self {
        self.eventual = true;
        self
    }

    /// RFC 9110 §9.2.2: what may be repeated although it may already have been done.
    fn is_idempotent(&self) -> bool {
        self.method == Method::GET || self.method == Method::DELETE
    }

    fn changes_something(&self) -> bool {
        self.method != Method::GET
    }
}

/// A successful answer, and what is needed to complain about it.
pub(crate) struct Reply {
    pub(crate) answer: Answer,
    call: Call,
}

impl Reply {
    /// The body, as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.answer.body).map_err(|problem| {
            let mut what = transport::json_problem(&problem);
            if !self
                .answer
                .header("content-type")
                .is_some_and(|kind| kind.contains("json"))
            {
                what = format!("{what}: {}", self.answer.describe());
            }
            self.unexpected(what)
        })
    }

    /// An error about this answer.
    pub(crate) fn unexpected(&self, problem: String) -> Error {
        self.call.unexpected(self.answer.status.as_u16(), problem)
    }
}

impl Call {
    fn unexpected(&self, status: u16, problem: String) -> Error {
        Error::UnexpectedAnswer(Box::new(UnexpectedAnswer {
            operation: self.operation,
            server: transport::server(&self.url),
            status,
            problem,
            client_request_id: self.client_request_id.clone(),
            outcome_unknown: self.changes_something() && (200..300).contains(&status),
        }))
    }
}

impl GraphClient {
    /// Sends until there is an answer that counts: a success, a definite refusal, or the last failure that
    /// [`RetryPolicy`](crate::RetryPolicy) allows.
    pub(crate) async fn send(&self, call: Call) -> Result<Reply> {
        self.check_link(call.operation, &call.url)?;
        let mut backoff = Backoff::new(&self.inner.config.retry);
        let mut refused: Option<AccessToken> = None;
        loop {
            // Asked for each attempt: a pause may have outlasted the token.
            let token = self.inner.tokens.token(refused.as_ref()).await?;
            let pass = self.inner.gate.enter().await;
            let outcome = self.attempt(&call, &token).await;
            drop(pass);
            if let Ok(answer) = &outcome {
                self.set_clock(answer);
            }

            let trouble = match outcome {
                Ok(answer) if answer.status.is_success() => {
                    self.inner.gate.succeeded();
                    return Ok(Reply { answer, call });
                }
                // Once: a token can be revoked or run out on the way, but a new one that is refused stays refused.
                Ok(answer) if answer.status == StatusCode::UNAUTHORIZED && refused.is_none() => {
                    refused = Some(token);
                    continue;
                }
                Ok(answer)
                    if answer.status.is_client_error() || answer.status.is_server_error() =>
                {
                    Trouble::Refused(call.failure(&answer, &token))
                }
                Ok(answer) => {
                    let problem = redact(answer.describe(), &token);
                    return Err(call.unexpected(answer.status.as_u16(), problem));
                }
                Err(ReadProblem::TooLarge) => {
                    return Err(
                        call.unexpected(200, "more data than any answer of Graph has".to_owned())
                    );
                }
                Err(ReadProblem::Http(source)) => Trouble::Network(source),
            };
            self.wait_or_give_up(&call, trouble, &mut backoff).await?;
        }
    }

    async fn wait_or_give_up(
        &self,
        call: &Call,
        trouble: Trouble,
        backoff: &mut Backoff<'_>,
    ) -> Result<()> {
        let next = if trouble.may_be_repeated(call) {
            backoff.next(trouble.retry_after())
        } else {
            None
        };
        if trouble.is_throttling() {
            // What one call was told holds for all of them, even when this one may not be repeated (a POST on 503).
            let bearable = |asked: &Duration| {
                !asked.is_zero() && *asked <= self.inner.config.retry.max_elapsed
            };
            let pause = next.or_else(|| trouble.retry_after().filter(bearable));
            if let Some(wait) = pause
                && self.inner.gate.pause(wait)
            {
                let operation = call.operation;
                self.tell(&GraphEvent::Throttled { operation, wait });
            }
        }
        let Some(wait) = next else {
            return Err(trouble.into_error(call, backoff));
        };
        if !trouble.is_throttling() {
            let (operation, attempt, reason) =
                (call.operation, backoff.attempts(), trouble.to_string());
            self.tell(&GraphEvent::Retrying {
                operation,
                attempt,
                wait,
                reason,
            });
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }

    async fn attempt(&self, call: &Call, token: &AccessToken) -> Result<Answer, ReadProblem> {
        let mut request = self
            .inner
            .http
            .request(call.method.clone(), call.url.clone())
            .bearer_auth(token.expose())
            .header(reqwest::header::ACCEPT, "application/json")
            .header("client-request-id", &call.client_request_id)
            .header("return-client-request-id", "true");
        if call.eventual {
            request = request.header("ConsistencyLevel", "eventual");
        }
        if let Some(body) = &call.body {
            request = request
                .header(reqwest::header::CONTENT_TYPE, "application/json")
                .body(body.clone());
        }
        transport::read(request.send().await.map_err(ReadProblem::Http)?).await
    }

    /// The token goes to the configured Graph server and nowhere else, whatever a link says.
    pub(crate) fn check_link(&self, operation: &'static str, url: &Url) -> Result<()> {
        let expected = &self.inner.config.graph_endpoint;
        if url.origin() == expected.origin()
            && url.username().is_empty()
            && url.password().is_none()
        {
            return Ok(());
        }
        Err(Error::ForeignLink {
            operation,
            host: transport::server(url),
            expected: transport::server(expected),
        })
    }
}

/// An attempt without success.
enum Trouble {
    Refused(Box<GraphFailure>),
    Network(reqwest::Error),
}

impl Trouble {
    fn may_be_repeated(&self, call: &Call) -> bool {
        match self {
            Self::Refused(failure) => match failure.status {
                429 => true,
                500 | 502 | 503 | 504 => call.is_idempotent(),
                _ => false,
            },
            // Without a connection nothing was sent, whatever the method.
            Self::Network(source) => call.is_idempotent() || source.is_connect(),
        }
    }

    fn is_throttling(&self) -> bool {
        match self {
            Self::Refused(failure) => {
                failure.status == 429 || (failure.status == 503 && failure.retry_after.is_some())
            }
            Self::Network(_) => false,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(failure) => failure.retry_after,
            Self::Network(_) => None,
        }
    }

    fn into_error(self, call: &Call, backoff: &Backoff<'_>) -> Error {
        let throttling = self.is_throttling();
        match self {
            Self::Refused(failure) if throttling && !failure.outcome_unknown => Error::Throttled {
                attempts: backoff.attempts(),
                elapsed: backoff.elapsed(),
                asked: failure.retry_after,
                failure,
            },
            Self::Refused(failure) => Error::Graph(failure),
            Self::Network(source) => Error::Network(Box::new(NetworkFailure {
                operation: call.operation,
                server: transport::server(&call.url),
                attempts: backoff.attempts().max(1),
                client_request_id: call.client_request_id.clone(),
                not_sent: source.is_connect(),
                outcome_unknown: call.changes_something() && !source.is_connect(),
                source: source.without_url(),
            })),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(failure) => write!(f, "status {} {}", failure.status, failure.code),
            Self::Network(source) => f.write_str(&transport::innermost(source)),
        }
    }
}

impl Call {
    /// Reads Graph's error envelope; an answer without one is described instead.
    fn failure(&self, answer: &Answer, token: &AccessToken) -> Box<GraphFailure> {
        #[derive(Deserialize)]
        struct Envelope {
            error: Body,
        }
        #[derive(Deserialize)]
        struct Body {
            #[serde(default)]
            code: String,
            #[serde(default)]
            message: String,
            #[serde(default, rename = "innerError", alias = "innererror")]
            inner: Option<Inner>,
        }
        #[derive(Deserialize)]
        struct Inner {
            #[serde(rename = "request-id")]
            request_id: Option<String>,
            message: Option<String>,
        }
        let status = answer.status.as_u16();
        let (code, message, inner) = match serde_json::from_slice(&answer.body) {
            Ok(Envelope {
                error:
                    Body {
                        code,
                        message,
                        inner,
                    },
            }) => (code, message, inner),
            Err(_) => (String::new(), answer.describe(), None),
        };
        let (inner_id, inner_message) =
            inner.map_or((None, None), |inner| (inner.request_id, inner.message));
        let message = match inner_message {
            Some(more) if !more.is_empty() && !message.contains(&more) => {
                format!("{message} ({more})")
            }
            _ => message,
        };
        Box::new(GraphFailure {
            operation: self.operation,
            status,
            code,
            message: redact(message, token),
            request_id: answer.header("request-id").map(str::to_owned).or(inner_id),
            client_request_id: self.client_request_id.clone(),
            retry_after: answer.retry_after(),
            outcome_unknown: self.changes_something() && answer.status.is_server_error(),
        })
    }
}

/// Should something between us and Graph echo the request, the token must not reach an error text.
fn redact(text: String, token: &AccessToken) -> String {
    match token.expose() {
        "" => text,
        token => text.replace(token, "[access token]"),
    }
}

//! HTTP: from a request to a call, from an outcome to a response.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, DATE, HOST, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, request};
use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};
use url::{Host, Url};
use uuid::Uuid;

use crate::answer::{Outcome, Refusal};
use crate::clock::{http_date, server_now};
use crate::fault::Rejection;
use crate::graph::{self, Call};
use crate::inspect::RequestRecord;
use crate::odata::{self, Query};
use crate::sign_in;
use crate::tenant::State;

/// Everything is answered by one function: Graph's paths are OData, not patterns.
pub(crate) fn router(state: Arc<State>) -> Router {
    Router::new().fallback(move |request: Request| {
        let state = Arc::clone(&state);
        async move { serve(&state, request).await }
    })
}

async fn serve(state: &State, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    if path == "/rehearsal/state" {
        return json_response(StatusCode::OK, &state.report(), Timestamp::now());
    }
    let (latency, skew) = {
        let faults = state.faults();
        (faults.latency, faults.clock_skew)
    };
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let now = server_now(skew);
    let body = to_bytes(body, MAX_BODY).await;
    let response = match token_endpoint(path) {
        Some(tenant) => {
            let (status, answer) =
                sign_in::answer(state, &tenant, &head.method, &body.unwrap_or_default(), now);
            let mut response = json_response(status, &answer, now);
            response.headers_mut().insert(
                CACHE_CONTROL,
                HeaderValue::from_static("no-store, no-cache"),
            );
            Some(response)
        }
        None => {
            let outcome = match body {
                Ok(body) => graph_outcome(state, &head, &body, now),
                Err(_) => Err(Refusal::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "Request_EntityTooLarge",
                    "The request body is too large.",
                )),
            };
            graph_response(outcome, &head.headers, now)
        }
    };
    state.record(RequestRecord {
        at: now,
        method: head.method.to_string(),
        path: path.to_owned(),
        status: response.as_ref().map(|response| response.status().as_u16()),
    });
    response.unwrap_or_else(broken_response)
}

/// The tenant in `/{tenant}/oauth2/v2.0/token`.
fn token_endpoint(path: &str) -> Option<String> {
    match odata::segments(path)?.as_slice() {
        [tenant, rest @ ..] if rest == ["oauth2", "v2.0", "token"] => Some(tenant.clone()),
        _ => None,
    }
}

fn graph_outcome(state: &State, head: &request::Parts, body: &Bytes, now: Timestamp) -> Outcome {
    match state.faults().turn_away() {
        None => {}
        Some(Rejection::Throttled(seconds)) => {
            state.count(|counters| counters.throttled += 1);
            let mut refusal = Refusal::new(
                StatusCode::TOO_MANY_REQUESTS,
                "TooManyRequests",
                "Too many requests.",
            );
            refusal.retry_after = Some(seconds);
            return Err(refusal);
        }
        Some(Rejection::Unavailable) => {
            state.count(|counters| counters.unavailable += 1);
            return Err(Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "serviceNotAvailable",
                "The service is temporarily unavailable.",
            ));
        }
    }
    state.tokens.check(&head.headers)?;
    let (version, segments) = graph::route(head.uri.path())?;
    let base = base_url(&head.headers, &state.base_url);
    let call = Call {
        state,
        version,
        method: &head.method,
        headers: &head.headers,
        query: Query::parse(head.uri.query().unwrap_or_default()),
        body,
        base: &base,
        path: head.uri.path(),
        now,
    };
    graph::answer(&call, &segments)
}

/// The name under which the client reached us, if it is a loopback name: links have to lead back to it.
fn base_url(headers: &HeaderMap, otherwise: &str) -> String {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    host.and_then(|host| Url::parse(&format!("http://{host}")).ok())
        .filter(|url| match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        })
        .map_or_else(
            || otherwise.to_owned(),
            |url| url.origin().ascii_serialization(),
        )
}

/// `None` when the answer is to be lost.
fn graph_response(outcome: Outcome, headers: &HeaderMap, now: Timestamp) -> Option<Response> {
    let request_id = Uuid::new_v4().to_string();
    let client_request_id = headers
        .get("client-request-id")
        .and_then(|id| id.to_str().ok())
        .unwrap_or(&request_id);
    let mut response = match outcome {
        Ok(answer) if answer.lost => return None,
        Ok(answer) => match answer.body {
            Some(body) => json_response(answer.status, &body, now),
            None => empty_response(answer.status, now),
        },
        Err(refusal) => {
            let envelope = json!({"error": {
                "code": refusal.code,
                "message": refusal.message,
                "innerError": {
                    "date": now.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
                    "request-id": request_id,
                    "client-request-id": client_request_id
                }
            }});
            let mut response = json_response(refusal.status, &envelope, now);
            if let Some(seconds) = refusal.retry_after {
                response
                    .headers_mut()
                    .insert(RETRY_AFTER, HeaderValue::from(seconds));
            }
            response
        }
    };
    for (name, value) in [
        ("request-id", request_id.as_str()),
        ("client-request-id", client_request_id),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            response
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
    }
    Some(response)
}

fn json_response(status: StatusCode, body: &Value, now: Timestamp) -> Response {
    let mut response = empty_response(status, now);
    *response.body_mut() = Body::from(body.to_string());
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=utf-8"),
    );
    response
}

fn empty_response(status: StatusCode, now: Timestamp) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    if let Ok(date) = HeaderValue::from_str(&http_date(now)) {
        response.headers_mut().insert(DATE, date);
    }
    response
}

/// A response whose body fails, so that the connection breaks before the client has an answer.
fn broken_response() -> Response {
    let failure = async { Err::<Bytes, io::Error>(io::ErrorKind::ConnectionReset.into()) };
    Response::new(Body::from_stream(futures_util::stream::once(failure)))
}

/// Serves until `stop` comes; then the port is closed and connections end after their present request.
pub(crate) async fn run(
    listener: tokio::net::TcpListener,
    router: Router,
    stop: tokio::sync::oneshot::Receiver<()>,
) {
    let stopped = async move {
        // A sender that is gone means the same.
        let _ = stop.await;
    };
    // `axum::serve` handles failing accepts itself and does not return errors.
    let _ = axum::serve(listener, router)
        .with_graceful_shutdown(stopped)
        .await;
}

/// Binds, waiting a moment for a port that was just closed.
pub(crate) async fn bind(address: SocketAddr) -> io::Result<tokio::net::TcpListener> {
    let mut attempts = 0;
    loop {
        match tokio::net::TcpListener::bind(address).await {
            Err(problem)
                if problem.kind() == io::ErrorKind::AddrInUse
                    && attempts < 20
                    && address.port() != 0 =>
            {
                attempts += 1;
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            outcome => return outcome,
        }
    }
}

/// A registration has a few KB.
const MAX_BODY: usize = 1 << 20;

//! Microsoft Graph: which request means what.

mod groups;
mod methods;
mod options;
mod register;
mod users;

use axum::body::Bytes;
use axum::http::{HeaderMap, Method};
use jiff::Timestamp;

use crate::answer::{Outcome, Refusal};
use crate::odata::{self, Query};
use crate::tenant::State;

/// The two Graph contracts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    Beta,
}

impl Version {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1.0",
            Self::Beta => "beta",
        }
    }
}

/// A Graph request whose token was found good.
pub(crate) struct Call<'a> {
    pub(crate) state: &'a State,
    pub(crate) version: Version,
    pub(crate) method: &'a Method,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) query: Query,
    pub(crate) body: &'a Bytes,
    /// Scheme and authority under which the client reached us, for links.
    pub(crate) base: &'a str,
    /// The path, as sent.
    pub(crate) path: &'a str,
    /// The server's clock.
    pub(crate) now: Timestamp,
}

impl Call<'_> {
    /// `@odata.context` of an answer.
    fn context(&self, what: &str) -> String {
        format!("{}/{}/$metadata#{what}", self.base, self.version.as_str())
    }

    /// For a resource that knows GET only.
    fn get_only(&self) -> Result<(), Refusal> {
        if self.method == Method::GET {
            Ok(())
        } else {
            Err(Refusal::not_allowed())
        }
    }
}

/// The version in the first segment of a path, and the other segments. The names of resources are not case-sensitive.
pub(crate) fn route(path: &str) -> Result<(Version, Vec<String>), Refusal> {
    let mut segments = odata::segments(path)
        .ok_or_else(|| Refusal::bad_request("The path is not valid UTF-8."))?;
    if segments.is_empty() {
        return Err(Refusal::no_segment(""));
    }
    let version = match segments.remove(0).as_str() {
        "v1.0" => Version::V1,
        "beta" => Version::Beta,
        other => {
            return Err(Refusal::new(
                axum::http::StatusCode::BAD_REQUEST,
                "BadRequest",
                format!("Invalid version: {other}"),
            ));
        }
    };
    Ok((version, segments))
}

/// Answers a call.
pub(crate) fn answer(call: &Call<'_>, segments: &[String]) -> Outcome {
    let lower: Vec<String> = segments
        .iter()
        .map(|segment| segment.to_lowercase())
        .collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    let named = |index: usize| segments.get(index).map(String::as_str).unwrap_or_default();
    match lower.as_slice() {
        ["groups"] => groups::find(call),
        ["groups", _] => groups::get(call, named(1)),
        ["groups", _, "members"] => groups::members(call, named(1), groups::Scope::Direct),
        ["groups", _, "members", USER_CAST] => {
            groups::members(call, named(1), groups::Scope::DirectUsers)
        }
        ["groups", _, "transitivemembers"] => {
            groups::members(call, named(1), groups::Scope::Transitive)
        }
        ["groups", _, "transitivemembers", USER_CAST] => {
            groups::members(call, named(1), groups::Scope::TransitiveUsers)
        }
        ["users", _] => users::get(call, named(1)),
        ["users", _, "authentication", "fido2methods"] => match *call.method {
            Method::GET => methods::list(call, named(1)),
            Method::POST => register::register(call, named(1)),
            _ => Err(Refusal::not_allowed()),
        },
        ["users", _, "authentication", "fido2methods", last] => match *call.method {
            Method::GET if last.starts_with("creationoptions") => {
                options::issue(call, named(1), named(4))
            }
            _ if last.starts_with("creationoptions") => Err(Refusal::not_allowed()),
            Method::GET => methods::get(call, named(1), named(4)),
            Method::DELETE => methods::delete(call, named(1), named(4)),
            _ => Err(Refusal::not_allowed()),
        },
        [] => Err(Refusal::no_segment("")),
        [.., _] => Err(Refusal::no_segment(unknown(segments, &lower))),
    }
}

/// The first segment that leads nowhere.
fn unknown<'a>(segments: &'a [String], lower: &[&str]) -> &'a str {
    let known = match lower {
        ["users", _, "authentication", "fido2methods", _, ..] => 5,
        ["users", _, "authentication", ..] => 3,
        ["users", _, ..] | ["groups", _, ..] => 2,
        ["users"] => 0,
        _ => 0,
    };
    segments.get(known).map(String::as_str).unwrap_or_default()
}

const USER_CAST: &str = "microsoft.graph.user";

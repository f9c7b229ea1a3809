//! What can go wrong, and what it means for the caller.

use std::fmt;
use std::time::Duration;

use keywright_webauthn::OptionsError;

use crate::aadsts::SignInError;
use crate::config::ConfigError;
use crate::model::Group;

/// Result of this crate's operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation did not give what was asked. No variant ever holds a secret or a token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The token endpoint refused.
    #[error(transparent)]
    SignIn(#[from] Box<SignInError>),
    /// Graph answered with an error.
    #[error(transparent)]
    Graph(Box<GraphFailure>),
    /// Graph kept throttling until [`RetryPolicy`](crate::RetryPolicy) was used up.
    #[error(
        "gave up after {attempts} attempts in {} s because of throttling{}: {failure}",
        elapsed.as_secs(),
        match asked { Some(asked) => format!(" (the last answer asks to wait {} s)", asked.as_secs()), None => String::new() }
    )]
    Throttled {
        /// Requests made.
        attempts: u32,
        /// Time since the first throttled answer.
        elapsed: Duration,
        /// The last `Retry-After`, if there was one.
        asked: Option<Duration>,
        /// The last answer.
        failure: Box<GraphFailure>,
    },
    /// No answer, or only a part of one.
    #[error(transparent)]
    Network(Box<NetworkFailure>),
    /// An answer that is not Graph's: HTML of a proxy, a redirect, JSON that breaks off or has another shape.
    #[error(transparent)]
    UnexpectedAnswer(Box<UnexpectedAnswer>),
    /// No group has this name or id.
    #[error("no group is called {name:?}, nor has it as object id or mail address")]
    GroupNotFound {
        /// What was looked for.
        name: String,
    },
    /// Several groups have this name.
    #[error("{} groups are called {name:?}; use the object id of the one that is meant: {}", matches.len(), ids(matches))]
    GroupAmbiguous {
        /// What was looked for.
        name: String,
        /// The groups found.
        matches: Vec<Group>,
    },
    /// An object id, user principal name or method id that cannot be part of a URL.
    #[error("{what} {value:?} cannot be used in a request")]
    Identifier {
        /// What it stands for.
        what: &'static str,
        /// As given.
        value: String,
    },
    /// A life that Graph does not offer (facts: Int32, 5 to 43,200 minutes, beta only).
    #[error("a challenge can live 5 to 43200 minutes, not {minutes}")]
    ChallengeLife {
        /// As asked.
        minutes: u32,
    },
    /// A paging link that leads to another server; the token was not sent there.
    #[error(
        "{operation}: the link to the next page leads to {host:?} instead of {expected:?}; it was not followed"
    )]
    ForeignLink {
        /// The operation whose answer held the link.
        operation: &'static str,
        /// Where the link leads.
        host: String,
        /// The configured Graph host.
        expected: String,
    },
    /// The creation options are there, but cannot be used.
    #[error("the creation options for user {user}: {source}")]
    Options {
        /// Id or UPN the options were asked for.
        user: String,
        /// What is wrong with them.
        source: OptionsError,
    },
}

/// An error answer of Graph (its envelope `{"error":{"code","message","innerError"}}`), or of whatever answered in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GraphFailure {
    /// What was being done, for example `list fido2Methods`.
    pub operation: &'static str,
    /// HTTP status.
    pub status: u16,
    /// Graph's code, for example `Authorization_RequestDenied`; empty when the answer has none.
    pub code: String,
    /// Graph's message, or a description of the answer when it is not Graph's envelope.
    pub message: String,
    /// Graph's id of the request, by which Microsoft support finds it.
    pub request_id: Option<String>,
    /// Our id of the operation, the same for all its attempts.
    pub client_request_id: String,
    /// What `Retry-After` asked for.
    pub retry_after: Option<Duration>,
    /// Whether a change may have taken effect although an error was answered (5xx to a POST).
    pub outcome_unknown: bool,
}

impl fmt::Display for GraphFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: Graph answered {}", self.operation, self.status)?;
        if !self.code.is_empty() {
            write!(f, " {}", self.code)?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        if self.status == 403 {
            write!(
                f,
                " (is the application permission granted and consented to, and may it manage this user?)"
            )?;
        }
        if let Some(request_id) = &self.request_id {
            write!(f, " [request-id {request_id}]")?;
        }
        write!(f, " [client-request-id {}]", self.client_request_id)
    }
}

impl std::error::Error for GraphFailure {}

/// A request that got no complete answer.
#[derive(Debug)]
#[non_exhaustive]
pub struct NetworkFailure {
    /// What was being done.
    pub operation: &'static str,
    /// Where to: scheme, host and port.
    pub server: String,
    /// Requests made.
    pub attempts: u32,
    /// Our id of the operation.
    pub client_request_id: String,
    /// Whether no connection came about at all, so that nothing was sent.
    pub not_sent: bool,
    /// Whether a change may have taken effect.
    pub outcome_unknown: bool,
    /// What the HTTP client says, without the URL.
    pub source: reqwest::Error,
}

impl fmt::Display for NetworkFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.not_sent {
            "no connection to"
        } else if self.source.is_timeout() {
            "no answer in time from"
        } else {
            "no complete answer from"
        };
        write!(f, "{}: {what} {}", self.operation, self.server)?;
        if self.attempts > 1 {
            write!(f, " in {} attempts", self.attempts)?;
        }
        // reqwest's own text is generic ("error sending request"); the innermost cause is the one that helps.
        let mut cause: &dyn std::error::Error = &self.source;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        write!(f, ": {cause}")
    }
}

impl std::error::Error for NetworkFailure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// An answer that does not come from Graph, or not in one piece.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{operation}: {server} answered {status} with {problem} [client-request-id {client_request_id}]"
)]
#[non_exhaustive]
pub struct UnexpectedAnswer {
    /// What was being done.
    pub operation: &'static str,
    /// Who answered: scheme, host and port.
    pub server: String,
    /// HTTP status.
    pub status: u16,
    /// What is odd about it.
    pub problem: String,
    /// Our id of the operation.
    pub client_request_id: String,
    /// Whether a change may have taken effect.
    pub outcome_unknown: bool,
}

impl Error {
    /// Whether every other user of this tenant would meet the same, so that going on makes no sense.
    ///
    /// A 403 is not tenant-wide: it can be about one user (an administrator, an administrative unit).
    pub fn is_tenant_wide(&self) -> bool {
        match self {
            Self::Config(_)
            | Self::SignIn(_)
            | Self::Throttled { .. }
            | Self::ForeignLink { .. } => true,
            Self::Graph(failure) => failure.status == 401,
            Self::Network(failure) => failure.not_sent,
            _ => false,
        }
    }

    /// Whether the same might work later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::SignIn(failure) => failure.is_transient(),
            Self::Graph(failure) => matches!(failure.status, 429 | 500 | 502 | 503 | 504),
            Self::Throttled { .. } | Self::Network(_) => true,
            Self::UnexpectedAnswer(answer) => {
                matches!(answer.status, 200..=299 | 429 | 500 | 502 | 503 | 504)
            }
            _ => false,
        }
    }

    /// Whether the change that was asked for may have been made nevertheless.
    ///
    /// After a registration: list the user's methods and look for [`method_ids_for`](crate::method_ids_for) the
    /// credential; when it is not there, post the same body again.
    pub fn outcome_unknown(&self) -> bool {
        match self {
            Self::Graph(failure) => failure.outcome_unknown,
            Self::Network(failure) => failure.outcome_unknown,
            Self::UnexpectedAnswer(answer) => answer.outcome_unknown,
            _ => false,
        }
    }

    /// HTTP status of the answer, where there was one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Graph(failure) | Self::Throttled { failure, .. } => Some(failure.status),
            Self::UnexpectedAnswer(answer) => Some(answer.status),
            Self::SignIn(failure) => failure.status,
            _ => None,
        }
    }

    /// Graph's error code, for example `Request_ResourceNotFound`.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Graph(failure) | Self::Throttled { failure, .. } => {
                Some(failure.code.as_str()).filter(|code| !code.is_empty())
            }
            _ => None,
        }
    }

    /// Whether Graph says that the user, group or method does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Graph(failure) if failure.status == 404)
    }
}

fn ids(groups: &[Group]) -> String {
    groups
        .iter()
        .map(|group| group.id.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

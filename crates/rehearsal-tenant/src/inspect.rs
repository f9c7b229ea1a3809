//! What was asked, and how it went: for tests and for people who look.

use std::collections::VecDeque;

use jiff::Timestamp;

/// One request, without anything secret: no headers, no query, no body.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestRecord {
    /// When it was answered.
    pub at: Timestamp,
    /// HTTP method.
    pub method: String,
    /// Path, as sent.
    pub path: String,
    /// Status; `None` when the answer was lost on purpose.
    pub status: Option<u16>,
}

/// How often what happened since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Counters {
    /// All requests, those to `/rehearsal` excepted.
    pub requests: u64,
    /// Access tokens issued.
    pub tokens: u64,
    /// Sign-ins refused.
    pub sign_ins_refused: u64,
    /// Answers 429.
    pub throttled: u64,
    /// Answers 503.
    pub unavailable: u64,
    /// Creation options issued.
    pub options: u64,
    /// Passkeys registered.
    pub registrations: u64,
    /// Registrations refused.
    pub registrations_refused: u64,
    /// Passkeys deleted.
    pub deletions: u64,
    /// Answers lost on purpose.
    pub answers_lost: u64,
}

/// The last requests, as many as fit.
#[derive(Default)]
pub(crate) struct RequestLog(VecDeque<RequestRecord>);

impl RequestLog {
    pub(crate) fn push(&mut self, record: RequestRecord) {
        if self.0.len() >= KEPT {
            self.0.pop_front();
        }
        self.0.push_back(record);
    }

    pub(crate) fn to_vec(&self) -> Vec<RequestRecord> {
        self.0.iter().cloned().collect()
    }
}

/// Enough for a rehearsal with 20,000 users; about 20 MB.
const KEPT: usize = 100_000;

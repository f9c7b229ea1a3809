//! The server's clock, which can be wrong on request.

use jiff::fmt::rfc2822::DateTimePrinter;
use jiff::{SignedDuration, Timestamp};

/// What the server believes the time is, in whole seconds as its answers show it.
pub(crate) fn server_now(skew: SignedDuration) -> Timestamp {
    let now = Timestamp::now();
    let shifted = now.checked_add(skew).unwrap_or(now);
    Timestamp::from_second(shifted.as_second()).unwrap_or(shifted)
}

/// For a `Date` header (RFC 9110 §5.6.7).
pub(crate) fn http_date(time: Timestamp) -> String {
    // Fails for years beyond four digits only.
    DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&time)
        .unwrap_or_default()
}

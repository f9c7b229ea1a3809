//! CTAP 2.2 §11.2 CTAPHID: messages in 64-byte USB HID reports.

use std::fmt;

/// Why packets do not make up a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// A continuation packet out of order.
    #[error("continuation packet {got} came where {expected} was due")]
    Sequence {
        /// The sequence number due.
        expected: u8,
        /// The one that came.
        got: u8,
    },
}
/// code
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HidErrorCode(pub u8);
impl fmt::Display for HidErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

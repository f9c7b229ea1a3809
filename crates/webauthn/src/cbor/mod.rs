//! CBOR as CTAP2 and WebAuthn restrict it (RFC 8949; "CTAP2 canonical CBOR encoding form", CTAP 2.2
//! section 8).
//!
//! [`Reader`] walks over borrowed bytes and allocates nothing; [`from_canonical_slice`],
//! [`from_lenient_slice`] and [`to_canonical_vec`] convert from and to [`Value`].

mod kind;
mod map;
mod reader;
mod value;
mod writer;

#[cfg(test)]
mod tests;

pub use ciborium::Value;
pub use kind::Kind;
pub use map::MapReader;
pub use reader::Reader;
pub use value::{from_canonical_slice, from_lenient_slice};
pub(crate) use writer::write_head;
pub use writer::{to_canonical_vec, write_canonical};

/// How deep arrays and maps may nest. CTAP2 allows four levels in a message; attestation statements
/// that contain others (`compound`) need a few more.
pub const MAX_DEPTH: usize = 16;

/// How long a document may be, in bytes.
pub const MAX_LENGTH: usize = 1 << 20;

/// What is wrong with a CBOR document, and at which byte of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{kind} (byte {offset})")]
pub struct CborError {
    /// What is wrong.
    pub kind: CborErrorKind,
    /// Where, in bytes from the beginning.
    pub offset: usize,
}

/// What can be wrong with a CBOR document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CborErrorKind {
    /// The document ends inside an item.
    #[error("the CBOR ends in the middle of an item")]
    Truncated,
    /// Bytes follow the document.
    #[error("bytes follow the CBOR item")]
    TrailingBytes,
    /// The document is longer than [`MAX_LENGTH`].
    #[error("the CBOR is longer than {MAX_LENGTH} bytes")]
    TooLong,
    /// Arrays and maps nest deeper than [`MAX_DEPTH`].
    #[error("the CBOR nests deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// A length or number is not in its shortest form.
    #[error("a CBOR length or number is not in its shortest form")]
    NotShortest,
    /// A string, array or map has no definite length.
    #[error("the CBOR has an item of indefinite length")]
    IndefiniteLength,
    /// The keys of a map are not in canonical order.
    #[error("the keys of a CBOR map are not in canonical order")]
    UnsortedKeys,
    /// A map has the same key twice.
    #[error("a CBOR map has the same key twice")]
    DuplicateKey,
    /// A tag, which CTAP2 does not allow.
    #[error("the CBOR has a tag")]
    Tag,
    /// A simple value that CTAP2 does not use, or a reserved initial byte.
    #[error("the CBOR has a reserved or unknown initial byte {0:#04x}")]
    Reserved(u8),
    /// A text string is not UTF-8.
    #[error("a CBOR text string is not UTF-8")]
    NotUtf8,
    /// Another type was expected.
    #[error("expected CBOR {expected}, found {found}")]
    WrongType {
        /// What was expected.
        expected: Kind,
        /// What is there.
        found: Kind,
    },
    /// A number does not fit.
    #[error("a CBOR number is out of range")]
    OutOfRange,
}

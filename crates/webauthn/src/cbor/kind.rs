//! The types of items.

use std::fmt;

/// The types a CBOR item can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Major type 0: a number from 0.
    Unsigned,
    /// Major type 1: a negative number.
    Negative,
    /// Major type 2: bytes.
    Bytes,
    /// Major type 3: UTF-8 text.
    Text,
    /// Major type 4: an array.
    Array,
    /// Major type 5: a map.
    Map,
    /// Major type 6: a tag.
    Tag,
    /// `true` or `false`.
    Bool,
    /// `null`.
    Null,
    /// A floating-point number.
    Float,
    /// Any other simple value.
    Simple,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unsigned => "unsigned integer",
            Self::Negative => "negative integer",
            Self::Bytes => "byte string",
            Self::Text => "text string",
            Self::Array => "array",
            Self::Map => "map",
            Self::Tag => "tag",
            Self::Bool => "boolean",
            Self::Null => "null",
            Self::Float => "floating-point number",
            Self::Simple => "simple value",
        })
    }
}

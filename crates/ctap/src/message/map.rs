//! Reading and writing CBOR maps member by member.

use ciborium::Value;

use super::DecodeError;

/// A CBOR map being read.
#[derive(Clone, Copy)]
pub(super) struct Members<'a>(&'a [(Value, Value)]);

impl<'a> Members<'a> {
    pub(super) fn of(value: &'a Value, member: &'static str) -> Result<Self, DecodeError> {
        value
            .as_map()
            .map(|entries| Self(entries))
            .ok_or(DecodeError::UnexpectedType {
                member,
                expected: "a map",
            })
    }

    pub(super) fn get(self, key: impl Into<Key>) -> Option<&'a Value> {
        let key = key.into();
        self.0
            .iter()
            .find(|(candidate, _)| key.is(candidate))
            .map(|(_, value)| value)
    }

    pub(super) fn optional<T: FromCbor>(
        self,
        key: impl Into<Key>,
        member: &'static str,
    ) -> Result<Option<T>, DecodeError> {
        self.get(key)
            .map(|value| T::from_cbor(value, member))
            .transpose()
    }

    pub(super) fn required<T: FromCbor>(
        self,
        key: impl Into<Key>,
        member: &'static str,
    ) -> Result<T, DecodeError> {
        self.optional(key, member)?
            .ok_or(DecodeError::Missing(member))
    }

    /// An array that counts as empty when it is absent.
    pub(super) fn list<T: FromCbor>(
        self,
        key: impl Into<Key>,
        member: &'static str,
    ) -> Result<Vec<T>, DecodeError> {
        Ok(self.optional(key, member)?.unwrap_or_default())
    }

    pub(super) fn entries(self) -> &'a [(Value, Value)] {
        self.0
    }
}

/// Keys of the maps in CTAP: small integers, and names inside extensions, options and entities.
pub(super) enum Key {
    Number(i64),
    Name(&'static str),
}

impl Key {
    fn is(&self, candidate: &Value) -> bool {
        match (self, candidate) {
            (Self::Number(number), Value::Integer(integer)) => {
                i128::from(*integer) == i128::from(*number)
            }
            (Self::Name(name), Value::Text(text)) => name == text,
            _ => false,
        }
    }
}

impl From<i64> for Key {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<&'static str> for Key {
    fn from(name: &'static str) -> Self {
        Self::Name(name)
    }
}

impl From<Key> for Value {
    fn from(key: Key) -> Self {
        match key {
            Key::Number(number) => number.into(),
            Key::Name(name) => name.into(),
        }
    }
}

/// A CBOR map being written. Order does not matter: the canonical writer sorts.
#[derive(Default)]
pub(super) struct MapWriter(Vec<(Value, Value)>);

impl MapWriter {
    pub(super) fn put(mut self, key: impl Into<Key>, value: impl Into<Value>) -> Self {
        self.0.push((key.into().into(), value.into()));
        self
    }

    pub(super) fn maybe(self, key: impl Into<Key>, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.put(key, value),
            None => self,
        }
    }

    /// Left out when empty.
    pub(super) fn list<T>(
        self,
        key: impl Into<Key>,
        items: &[T],
        each: impl Fn(&T) -> Value,
    ) -> Self {
        if items.is_empty() {
            self
        } else {
            self.put(key, Value::Array(items.iter().map(each).collect()))
        }
    }

    pub(super) fn others(mut self, others: &[(String, Value)]) -> Self {
        self.0.extend(
            others
                .iter()
                .map(|(name, value)| (Value::Text(name.clone()), value.clone())),
        );
        self
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn finish(self) -> Value {
        Value::Map(self.0)
    }
}

/// Types that a member can be read as.
pub(super) trait FromCbor: Sized {
    fn from_cbor(value: &Value, member: &'static str) -> Result<Self, DecodeError>;
}

macro_rules! from_cbor_integer {
    ($($type:ty: $expected:literal),+) => {
        $(impl FromCbor for $type {
            fn from_cbor(value: &Value, member: &'static str) -> Result<Self, DecodeError> {
                value
                    .as_integer()
                    .and_then(|integer| Self::try_from(i128::from(integer)).ok())
                    .ok_or(DecodeError::UnexpectedType { member, expected: $expected })
            }
        })+
    };
}

from_cbor_integer! {
    u8: "an unsigned integer of 8 bits",
    u32: "an unsigned integer of 32 bits",
    u64: "an unsigned integer",
    i64: "an integer of 64 bits"
}

impl FromCbor for bool {
    fn from_cbor(value: &Value, member: &'static str) -> Result<Self, DecodeError> {
        value.as_bool().ok_or(DecodeError::UnexpectedType {
            member,
            expected: "a boolean",
        })
    }
}

impl FromCbor for String {
    fn from_cbor(value: &Value, member: &'static str) -> Result<Self, DecodeError> {
        value
            .as_text()
            .map(str::to_owned)
            .ok_or(DecodeError::UnexpectedType {
                member,
                expected: "a text string",
            })
    }
}

/// A byte string; a newtype, since `Vec<T>` is an array.
pub(super) struct Bytes(pub(super) Vec<u8>);

impl FromCbor for Bytes {
    fn from_cbor(value: &Value, member: &'static str) -> Result<Self, DecodeError> {
        value
            .as_bytes()
            .map(|bytes| Self(bytes.clone()))
            .ok_or(DecodeError::UnexpectedType {
                member,
                expected: "a byte string",
            })
    }
}

impl<const N: usize> FromCbor for [u8; N] {
    fn from_cbor(value: &Value, member: &'static str) -> Result<Self, DecodeError> {
        let Bytes(bytes) = Bytes::from_cbor(value, member)?;
        bytes.try_into().map_err(|_| DecodeError::InvalidValue {
            member,
            reason: "a byte string of another length is wanted",
        })
    }
}

impl<T: FromCbor> FromCbor for Vec<T> {
    fn from_cbor(value: &Value, member: &'static str) -> Result<Self, DecodeError> {
        value
            .as_array()
            .ok_or(DecodeError::UnexpectedType {
                member,
                expected: "an array",
            })?
            .iter()
            .map(|item| T::from_cbor(item, member))
            .collect()
    }
}

impl FromCbor for Value {
    fn from_cbor(value: &Value, _: &'static str) -> Result<Self, DecodeError> {
        Ok(value.clone())
    }
}

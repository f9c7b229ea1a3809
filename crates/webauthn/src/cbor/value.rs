//! From documents to [`Value`].

use ciborium::Value;

use super::{CborError, CborErrorKind, Kind, MAX_DEPTH, MAX_LENGTH, Reader, to_canonical_vec};

/// Decodes a document that must be in CTAP2 canonical form, complete and without anything behind
/// it.
///
/// # Errors
/// [`CborError`] says what is wrong and at which byte.
pub fn from_canonical_slice(document: &[u8]) -> Result<Value, CborError> {
    let mut reader = Reader::new(document);
    let value = read_value(&mut reader, 0)?;
    reader.finish()?;
    Ok(value)
}

/// Decodes a document that an authenticator sent: numbers may be longer than they need to be, keys
/// unsorted, lengths indefinite and tags present. Duplicate keys, bytes behind the item, and more
/// than [`MAX_DEPTH`] levels or [`MAX_LENGTH`] bytes are refused.
///
/// # Errors
/// [`CborError`] says what is wrong and, where that is known, at which byte.
pub fn from_lenient_slice(document: &[u8]) -> Result<Value, CborError> {
    if document.len() > MAX_LENGTH {
        return Err(CborError {
            kind: CborErrorKind::TooLong,
            offset: 0,
        });
    }
    let mut rest = document;
    let result = ciborium::de::from_reader_with_recursion_limit(&mut rest, MAX_DEPTH + 1);
    let offset = document.len() - rest.len();
    let value: Value = result.map_err(|error| match error {
        ciborium::de::Error::Io(_) => CborError {
            kind: CborErrorKind::Truncated,
            offset,
        },
        ciborium::de::Error::RecursionLimitExceeded => CborError {
            kind: CborErrorKind::TooDeep,
            offset,
        },
        ciborium::de::Error::Syntax(offset) => {
            let initial = document.get(offset).copied().unwrap_or_default();
            CborError {
                kind: CborErrorKind::Reserved(initial),
                offset,
            }
        }
        ciborium::de::Error::Semantic(at, _) => {
            let offset = at.unwrap_or(offset);
            let initial = document.get(offset).copied().unwrap_or_default();
            CborError {
                kind: CborErrorKind::Reserved(initial),
                offset,
            }
        }
    })?;
    if !rest.is_empty() {
        return Err(CborError {
            kind: CborErrorKind::TrailingBytes,
            offset,
        });
    }
    refuse_duplicate_keys(&value)?;
    Ok(value)
}

fn read_value(reader: &mut Reader<'_>, depth: usize) -> Result<Value, CborError> {
    if depth > MAX_DEPTH {
        return Err(reader.error(CborErrorKind::TooDeep));
    }
    Ok(match reader.kind()? {
        Kind::Unsigned => Value::from(reader.unsigned()?),
        Kind::Negative => {
            let encoded = reader.skip()?;
            // The head is checked; the argument is the rest of it (or its low five bits), at most
            // eight bytes.
            let argument = match encoded {
                [initial] => i128::from(initial & 0x1f),
                [_, argument @ ..] => argument
                    .iter()
                    .fold(0, |value: i128, byte| value << 8 | i128::from(*byte)),
                [] => return Err(reader.error(CborErrorKind::Truncated)),
            };
            let number = ciborium::value::Integer::try_from(-1 - argument)
                .map_err(|_| reader.error(CborErrorKind::OutOfRange))?;
            Value::Integer(number)
        }
        Kind::Bytes => Value::Bytes(reader.bytes()?.to_vec()),
        Kind::Text => Value::Text(reader.text()?.to_owned()),
        Kind::Array => {
            let count = reader.array()?;
            let mut items = Vec::with_capacity(count.min(RESERVE));
            for _ in 0..count {
                items.push(read_value(reader, depth + 1)?);
            }
            Value::Array(items)
        }
        Kind::Map => {
            let mut map = reader.map()?;
            let mut entries = Vec::with_capacity(map.len().min(RESERVE));
            while let Some(key) = map.next_key(reader)? {
                let key = read_value(&mut Reader::new(key), depth + 1)?;
                entries.push((key, read_value(reader, depth + 1)?));
            }
            Value::Map(entries)
        }
        Kind::Bool => Value::Bool(reader.bool()?),
        Kind::Null => {
            reader.null()?;
            Value::Null
        }
        Kind::Float => Value::Float(reader.float()?),
        // Both are refused with the error that names them.
        Kind::Tag | Kind::Simple => {
            reader.skip()?;
            Value::Null
        }
    })
}

fn refuse_duplicate_keys(value: &Value) -> Result<(), CborError> {
    match value {
        Value::Array(items) => items.iter().try_for_each(refuse_duplicate_keys),
        Value::Tag(_, inner) => refuse_duplicate_keys(inner),
        Value::Map(entries) => {
            let mut keys: Vec<Vec<u8>> = entries
                .iter()
                .map(|(key, _)| to_canonical_vec(key))
                .collect();
            keys.sort_unstable();
            if keys
                .windows(2)
                .any(|pair| matches!(pair, [left, right] if left == right))
            {
                return Err(CborError {
                    kind: CborErrorKind::DuplicateKey,
                    offset: 0,
                });
            }
            entries.iter().try_for_each(|(key, value)| {
                refuse_duplicate_keys(key)?;
                refuse_duplicate_keys(value)
            })
        }
        _ => Ok(()),
    }
}

/// The most entries for which memory is reserved at once: an item can be one byte in the document
/// and 32 in memory.
const RESERVE: usize = 64;

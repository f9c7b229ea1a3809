//! The keys of a map.

use std::cmp::Ordering;

use super::{CborError, CborErrorKind, Kind, Reader, writer::canonical_key_order};

/// The keys of a map, in their order. After each key, its value must be read (or skipped) through
/// the [`Reader`].
#[derive(Clone, Debug)]
pub struct MapReader<'a> {
    count: usize,
    remaining: usize,
    previous: Option<&'a [u8]>,
}

impl<'a> MapReader<'a> {
    pub(super) fn new(count: usize) -> Self {
        Self {
            count,
            remaining: count,
            previous: None,
        }
    }

    /// How many entries the map has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether the map has no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The next key's encoding, or `None` behind the last entry.
    ///
    /// # Errors
    /// A key that is not canonical, not in order, or there twice.
    pub fn next_key(&mut self, reader: &mut Reader<'a>) -> Result<Option<&'a [u8]>, CborError> {
        self.next_key_nested(reader, 0)
    }

    /// The next key, which must be text.
    ///
    /// # Errors
    /// As [`next_key`](Self::next_key); a key of another type.
    pub fn next_text_key(&mut self, reader: &mut Reader<'a>) -> Result<Option<&'a str>, CborError> {
        let start = reader.clone();
        if self.remaining > 0 {
            reader.expect(Kind::Text)?;
        }
        match self.next_key(reader)? {
            Some(_) => start.clone().text().map(Some),
            None => Ok(None),
        }
    }

    /// The next key, which must be an integer.
    ///
    /// # Errors
    /// As [`next_key`](Self::next_key); a key of another type.
    pub fn next_integer_key(&mut self, reader: &mut Reader<'a>) -> Result<Option<i64>, CborError> {
        let start = reader.clone();
        match self.next_key(reader)? {
            Some(_) => start.clone().integer().map(Some),
            None => Ok(None),
        }
    }

    pub(super) fn next_key_nested(
        &mut self,
        reader: &mut Reader<'a>,
        depth: usize,
    ) -> Result<Option<&'a [u8]>, CborError> {
        let Some(remaining) = self.remaining.checked_sub(1) else {
            return Ok(None);
        };
        let offset = reader.offset();
        let key = reader.skip_nested(depth)?;
        if let Some(previous) = self.previous {
            match canonical_key_order(previous, key) {
                Ordering::Less => {}
                Ordering::Equal => {
                    return Err(CborError {
                        kind: CborErrorKind::DuplicateKey,
                        offset,
                    });
                }
                Ordering::Greater => {
                    return Err(CborError {
                        kind: CborErrorKind::UnsortedKeys,
                        offset,
                    });
                }
            }
        }
        self.previous = Some(key);
        self.remaining = remaining;
        Ok(Some(key))
    }
}

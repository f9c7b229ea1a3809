//! The canonical reader: a cursor over borrowed bytes.

use super::{CborError, CborErrorKind, Kind, MAX_DEPTH, MAX_LENGTH, MapReader};

/// A cursor over a CTAP2-canonical document. Whatever it hands out is borrowed from the document;
/// whatever it passes over has been checked.
///
/// ```
/// use keywright_webauthn::cbor::Reader;
///
/// // {1: "no", 2: h'0102'}
/// let mut reader = Reader::new(&[0xa2, 0x01, 0x62, b'n', b'o', 0x02, 0x42, 0x01, 0x02]);
/// let mut map = reader.map()?;
/// assert_eq!(map.next_integer_key(&mut reader)?, Some(1));
/// assert_eq!(reader.text()?, "no");
/// assert_eq!(map.next_integer_key(&mut reader)?, Some(2));
/// assert_eq!(reader.bytes()?, [1, 2]);
/// assert_eq!(map.next_integer_key(&mut reader)?, None);
/// reader.finish()?;
/// # Ok::<(), keywright_webauthn::cbor::CborError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    input: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// A cursor at the beginning of `input`.
    #[must_use]
    pub fn new(input: &'a [u8]) -> Self {
        Self { input, offset: 0 }
    }

    /// How many bytes lie behind the cursor.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The bytes before which the cursor stands.
    #[must_use]
    pub fn remainder(&self) -> &'a [u8] {
        self.input.get(self.offset..).unwrap_or_default()
    }

    /// The type of the next item.
    ///
    /// # Errors
    /// At the end of the document.
    pub fn kind(&self) -> Result<Kind, CborError> {
        let initial = *self
            .input
            .get(self.offset)
            .ok_or_else(|| self.error(CborErrorKind::Truncated))?;
        Ok(match initial >> 5 {
            0 => Kind::Unsigned,
            1 => Kind::Negative,
            2 => Kind::Bytes,
            3 => Kind::Text,
            4 => Kind::Array,
            5 => Kind::Map,
            6 => Kind::Tag,
            _ => match initial & 0x1f {
                20 | 21 => Kind::Bool,
                22 => Kind::Null,
                25..=27 => Kind::Float,
                _ => Kind::Simple,
            },
        })
    }

    /// Reads an integer that fits into an `i64`, as all keys and algorithms of CTAP and COSE do.
    ///
    /// # Errors
    /// Another type, an encoding that is not canonical, or a number out of range.
    pub fn integer(&mut self) -> Result<i64, CborError> {
        let start = self.offset;
        let negative = match self.kind()? {
            Kind::Unsigned => false,
            Kind::Negative => true,
            found => {
                return Err(self.error(CborErrorKind::WrongType {
                    expected: Kind::Unsigned,
                    found,
                }));
            }
        };
        let argument = i64::try_from(self.head()?.1).map_err(|_| CborError {
            kind: CborErrorKind::OutOfRange,
            offset: start,
        })?;
        Ok(if negative { -1 - argument } else { argument })
    }

    /// Reads a number from 0.
    ///
    /// # Errors
    /// Another type, or an encoding that is not canonical.
    pub fn unsigned(&mut self) -> Result<u64, CborError> {
        self.expect(Kind::Unsigned)?;
        Ok(self.head()?.1)
    }

    /// Reads a byte string.
    ///
    /// # Errors
    /// Another type, an encoding that is not canonical, or a document that ends too early.
    pub fn bytes(&mut self) -> Result<&'a [u8], CborError> {
        self.expect(Kind::Bytes)?;
        let length = self.head()?.1;
        self.take(length)
    }

    /// Reads a text string.
    ///
    /// # Errors
    /// Another type, an encoding that is not canonical, a document that ends too early, or text
    /// that is not UTF-8.
    pub fn text(&mut self) -> Result<&'a str, CborError> {
        self.expect(Kind::Text)?;
        let length = self.head()?.1;
        let offset = self.offset;
        std::str::from_utf8(self.take(length)?).map_err(|_| CborError {
            kind: CborErrorKind::NotUtf8,
            offset,
        })
    }

    /// Reads `true` or `false`.
    ///
    /// # Errors
    /// Another type.
    pub fn bool(&mut self) -> Result<bool, CborError> {
        self.expect(Kind::Bool)?;
        Ok(self.head()?.1 == 21)
    }

    /// Enters an array and tells how many items follow.
    ///
    /// # Errors
    /// Another type, an encoding that is not canonical, or more items than bytes.
    pub fn array(&mut self) -> Result<usize, CborError> {
        self.expect(Kind::Array)?;
        let start = self.offset;
        let count = self.head()?.1;
        self.plausible_count(count, 1, start)
    }

    /// Enters a map. The keys are then read through the [`MapReader`], the values through this
    /// reader.
    ///
    /// # Errors
    /// Another type, an encoding that is not canonical, or more entries than bytes.
    pub fn map(&mut self) -> Result<MapReader<'a>, CborError> {
        self.expect(Kind::Map)?;
        let start = self.offset;
        let count = self.head()?.1;
        let remaining = self.plausible_count(count, 2, start)?;
        Ok(MapReader::new(remaining))
    }

    /// Passes over one item, whatever it is, and gives its encoding. Everything in it has been
    /// checked.
    ///
    /// # Errors
    /// Anything that is not canonical.
    pub fn skip(&mut self) -> Result<&'a [u8], CborError> {
        self.skip_nested(0)
    }

    /// Checks that the document ends here.
    ///
    /// # Errors
    /// When bytes follow.
    pub fn finish(&self) -> Result<(), CborError> {
        if self.offset < self.input.len() {
            Err(self.error(CborErrorKind::TrailingBytes))
        } else {
            Ok(())
        }
    }

    pub(super) fn error(&self, kind: CborErrorKind) -> CborError {
        CborError {
            kind,
            offset: self.offset,
        }
    }

    /// The eight bytes of a floating-point number's value; its own width is left alone.
    pub(super) fn float(&mut self) -> Result<f64, CborError> {
        let start = self.offset;
        self.expect(Kind::Float)?;
        let (_, argument) = self.head()?;
        let width = self.offset - start - 1;
        Ok(match width {
            2 => half_to_f64(argument as u16),
            4 => f64::from(f32::from_bits(argument as u32)),
            _ => f64::from_bits(argument),
        })
    }

    pub(super) fn null(&mut self) -> Result<(), CborError> {
        self.expect(Kind::Null)?;
        self.head().map(drop)
    }

    pub(super) fn skip_nested(&mut self, depth: usize) -> Result<&'a [u8], CborError> {
        let start = self.offset;
        if depth > MAX_DEPTH {
            return Err(self.error(CborErrorKind::TooDeep));
        }
        match self.kind()? {
            Kind::Unsigned | Kind::Negative | Kind::Bool | Kind::Null | Kind::Float => {
                self.head()?;
            }
            Kind::Bytes => {
                self.bytes()?;
            }
            Kind::Text => {
                self.text()?;
            }
            Kind::Array => {
                for _ in 0..self.array()? {
                    self.skip_nested(depth + 1)?;
                }
            }
            Kind::Map => {
                let mut map = self.map()?;
                while map.next_key_nested(self, depth + 1)?.is_some() {
                    self.skip_nested(depth + 1)?;
                }
            }
            Kind::Tag => return Err(self.error(CborErrorKind::Tag)),
            Kind::Simple => {
                let initial = self.input.get(start).copied().unwrap_or_default();
                return Err(self.error(match initial {
                    0xff => CborErrorKind::IndefiniteLength,
                    _ => CborErrorKind::Reserved(initial),
                }));
            }
        }
        Ok(self.input.get(start..self.offset).unwrap_or_default())
    }

    pub(crate) fn expect(&self, expected: Kind) -> Result<(), CborError> {
        let found = self.kind()?;
        if found == expected {
            Ok(())
        } else {
            Err(self.error(CborErrorKind::WrongType { expected, found }))
        }
    }

    /// Reads an initial byte and its argument; checks that it is as short as can be.
    fn head(&mut self) -> Result<(u8, u64), CborError> {
        let start = self.offset;
        let error = |kind| CborError {
            kind,
            offset: start,
        };
        if self.input.len() > MAX_LENGTH {
            return Err(error(CborErrorKind::TooLong));
        }
        let initial = *self
            .input
            .get(start)
            .ok_or(error(CborErrorKind::Truncated))?;
        self.offset += 1;
        let major = initial >> 5;
        let (width, smallest) = match initial & 0x1f {
            immediate @ 0..24 => return Ok((major, u64::from(immediate))),
            24 => (1, 24),
            25 => (2, 0x100),
            26 => (4, 0x1_0000),
            27 => (8, 0x1_0000_0000),
            31 => return Err(error(CborErrorKind::IndefiniteLength)),
            _ => return Err(error(CborErrorKind::Reserved(initial))),
        };
        let argument = self
            .take(width)?
            .iter()
            .fold(0, |value: u64, byte| value << 8 | u64::from(*byte));
        // Major type 7 has floating-point numbers behind 25 to 27, whose width is their own.
        if major != 7 && argument < smallest {
            return Err(error(CborErrorKind::NotShortest));
        }
        Ok((major, argument))
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], CborError> {
        let taken = usize::try_from(length)
            .ok()
            .and_then(|length| self.offset.checked_add(length))
            .and_then(|end| self.input.get(self.offset..end))
            .ok_or_else(|| self.error(CborErrorKind::Truncated))?;
        self.offset += taken.len();
        Ok(taken)
    }

    /// A count that the rest of the document can hold, so that nobody reserves memory for a lie.
    fn plausible_count(
        &self,
        count: u64,
        bytes_each: usize,
        offset: usize,
    ) -> Result<usize, CborError> {
        usize::try_from(count)
            .ok()
            .filter(|count| *count <= self.remainder().len() / bytes_each)
            .ok_or(CborError {
                kind: CborErrorKind::Truncated,
                offset,
            })
    }
}

/// IEEE 754 binary16, as RFC 8949 appendix D decodes it.
fn half_to_f64(half: u16) -> f64 {
    let exponent = i32::from(half >> 10 & 0x1f);
    let mantissa = f64::from(half & 0x3ff);
    let magnitude = match exponent {
        0 => mantissa * 2f64.powi(-24),
        31 if mantissa == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (mantissa + 1024.0) * 2f64.powi(exponent - 25),
    };
    if half & 0x8000 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

//! PINs as keys take them.

use std::fmt;

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// The fewest code points CTAP 2.2 §6.5.1 allows in a PIN; a key may want more (`minPINLength`).
pub(crate) const MIN_CODE_POINTS: usize = 4;
/// The most bytes of UTF-8 a PIN may have (§6.5.1).
pub(crate) const MAX_BYTES: usize = 63;

/// A PIN in the form keys take it: UTF-8 in Normalization Form C, 4 code points at least, 63 bytes at most.
///
/// Wiped from memory when dropped, compared in constant time, never shown.
#[derive(Clone)]
pub struct Pin(Zeroizing<String>);

impl Pin {
    /// Normalises and checks a PIN as it was typed or generated.
    ///
    /// # Errors
    /// [`PinError`] when it is too short, too long, or ends with a zero byte.
    pub fn new(typed: impl Into<String>) -> Result<Self, PinError> {
        let typed = Zeroizing::new(typed.into());
        // Room for the longest expansion of NFC (a factor of 3 in UTF-8, UAX #15), so that nothing is left behind by a
        // growing buffer.
        let mut normalised = Zeroizing::new(String::with_capacity(typed.len().saturating_mul(3)));
        normalised.extend(typed.nfc());
        let pin = Self(normalised);

        pin.at_least(MIN_CODE_POINTS)?;
        if pin.as_bytes().len() > MAX_BYTES {
            return Err(PinError::TooLong {
                bytes: pin.as_bytes().len(),
                maximum: MAX_BYTES,
            });
        }
        if pin.as_bytes().ends_with(&[0]) {
            return Err(PinError::EndsWithZero);
        }
        Ok(pin)
    }

    /// The PIN itself. For whoever prints it on paper; never for logs.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Its length as `minPINLength` counts: Unicode code points.
    pub fn code_points(&self) -> usize {
        self.0.chars().count()
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Whether it has as many code points as a key wants.
    pub(crate) fn at_least(&self, minimum: usize) -> Result<(), PinError> {
        let code_points = self.code_points();
        if code_points < minimum {
            Err(PinError::TooShort {
                code_points,
                minimum,
            })
        } else {
            Ok(())
        }
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(..)")
    }
}

impl PartialEq for Pin {
    fn eq(&self, other: &Self) -> bool {
        subtle::ConstantTimeEq::ct_eq(self.as_bytes(), other.as_bytes()).into()
    }
}

impl Eq for Pin {}

/// Why a PIN cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PinError {
    /// Fewer code points than the key, or CTAP, wants.
    #[error("the PIN has {code_points} characters, at least {minimum} are needed")]
    TooShort {
        /// Code points it has.
        code_points: usize,
        /// Code points it must have.
        minimum: usize,
    },
    /// More than fit.
    #[error("the PIN has {bytes} bytes of UTF-8, at most {maximum} are possible")]
    TooLong {
        /// Bytes it has.
        bytes: usize,
        /// Bytes it may have.
        maximum: usize,
    },
    /// Its last byte would be taken for padding (CTAP 2.2 §6.5.1).
    #[error("the PIN ends with a zero byte")]
    EndsWithZero,
    /// The key does this only with user verification, and no PIN was given.
    #[error("the key asks for its PIN, and none was given")]
    Required,
    /// A PIN is needed, or was given, and the key has none.
    #[error("no PIN is set on the key")]
    NotSet,
    /// A PIN was to be set on a key that has one: it can only be changed.
    #[error("a PIN is set on the key already")]
    AlreadySet,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_code_points_and_bytes_after_normalisation() {
        // "é" typed as two code points is one after NFC, so this is one too few.
        assert_eq!(
            Pin::new("abe\u{301}"),
            Err(PinError::TooShort {
                code_points: 3,
                minimum: 4
            })
        );
        assert_eq!(Pin::new("abce\u{301}").unwrap().expose(), "abc\u{e9}");
        // Four code points are enough, however many bytes they take.
        assert_eq!(
            Pin::new("\u{1F511}\u{1F511}\u{1F511}\u{1F511}")
                .unwrap()
                .as_bytes()
                .len(),
            16
        );
        assert!(Pin::new("x".repeat(63)).is_ok());
        assert_eq!(
            Pin::new("x".repeat(64)),
            Err(PinError::TooLong {
                bytes: 64,
                maximum: 63
            })
        );
        assert_eq!(
            Pin::new("\u{e9}".repeat(32)),
            Err(PinError::TooLong {
                bytes: 64,
                maximum: 63
            })
        );
        assert_eq!(Pin::new("1234\0"), Err(PinError::EndsWithZero));
    }

    #[test]
    fn shows_nothing() {
        assert_eq!(format!("{:?}", Pin::new("123456").unwrap()), "Pin(..)");
    }
}

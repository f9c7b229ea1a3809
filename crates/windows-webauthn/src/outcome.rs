//! What Windows says when it did not work.

use std::fmt;

use keywright_ctap::{Command, Error, StatusCode, TransportError};

/// An HRESULT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HResult(pub u32);

impl HResult {
    /// One of the excluded credentials is on the key.
    pub const NTE_EXISTS: Self = Self(0x8009_000F);
    /// No such credential.
    pub const NTE_NOT_FOUND: Self = Self(0x8009_0011);
    /// No room on the key.
    pub const NTE_TOKEN_KEYSET_STORAGE_FULL: Self = Self(0x8009_0023);
    /// An argument is invalid.
    pub const NTE_INVALID_PARAMETER: Self = Self(0x8009_0027);
    /// Not supported.
    pub const NTE_NOT_SUPPORTED: Self = Self(0x8009_0029);
    /// No key.
    pub const NTE_DEVICE_NOT_FOUND: Self = Self(0x8009_0035);
    /// The user closed the dialog.
    pub const NTE_USER_CANCELLED: Self = Self(0x8009_0036);
    /// `ERROR_NOT_SUPPORTED`
    pub const NOT_SUPPORTED: Self = Self(0x8007_0032);
    /// `ERROR_CANCELLED`
    pub const CANCELLED: Self = Self(0x8007_04C7);
    /// `ERROR_TIMEOUT`
    pub const TIMEOUT: Self = Self(0x8007_05B4);
    /// No memory, or too little: never said by Windows of a ceremony, but by this crate of an answer that is none.
    pub const E_UNEXPECTED: Self = Self(0x8000_FFFF);

    /// In the terms of CTAP, as the answer to `command`.
    #[must_use]
    pub fn error(self, command: Command) -> Error {
        let refused = |status| Error::Status { command, status };
        match self {
            Self::NTE_EXISTS => refused(StatusCode::CredentialExcluded),
            Self::NTE_NOT_FOUND => refused(StatusCode::NoCredentials),
            Self::NTE_TOKEN_KEYSET_STORAGE_FULL => refused(StatusCode::KeyStoreFull),
            Self::NTE_USER_CANCELLED | Self::CANCELLED => refused(StatusCode::OperationDenied),
            Self::TIMEOUT => refused(StatusCode::UserActionTimeout),
            Self::NTE_DEVICE_NOT_FOUND => TransportError::Disconnected.into(),
            Self::NTE_NOT_SUPPORTED | Self::NOT_SUPPORTED => {
                Error::Unsupported("what the options ask for, says Windows")
            }
            Self::NTE_INVALID_PARAMETER => Error::Options("Windows does not take them"),
            other => TransportError::Io(format!("Windows' WebAuthn API failed: {other}")).into(),
        }
    }
}

impl fmt::Display for HResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:08X}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_its_ctap_status() {
        let status = |result: HResult| result.error(Command::MakeCredential).status();
        for (result, expected) in [
            (HResult::NTE_EXISTS, StatusCode::CredentialExcluded),
            (HResult::NTE_NOT_FOUND, StatusCode::NoCredentials),
            (
                HResult::NTE_TOKEN_KEYSET_STORAGE_FULL,
                StatusCode::KeyStoreFull,
            ),
            (HResult::NTE_USER_CANCELLED, StatusCode::OperationDenied),
            (HResult::CANCELLED, StatusCode::OperationDenied),
            (HResult::TIMEOUT, StatusCode::UserActionTimeout),
        ] {
            assert_eq!(status(result), Some(expected), "{result}");
        }
        assert!(
            HResult::NTE_DEVICE_NOT_FOUND
                .error(Command::GetAssertion)
                .is_disconnected()
        );
        // What nobody has heard of keeps its number.
        let odd = HResult(0x8009_0099).error(Command::GetAssertion);
        assert_eq!(odd.status(), None);
        assert!(odd.to_string().contains("0x80090099"), "{odd}");
    }
}

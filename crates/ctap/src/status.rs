//! CTAP 2.2 §6.3 and §8.2: the status byte every answer begins with.

use std::fmt;

macro_rules! status_codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $name:literal;)+) => {
        /// A key's status code (CTAP 2.2 §8.2 "Status codes").
        ///
        /// Shown as `CTAP2_ERR_PIN_INVALID (0x31)`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum StatusCode {
            $($(#[$doc])* $variant,)+
            /// A code that CTAP 2.2 does not define: a vendor's (0xF0 to 0xFF), an extension's (0xE0 to 0xEF), or a
            /// withdrawn one.
            Other(u8),
        }

        impl StatusCode {
            /// Every code with a name of its own.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The name in the specification.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                    Self::Other(0xE0..=0xEF) => "CTAP2_ERR_EXTENSION",
                    Self::Other(0xF0..=0xFF) => "CTAP2_ERR_VENDOR",
                    Self::Other(_) => "unknown status",
                }
            }
        }

        impl From<u8> for StatusCode {
            fn from(code: u8) -> Self {
                match code {
                    $($code => Self::$variant,)+
                    other => Self::Other(other),
                }
            }
        }

        impl From<StatusCode> for u8 {
            fn from(status: StatusCode) -> Self {
                match status {
                    $(StatusCode::$variant => $code,)+
                    StatusCode::Other(other) => other,
                }
            }
        }
    };
}

status_codes! {
    /// Successful response.
    Success = 0x00, "CTAP2_OK";
    /// The command is not a valid CTAP command.
    InvalidCommand = 0x01, "CTAP1_ERR_INVALID_COMMAND";
    /// The command included an invalid parameter.
    InvalidParameter = 0x02, "CTAP1_ERR_INVALID_PARAMETER";
    /// Invalid message or item length.
    InvalidLength = 0x03, "CTAP1_ERR_INVALID_LENGTH";
    /// Invalid message sequencing.
    InvalidSeq = 0x04, "CTAP1_ERR_INVALID_SEQ";
    /// Message timed out.
    Timeout = 0x05, "CTAP1_ERR_TIMEOUT";
    /// Channel busy. The client should retry after a short delay.
    ChannelBusy = 0x06, "CTAP1_ERR_CHANNEL_BUSY";
    /// Command requires channel lock.
    LockRequired = 0x0A, "CTAP1_ERR_LOCK_REQUIRED";
    /// Command not allowed on this channel.
    InvalidChannel = 0x0B, "CTAP1_ERR_INVALID_CHANNEL";
    /// Invalid or unexpected CBOR type.
    CborUnexpectedType = 0x11, "CTAP2_ERR_CBOR_UNEXPECTED_TYPE";
    /// Error when parsing CBOR.
    InvalidCbor = 0x12, "CTAP2_ERR_INVALID_CBOR";
    /// Missing non-optional parameter.
    MissingParameter = 0x14, "CTAP2_ERR_MISSING_PARAMETER";
    /// Limit for number of items exceeded.
    LimitExceeded = 0x15, "CTAP2_ERR_LIMIT_EXCEEDED";
    /// Fingerprint database is full.
    FpDatabaseFull = 0x17, "CTAP2_ERR_FP_DATABASE_FULL";
    /// Large blob storage is full.
    LargeBlobStorageFull = 0x18, "CTAP2_ERR_LARGE_BLOB_STORAGE_FULL";
    /// A valid credential was found in the exclude list.
    CredentialExcluded = 0x19, "CTAP2_ERR_CREDENTIAL_EXCLUDED";
    /// Processing (lengthy operation is in progress).
    Processing = 0x21, "CTAP2_ERR_PROCESSING";
    /// The credential is not valid for this authenticator.
    InvalidCredential = 0x22, "CTAP2_ERR_INVALID_CREDENTIAL";
    /// Authentication is waiting for user interaction.
    UserActionPending = 0x23, "CTAP2_ERR_USER_ACTION_PENDING";
    /// Processing, lengthy operation is in progress.
    OperationPending = 0x24, "CTAP2_ERR_OPERATION_PENDING";
    /// No request is pending.
    NoOperations = 0x25, "CTAP2_ERR_NO_OPERATIONS";
    /// The authenticator does not support the requested algorithm.
    UnsupportedAlgorithm = 0x26, "CTAP2_ERR_UNSUPPORTED_ALGORITHM";
    /// Not authorized for the requested operation.
    OperationDenied = 0x27, "CTAP2_ERR_OPERATION_DENIED";
    /// Internal key storage is full.
    KeyStoreFull = 0x28, "CTAP2_ERR_KEY_STORE_FULL";
    /// Unsupported option.
    UnsupportedOption = 0x2B, "CTAP2_ERR_UNSUPPORTED_OPTION";
    /// Not a valid option for the current operation.
    InvalidOption = 0x2C, "CTAP2_ERR_INVALID_OPTION";
    /// Pending keepalive was cancelled.
    KeepaliveCancel = 0x2D, "CTAP2_ERR_KEEPALIVE_CANCEL";
    /// No valid credentials provided.
    NoCredentials = 0x2E, "CTAP2_ERR_NO_CREDENTIALS";
    /// A user action timeout occurred.
    UserActionTimeout = 0x2F, "CTAP2_ERR_USER_ACTION_TIMEOUT";
    /// Continuation command, such as authenticatorGetNextAssertion, not allowed.
    NotAllowed = 0x30, "CTAP2_ERR_NOT_ALLOWED";
    /// PIN invalid.
    PinInvalid = 0x31, "CTAP2_ERR_PIN_INVALID";
    /// PIN blocked: only a reset helps.
    PinBlocked = 0x32, "CTAP2_ERR_PIN_BLOCKED";
    /// PIN authentication, pinUvAuthParam, verification failed.
    PinAuthInvalid = 0x33, "CTAP2_ERR_PIN_AUTH_INVALID";
    /// PIN authentication using pinUvAuthToken blocked: the key must be unplugged and plugged in again.
    PinAuthBlocked = 0x34, "CTAP2_ERR_PIN_AUTH_BLOCKED";
    /// No PIN has been set.
    PinNotSet = 0x35, "CTAP2_ERR_PIN_NOT_SET";
    /// A pinUvAuthToken is required for the selected operation.
    PuatRequired = 0x36, "CTAP2_ERR_PUAT_REQUIRED";
    /// PIN policy violation: too short, refused by the key's own rules, or to be changed first.
    PinPolicyViolation = 0x37, "CTAP2_ERR_PIN_POLICY_VIOLATION";
    /// Reserved; in CTAP 2.0, pinToken expired.
    PinTokenExpired = 0x38, "CTAP2_ERR_PIN_TOKEN_EXPIRED";
    /// Authenticator cannot handle this request due to memory constraints.
    RequestTooLarge = 0x39, "CTAP2_ERR_REQUEST_TOO_LARGE";
    /// The current operation has timed out.
    ActionTimeout = 0x3A, "CTAP2_ERR_ACTION_TIMEOUT";
    /// User presence is required for the requested operation.
    UpRequired = 0x3B, "CTAP2_ERR_UP_REQUIRED";
    /// Built-in user verification is disabled.
    UvBlocked = 0x3C, "CTAP2_ERR_UV_BLOCKED";
    /// A checksum did not match.
    IntegrityFailure = 0x3D, "CTAP2_ERR_INTEGRITY_FAILURE";
    /// The requested subcommand is either invalid or not implemented.
    InvalidSubcommand = 0x3E, "CTAP2_ERR_INVALID_SUBCOMMAND";
    /// Built-in user verification unsuccessful: the platform should retry.
    UvInvalid = 0x3F, "CTAP2_ERR_UV_INVALID";
    /// The permissions parameter contains an unauthorized permission.
    UnauthorizedPermission = 0x40, "CTAP2_ERR_UNAUTHORIZED_PERMISSION";
    /// Other unspecified error.
    Unspecified = 0x7F, "CTAP1_ERR_OTHER";
}

impl StatusCode {
    /// Whether this is `CTAP2_OK`.
    pub fn is_success(self) -> bool {
        self == Self::Success
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (0x{:02X})", self.name(), u8::from(*self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_the_round_trip() {
        for code in 0..=u8::MAX {
            assert_eq!(u8::from(StatusCode::from(code)), code);
        }
        assert!(
            StatusCode::ALL
                .iter()
                .all(|status| !matches!(status, StatusCode::Other(_)))
        );
    }

    #[test]
    fn reads_as_in_the_specification() {
        assert_eq!(
            StatusCode::from(0x31).to_string(),
            "CTAP2_ERR_PIN_INVALID (0x31)"
        );
        assert_eq!(
            StatusCode::from(0xF1).to_string(),
            "CTAP2_ERR_VENDOR (0xF1)"
        );
    }
}

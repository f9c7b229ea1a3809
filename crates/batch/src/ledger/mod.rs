//! The ledger: what has happened to each user and key, written down before the next act that cannot be undone.

mod sqlite;

use std::path::PathBuf;

use jiff::Timestamp;
use secrecy::SecretString;

pub use sqlite::SqliteLedger;

/// Who a record is about. Two references mean the same user when any of their ids agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRef {
    /// The tenant the user belongs to; records of different tenants never mix.
    pub tenant: String,
    /// The user principal name.
    pub upn: String,
    /// The WebAuthn user handle, which the provider keeps when the user is renamed.
    pub handle: Vec<u8>,
    /// The directory's object id, where it is known.
    pub object_id: Option<String>,
}

/// The key that is bound to a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRef {
    /// The serial number; `None` where the key tells none.
    pub serial: Option<String>,
    /// The AAGUID as a GUID.
    pub aaguid: String,
    /// The model's name as far as it is known.
    pub model: String,
}

/// A key that is some user's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundKey {
    /// Its serial number.
    pub serial: String,
    /// The user's principal name.
    pub user: String,
}

/// How far a record has come. The order is the order of the acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The key is bound to the user; nothing on it has changed.
    KeyBound,
    /// The PIN is written down here and may or may not be on the key.
    PinPlanned,
    /// The PIN is on the key.
    PinSet,
    /// The credential is on the key and written down here; the provider may or may not know it.
    CredentialMade,
    /// The credential is active at the provider; what follows (forced PIN change, old methods) is not done.
    Registered,
    /// Nothing is left to do.
    Complete,
    /// The key is no longer meant for this user; the PIN that was put on it stays on record.
    Abandoned,
}

/// A credential as a key made it: all that is needed to post it, again if need be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeCredential {
    /// The credential id.
    pub credential_id: Vec<u8>,
    /// The client data that was signed over.
    pub client_data_json: Vec<u8>,
    /// The attestation object, in WebAuthn's form.
    pub attestation_object: Vec<u8>,
    /// When the challenge in the client data ceases to be accepted.
    pub expires: Timestamp,
    /// The name the provider is to show for this key.
    pub label: String,
}

/// One act, to be recorded.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Step<'a> {
    /// This PIN is about to be put on the key.
    PinPlanned {
        /// The PIN.
        pin: &'a SecretString,
    },
    /// The planned PIN is certainly not on the key: the key refused it.
    PinNotSet,
    /// This PIN is on the key.
    PinSet {
        /// The PIN: the planned one, or the one the operator gave.
        pin: &'a SecretString,
    },
    /// The key made this credential.
    CredentialMade(&'a MadeCredential),
    /// The credential that was on record is void (refused by the provider, or its challenge ran out).
    CredentialDropped {
        /// Why, for the record.
        reason: &'a str,
    },
    /// The provider holds the credential under this id.
    Registered {
        /// The provider's method id.
        method_id: &'a str,
        /// The model as the provider names it, where it does.
        model: Option<&'a str>,
    },
    /// Nothing is left to do.
    Complete,
    /// The key is given up for this user.
    Abandoned {
        /// Why, for the record.
        reason: &'a str,
    },
    /// Something a person should know; the stage stays.
    Note {
        /// The text.
        detail: &'a str,
    },
}

/// Names a record within its ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RecordId(pub i64);

/// All that is known of one user and one key.
#[derive(Debug, Clone)]
pub struct Record {
    /// Names the record.
    pub id: RecordId,
    /// The user.
    pub user: UserRef,
    /// The key.
    pub key: KeyRef,
    /// How far it has come.
    pub stage: Stage,
    /// The PIN, from [`Stage::PinPlanned`] on.
    pub pin: Option<SecretString>,
    /// The credential, from [`Stage::CredentialMade`] on.
    pub credential: Option<MadeCredential>,
    /// The provider's method id, from [`Stage::Registered`] on.
    pub method_id: Option<String>,
    /// When the last step was recorded.
    pub changed: Timestamp,
    /// What a person should know; may be empty.
    pub detail: String,
}

/// Where records are kept. Every method is durable when it returns.
pub trait Ledger: Send {
    /// The user's newest record that is not abandoned.
    ///
    /// # Errors
    /// See [`LedgerError`]; so for all methods.
    fn find(&mut self, user: &UserRef) -> Result<Option<Record>, LedgerError>;

    /// Opens a record that binds `key` to `user`.
    ///
    /// # Errors
    /// [`LedgerError::KeyServesAnother`] when a record that is not abandoned binds that serial already.
    fn bind(&mut self, user: &UserRef, key: &KeyRef) -> Result<Record, LedgerError>;

    /// Records a step and gives the record as it now is.
    ///
    /// # Errors
    /// [`LedgerError::OutOfOrder`] when the step does not follow from where the record stands.
    fn record(&mut self, id: RecordId, step: &Step<'_>) -> Result<Record, LedgerError>;

    /// All keys that have a serial number and are bound to a user, of any tenant.
    fn bound_keys(&mut self) -> Result<Vec<BoundKey>, LedgerError>;

    /// All records of a tenant, oldest first.
    fn records(&mut self, tenant: &str) -> Result<Vec<Record>, LedgerError>;
}

/// Why the ledger could not do it. None of its messages holds a PIN.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// Another run holds the ledger.
    #[error("{}: another run is using this ledger; wait for it to end or stop it", path.display())]
    InUse {
        /// The ledger's file.
        path: PathBuf,
    },
    /// The file was written by a newer version.
    #[error("{}: this ledger has version {found}, this program knows {known} at most; use the newer program", path.display())]
    TooNew {
        /// The ledger's file.
        path: PathBuf,
        /// The version in the file.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// The file is not a ledger, or is damaged.
    #[error("{}: this is no ledger of ours ({detail}); move it away or name another one", path.display())]
    NotALedger {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The file system or the database failed.
    #[error("{}: {source}", path.display())]
    Database {
        /// The ledger's file.
        path: PathBuf,
        /// What the database said.
        source: rusqlite::Error,
    },
    /// The file could not be created.
    #[error("{}: cannot create the ledger: {source}", path.display())]
    Create {
        /// The ledger's file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The key already serves another user.
    #[error("key {serial} already belongs to {user}; put it aside and take another one")]
    KeyServesAnother {
        /// The key's serial.
        serial: String,
        /// The user it serves.
        user: String,
    },
    /// A step that does not follow from where the record stands.
    #[error("record {}: a step to {step} does not follow {stage:?}", id.0)]
    OutOfOrder {
        /// The record.
        id: RecordId,
        /// Where it stands.
        stage: Stage,
        /// The step that was asked for.
        step: &'static str,
    },
    /// No such record.
    #[error("record {} does not exist", id.0)]
    NoRecord {
        /// The id that was asked for.
        id: RecordId,
    },
}

impl Stage {
    /// The stable name in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::KeyBound => "key_bound",
            Self::PinPlanned => "pin_planned",
            Self::PinSet => "pin_set",
            Self::CredentialMade => "credential_made",
            Self::Registered => "registered",
            Self::Complete => "complete",
            Self::Abandoned => "abandoned",
        }
    }

    /// The stage of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [
            Self::KeyBound,
            Self::PinPlanned,
            Self::PinSet,
            Self::CredentialMade,
            Self::Registered,
            Self::Complete,
            Self::Abandoned,
        ]
        .into_iter()
        .find(|stage| stage.name() == name)
    }
}

//! Why a run could not go on at all. What befalls one user is an event, not one of these.

use std::path::PathBuf;

use crate::provider::ProviderError;

/// A run that could not start or had to stop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    /// The provider refuses everything.
    #[error(transparent)]
    Provider(ProviderError),
    /// A file.
    #[error(transparent)]
    Batch(#[from] keywright_batch::Error),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] keywright_batch::LedgerError),
    /// The file of an earlier run could not be moved out of the way.
    #[error("{}: cannot set the file of an earlier run aside: {source}", path.display())]
    SetAside {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Something irreversible was not agreed to.
    #[error("nothing was done: deleting existing keys needs {}", if *asked { "a yes" } else { "a yes, and nobody was there to give it; run with --yes or set `deleteExistingUserFIDOCredentials` to false or \"afterRegistration\"" })]
    NotConfirmed {
        /// Whether somebody answered.
        asked: bool,
    },
    /// The group has no members.
    #[error("the group in `usersInScopeGroup` has no members; nothing to do")]
    NoUsers,
    /// The input has no rows.
    #[error("{}: there are no users in this file; run keywright-challenges first", path.display())]
    NoRows {
        /// The file.
        path: PathBuf,
    },
    /// Challenges are over and there is no way to get new ones.
    #[error("{}: {expired} of {of} challenges are over, the first on line {line} (user {user}, since {since}), and no sign-in is configured to fetch new ones; set `client_secret`, or run keywright-challenges again", path.display())]
    ExpiredWithoutSignIn {
        /// The input file.
        path: PathBuf,
        /// How many.
        expired: u64,
        /// Of how many rows.
        of: u64,
        /// 1-based line of the first.
        line: u64,
        /// The user on that line.
        user: String,
        /// When its challenge ended.
        since: jiff::Timestamp,
        /// What is missing.
        source: Box<ProviderError>,
    },
    /// Keys cannot be reached at all.
    #[error("cannot reach security keys over {from}: {source}")]
    KeySource {
        /// Where keys were to come from.
        from: String,
        /// What the transport says.
        source: keywright_ctap::Error,
    },
    /// The operating system lends keys for ceremonies only, and more was asked for.
    #[error(
        "{setting} cannot be had with keys that {from} lends: it asks for PINs itself, and lets nobody change anything else on them; leave {setting} out, or open keys directly (`--keys usb`), as administrator"
    )]
    OutOfReach {
        /// What was asked for.
        setting: &'static str,
        /// Who lends them.
        from: String,
    },
    /// A thread that worked on a key panicked.
    #[error("internal error while working on a key: {0}")]
    Internal(String),
}

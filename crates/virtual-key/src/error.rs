//! What can go wrong with the file that a software key lives in.

use std::{io, path::PathBuf};

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a software key cannot be opened or made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system says no.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
    /// The file is not one of a software key, or of a later version.
    #[error("{} is not the state of a virtual key: {reason}", path.display())]
    NotAKey {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Another process has the key.
    #[error("{} is in use: one key cannot be in two places", path.display())]
    InUse {
        /// Which file.
        path: PathBuf,
    },
    /// A new key was to be made where there is one.
    #[error("{} exists already", path.display())]
    Exists {
        /// Which file.
        path: PathBuf,
    },
    /// The options for a new key are impossible.
    #[error("no such key can be made: {0}")]
    Options(&'static str),
    /// The operating system gave no randomness.
    #[error("the operating system has no randomness to give")]
    Random,
    /// The kernel has no `/dev/uhid`.
    #[error(
        "this kernel has no /dev/uhid, which makes a software key a USB device: `modprobe uhid` as root, outside of a \
         container"
    )]
    NoUhid,
    /// `/dev/uhid` belongs to somebody else.
    #[error(
        "no permission to open /dev/uhid: run as root, or let a udev rule give it to you \
         (KERNEL==\"uhid\", GROUP=\"plugdev\", MODE=\"0660\")"
    )]
    UhidPermission,
    /// The kernel took the device, and then nobody started it.
    #[error(
        "the kernel took the key, but no HID driver started it: `modprobe hid-generic` as root, then try again"
    )]
    NoHidDriver,
    /// The kernel refuses what is written to `/dev/uhid`.
    #[error("the kernel does not take the key from /dev/uhid: {0}")]
    Uhid(#[source] io::Error),
    /// The attestation certificate could not be issued.
    #[error("the attestation certificate could not be issued: {0}")]
    Attestation(String),
}

impl Error {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

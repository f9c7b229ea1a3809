//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Step 1: collect one WebAuthn registration challenge per user of a group.
///
/// Reads the group named in the configuration, asks Entra ID for each member's creation options and writes one row per
/// user. Nothing on any key is touched.
///
/// Exit status: 0 all done, 2 finished but some users failed, 1 could not run, 3 interrupted (safe to run again),
/// 64 usage or configuration error.
#[derive(Debug, Parser)]
#[command(name = "keywright-challenges", version)]
pub(crate) struct Cli {
    /// The configuration; `configs.json` of the Python scripts works unchanged.
    #[arg(long, value_name = "FILE", default_value = "configs.json")]
    pub(crate) config: PathBuf,

    /// Where the challenges go; a file of that name is kept beside it as FILE.previous.
    #[arg(long, value_name = "FILE", default_value = "registrationUsers.csv")]
    pub(crate) out: PathBuf,

    /// Keep the rows in FILE that are still good, and fetch only what is missing or about to expire.
    #[arg(long)]
    pub(crate) resume: bool,

    /// One JSON event a line on standard output, nothing else.
    #[arg(long)]
    pub(crate) json: bool,

    /// Do not ask before deleting the keys that users have (only with `deleteExistingUserFIDOCredentials` true).
    #[arg(long)]
    pub(crate) yes: bool,
}

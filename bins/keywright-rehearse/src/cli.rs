//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Both steps against a simulated tenant on this machine, with software keys: no tenant and no key needed.
///
/// Starts the tenant, writes a configuration, collects the challenges, registers a key for every user and prints a
/// summary. With --keep-serving it starts the tenant, writes the configuration and leaves both steps to you.
///
/// Exit status: as of the two programs it stands for.
#[derive(Debug, Parser)]
#[command(name = "keywright-rehearse", version)]
pub(crate) struct Cli {
    /// How many users the group has.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) users: usize,

    /// Where configuration, CSV files, ledger and keys go; an earlier rehearsal there is moved to previous-N.
    #[arg(long, value_name = "DIR", default_value = "rehearsal")]
    pub(crate) dir: PathBuf,

    /// How long the tenant takes for every answer, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub(crate) latency_ms: u64,

    /// How long each key waits for its touch, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub(crate) touch_ms: u64,

    /// Guests in the group, besides the users.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) guests: usize,

    /// Disabled accounts in the group, besides the users.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) disabled: usize,

    /// How many of the users already have a key.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) existing_keys: usize,

    /// The port of the tenant on 127.0.0.1; any free one by default.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub(crate) port: u16,

    /// Start the tenant, write DIR/configs.json, and serve until Ctrl-C; run the two programs by hand.
    #[arg(long)]
    pub(crate) keep_serving: bool,

    /// One JSON event a line on standard output, nothing else.
    #[arg(long)]
    pub(crate) json: bool,
}

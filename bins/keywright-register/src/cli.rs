//! The command line.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use keywright_provision::ResetPolicy;

/// Step 2: turn each challenge into a credential on a security key and activate it.
///
/// For each row of step 1's file: wait for a key, see to its PIN, make a credential, verify it, activate it with Entra
/// ID, and write serial and PIN to the result file. Whatever was done is on record before the next act that cannot be
/// undone: the program can be stopped at any time and run again.
///
/// Exit status: 0 all done, 2 finished but some users failed, 1 could not run, 3 interrupted (safe to run again),
/// 64 usage or configuration error.
#[derive(Debug, Parser)]
#[command(
    name = "keywright-register",
    version,
    args_conflicts_with_subcommands = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// The configuration; `configs.json` of the Python scripts works unchanged.
    #[arg(long, value_name = "FILE", default_value = "configs.json")]
    pub(crate) config: PathBuf,

    /// The challenges that step 1 wrote, or the Python scripts' file.
    #[arg(
        long = "in",
        value_name = "FILE",
        default_value = "registrationUsers.csv"
    )]
    pub(crate) input: PathBuf,

    /// Where serials and PINs go (mode 0600); rows that are there already are kept.
    #[arg(long, value_name = "FILE", default_value = "registeredKeys.csv")]
    pub(crate) out: PathBuf,

    /// Where keys come from: `usb`, `nfc` (when built with feature `nfc`), `windows` for what
    /// Windows lends to programs without administrator rights, or `virtual:DIR` for software keys in files.
    #[arg(long, value_name = "SOURCE", default_value = "usb")]
    pub(crate) keys: Keys,

    /// What speaks to USB keys. `ctap-hid-fido2` is a library that does not pass all of Keywright's checks.
    #[arg(long, value_enum, value_name = "BACKEND", default_value = "native")]
    pub(crate) usb_backend: UsbBackend,

    /// Seconds to wait for a key to be put in; without it, for ever (virtual keys: 5).
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) key_timeout: Option<Duration>,

    /// Seconds to wait for one touch.
    #[arg(long, value_name = "SECONDS", default_value = "120", value_parser = seconds)]
    pub(crate) touch_timeout: Duration,

    /// How many users to serve at a time, each with a key of its own: as many as the hub has sockets.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) stations: u32,

    /// What to do about a key that somebody has used before: `ask` when nothing but a reset makes it usable (a PIN that
    /// is blocked or unknown, no room), reset every key `always`, or `never`. A reset wipes the key and is confirmed by
    /// typing its serial; `always` together with --yes does without.
    #[arg(long, value_name = "WHEN", default_value = "ask", value_parser = reset)]
    pub(crate) reset: ResetPolicy,

    /// Milliseconds that a virtual key waits for its touch.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub(crate) virtual_touch_ms: u64,

    /// Use another key, without asking, for a user whose half-made key does not come back.
    #[arg(long)]
    pub(crate) give_up_lost_keys: bool,

    /// One JSON event a line on standard output, nothing else.
    #[arg(long)]
    pub(crate) json: bool,

    /// Do not ask for confirmation; PINs are still asked for.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Doctor(Doctor),
}

/// Look at the keys that are there: what Keywright can do with each, and the remedy for what stops it. Changes nothing,
/// and wants no touch.
///
/// Exit status: 0 every key can be used, 2 some cannot, 1 there is none or none can be reached.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Where to look, several times if need be: `usb`, `nfc`, `virtual:DIR`. Without it, everywhere but in directories.
    #[arg(long, value_name = "SOURCE")]
    pub(crate) keys: Vec<Keys>,

    /// One JSON event a line on standard output, nothing else.
    #[arg(long)]
    pub(crate) json: bool,

    /// Only print the udev rule that gives people access to their security keys (Linux), 70-keywright.rules.
    #[arg(long)]
    pub(crate) udev_rule: bool,
}

/// What speaks to USB keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum UsbBackend {
    /// Keywright's own message layer
    Native,
    /// The crate of that name
    CtapHidFido2,
}

/// Where keys come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Keys {
    Usb,
    #[cfg(feature = "nfc")]
    Nfc,
    Windows,
    Virtual(PathBuf),
}

impl FromStr for Keys {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "usb" => Ok(Self::Usb),
            #[cfg(feature = "nfc")]
            None if text == "nfc" => Ok(Self::Nfc),
            #[cfg(not(feature = "nfc"))]
            None if text == "nfc" => Err("this program was built without NFC; build it with \
                 `cargo build --release -p keywright-register --features nfc` (on Linux this needs libpcsclite-dev)"
                .to_owned()),
            None if text == "windows" => Ok(Self::Windows),
            Some(("virtual", directory)) if !directory.is_empty() => {
                Ok(Self::Virtual(directory.into()))
            }
            _ => Err("must be `usb`, `nfc`, `windows` or `virtual:DIR`".to_owned()),
        }
    }
}

fn reset(text: &str) -> Result<ResetPolicy, String> {
    match text {
        "ask" => Ok(ResetPolicy::Ask),
        "always" => Ok(ResetPolicy::Always),
        "never" => Ok(ResetPolicy::Never),
        _ => Err("must be `ask`, `always` or `never`".to_owned()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse::<u64>()
        .map(Duration::from_secs)
        .map_err(|error| error.to_string())
}

//! Step 2: turn each challenge into a credential on a security key and activate it.

mod cli;
mod doctor;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use keywright_cli::{Screen, Terminal};
use keywright_ctap::hid::usb::UsbKeys;
use keywright_ctap::{KeySource, TransportError};
use keywright_ctap_hid_fido2::CtapHidFido2;
use keywright_provision::batch::SqliteLedger;
use keywright_provision::{
    Cancel, Config, EntraProvider, Error, Parties, RegisterSettings, ResetPolicy, Summary,
    register, without_sign_in,
};
use keywright_virtual_key::VirtualKeys;
use keywright_windows_webauthn::{WindowsKeys, is_elevated};

use cli::{Cli, Command, Keys, UsbBackend};

fn main() -> ExitCode {
    match keywright_cli::parse() {
        Ok(Cli {
            command: Some(Command::Doctor(doctor)),
            ..
        }) => doctor::main(doctor),
        Ok(cli) => keywright_cli::main_of(cli.json, |screen, cancel| program(cli, screen, cancel)),
        Err(exit) => exit,
    }
}

async fn program(cli: Cli, screen: Arc<Screen>, cancel: Cancel) -> Result<Summary, Error> {
    let config = Config::read(&cli.config)?;
    let mut settings = RegisterSettings::new(&config, cli.input.clone(), cli.out.clone());
    settings.touch_wait = cli.touch_timeout;
    settings.stations = cli.stations;
    settings.reset = cli.reset;
    settings.key_wait = cli.key_timeout.or(match cli.keys {
        Keys::Virtual(_) => Some(Duration::from_secs(5)),
        _ => None,
    });
    let provider = EntraProvider::new(&config, screen.clone())
        .map_err(|error| without_sign_in(&settings, error))?;
    let keys = key_source(&cli)?;
    let mut ledger = SqliteLedger::open(&ledger_path(&config, &cli.out))?;
    let parties = Parties {
        provider: &provider,
        keys,
        ledger: &mut ledger,
        operator: Arc::new(Terminal {
            screen: screen.clone(),
            assume_yes: cli.yes,
            agree_to_resets: cli.yes && cli.reset == ResetPolicy::Always,
            give_up_lost_keys: cli.give_up_lost_keys,
        }),
        reporter: screen,
        cancel,
    };
    register(parties, &settings).await
}

fn key_source(cli: &Cli) -> Result<Box<dyn KeySource>, Error> {
    let unreachable = |source| Error::KeySource {
        from: format!("{:?}", cli.keys).to_lowercase(),
        source,
    };
    match &cli.keys {
        Keys::Usb if is_elevated() == Some(false) => Err(unreachable(
            TransportError::Unavailable(NOT_ELEVATED).into(),
        )),
        Keys::Usb => Ok(match cli.usb_backend {
            UsbBackend::Native => Box::new(UsbKeys::new().map_err(unreachable)?),
            UsbBackend::CtapHidFido2 => {
                let library = CtapHidFido2::default();
                Box::new(UsbKeys::with_backend(library).map_err(unreachable)?)
            }
        }),
        #[cfg(feature = "nfc")]
        Keys::Nfc => {
            use keywright_ctap::nfc::pcsc::NfcKeys;
            Ok(Box::new(NfcKeys::new().map_err(unreachable)?))
        }
        Keys::Windows => Ok(Box::new(WindowsKeys::new().map_err(unreachable)?)),
        Keys::Virtual(directory) => {
            let touch = Duration::from_millis(cli.virtual_touch_ms);
            Ok(Box::new(
                VirtualKeys::new(directory).with_touch_delay(touch),
            ))
        }
    }
}

/// Beside the result file, unless the configuration says otherwise: what belongs together moves together.
fn ledger_path(config: &Config, out: &Path) -> PathBuf {
    config
        .ledger
        .clone()
        .unwrap_or_else(|| out.with_file_name("keywright-ledger.db"))
}

const NOT_ELEVATED: &str = "Windows keeps security keys from programs without administrator rights; run it from an elevated \
                            prompt, or use `--keys windows`, where random PINs and CTAP 2.1 features cannot be had";

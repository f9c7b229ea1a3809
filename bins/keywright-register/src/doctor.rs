//! `keywright-register doctor`.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use keywright_cli::Exit;
use keywright_ctap::hid::usb::{Native, UsbBus};
use keywright_ctap::{
    Authenticator, Bus, Ctap2, DeviceIdentity, Error, Signal, TransportError, TransportKind,
};
use keywright_provision::doctor::{
    Abilities, Finding, KeyReport, Machine, ModelNames, PinState, Place, Report, ResetAbility,
    Severity, Verdict, examine,
};
use keywright_virtual_key::{VirtualKey, VirtualTransport};
use serde_json::json;

use crate::cli::{Doctor, Keys};

pub(crate) fn main(cli: Doctor) -> ExitCode {
    if cli.udev_rule {
        return ended(io::stdout().write_all(UDEV_RULE.as_bytes()), Exit::Done);
    }
    let keys = if cli.keys.is_empty() {
        everywhere()
    } else {
        cli.keys
    };
    let places = keys.into_iter().map(place).collect();
    let mut machine = Machine::this();
    machine.elevated = keywright_windows_webauthn::is_elevated();
    let report = examine(places, machine, &ModelNames::default());
    let written = if cli.json {
        write_json(&report)
    } else {
        write_text(&report)
    };
    let exit = match report.verdict() {
        Verdict::AllUsable => Exit::Done,
        Verdict::SomeUnusable => Exit::SomeFailed,
        Verdict::NoneReachable => Exit::CouldNotRun,
    };
    ended(written, exit)
}

fn ended(written: io::Result<()>, exit: Exit) -> ExitCode {
    match written {
        // Whoever has read enough may go.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            // As with every message, a closed standard error leaves nobody to tell.
            let _ = writeln!(io::stderr(), "error: standard output: {error}");
            Exit::CouldNotRun.into()
        }
        _ => exit.into(),
    }
}

fn everywhere() -> Vec<Keys> {
    vec![
        Keys::Usb,
        #[cfg(feature = "nfc")]
        Keys::Nfc,
    ]
}

fn place(keys: Keys) -> Place {
    let boxed = |bus| -> Box<dyn Bus> { bus };
    match keys {
        Keys::Usb => Place {
            name: "USB".to_owned(),
            bus: UsbBus::new(Native::default())
                .map(|bus| boxed(Box::new(bus)))
                .map_err(Error::from),
        },
        #[cfg(feature = "nfc")]
        Keys::Nfc => Place {
            name: "NFC".to_owned(),
            bus: keywright_ctap::nfc::pcsc::NfcBus::new()
                .map(|bus| boxed(Box::new(bus)))
                .map_err(Error::from),
        },
        Keys::Windows => Place {
            name: "Windows".to_owned(),
            bus: Err(TransportError::Unavailable(
                "Windows does not say which keys are there before it asks for one",
            )
            .into()),
        },
        Keys::Virtual(directory) => Place {
            name: format!("virtual:{}", directory.display()),
            bus: Ok(Box::new(Directory(directory))),
        },
    }
}

/// The software keys in a directory, all plugged in at once.
struct Directory(PathBuf);

impl Bus for Directory {
    fn devices(&mut self) -> Result<Vec<DeviceIdentity>, TransportError> {
        let unreadable =
            |error: io::Error| TransportError::Io(format!("{}: {error}", self.0.display()));
        let mut devices = Vec::new();
        for entry in fs::read_dir(&self.0).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            // A key's file has its serial number as its name.
            let name = entry.file_name();
            if let Some(serial) = name.to_str()
                && !serial.is_empty()
                && serial.bytes().all(|byte| byte.is_ascii_digit())
            {
                let path = entry.path().display().to_string();
                let mut device = DeviceIdentity::virtual_key(path, "Virtual Key");
                device.usb_serial = Some(serial.to_owned());
                device.transport = TransportKind::Virtual;
                devices.push(device);
            }
        }
        devices.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(devices)
    }

    fn open(
        &mut self,
        device: &DeviceIdentity,
        _: &mut dyn Signal,
    ) -> Result<Box<dyn Authenticator>, Error> {
        let key = VirtualKey::open(device.path.as_ref()).map_err(|error| match error {
            keywright_virtual_key::Error::InUse { .. } => TransportError::Busy(Duration::ZERO),
            error => TransportError::Open {
                path: device.path.clone(),
                reason: error.to_string(),
            },
        })?;
        Ok(Box::new(Ctap2::new(VirtualTransport::new(key))))
    }

    fn describe(&self) -> String {
        format!("virtual:{}", self.0.display())
    }
}

fn write_json(report: &Report) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for key in &report.keys {
        let mut event = serde_json::to_value(key)?;
        if let Some(members) = event.as_object_mut() {
            members.insert("event".to_owned(), "key_examined".into());
            members.insert("usable".to_owned(), key.usable().into());
        }
        writeln!(out, "{event}")?;
    }
    let end = json!({
        "event": "examination_finished",
        "verdict": report.verdict(),
        "keys": report.keys.len(),
        "usable": report.keys.iter().filter(|key| key.usable()).count(),
        "machine": report.machine,
        "findings": report.findings,
    });
    writeln!(out, "{end}")?;
    out.flush()
}

fn write_text(report: &Report) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for key in &report.keys {
        for line in key_lines(key) {
            writeln!(out, "{line}")?;
        }
        writeln!(out)?;
    }
    for finding in &report.findings {
        for line in finding_lines(finding) {
            writeln!(out, "{line}")?;
        }
    }
    let usable = report.keys.iter().filter(|key| key.usable()).count();
    writeln!(out, "{usable} of {} keys can be used", report.keys.len())?;
    out.flush()
}

fn key_lines(key: &KeyReport) -> Vec<String> {
    let name = [key.manufacturer.as_str(), &key.product]
        .into_iter()
        .filter(|text| !text.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    let name = key.model.clone().unwrap_or(name);
    let serial = match &key.serial {
        Some(serial) => format!("serial {serial}"),
        None => "no serial number".to_owned(),
    };
    let verdict = if key.usable() {
        "can be used"
    } else {
        "CANNOT be used"
    };
    let mut lines = vec![
        format!("{name}, {serial}: {verdict}"),
        format!(
            "  {}: {}{}",
            key.place,
            key.path,
            key.usb_id
                .as_ref()
                .map(|id| format!(" ({id})"))
                .unwrap_or_default()
        ),
    ];
    let mut say = |what: &str, value: String| {
        if !value.is_empty() {
            lines.push(format!("  {what}: {value}"));
        }
    };
    say("model", key.aaguid.clone().unwrap_or_default());
    say(
        "firmware",
        key.firmware_version
            .map(|version| firmware(version, key))
            .unwrap_or_default(),
    );
    say("versions", key.versions.join(", "));
    say("connects over", key.transports.join(", "));
    say("options", options(key));
    say("extensions", key.extensions.join(", "));
    say(
        "free slots",
        key.free_slots
            .map(|free| free.to_string())
            .unwrap_or_default(),
    );
    say("PIN", key.pin.map(pin).unwrap_or_default());
    if let Some(abilities) = &key.abilities {
        say("can", abilities_text(abilities));
    }
    lines.extend(key.findings.iter().flat_map(finding_lines));
    lines
}

fn finding_lines(finding: &Finding) -> [String; 2] {
    let mark = match finding.severity() {
        Severity::Blocks => "!!",
        Severity::Limits => " !",
        Severity::Note => " -",
    };
    [
        format!("  {mark} {}", finding.message()),
        format!("     -> {}", finding.fix()),
    ]
}

fn pin(state: PinState) -> String {
    match state {
        PinState::Unsupported => "the key has none".to_owned(),
        PinState::NotSet { minimum_length } => {
            format!("not set, at least {minimum_length} characters")
        }
        PinState::Set { retries: 0, .. } => "blocked".to_owned(),
        PinState::Set {
            retries,
            power_cycle_required,
            change_forced,
            minimum_length,
        } => {
            let mut text =
                format!("set, {retries} attempts left, at least {minimum_length} characters");
            if power_cycle_required {
                text.push_str(", blocked until the key is taken out and put in again");
            }
            if change_forced {
                text.push_str(", must be changed");
            }
            text
        }
    }
}

fn abilities_text(abilities: &Abilities) -> String {
    let all = [
        (abilities.discoverable_credentials, "hold passkeys"),
        (abilities.random_pin, "be given a random PIN"),
        (
            abilities.forced_pin_change,
            "force a PIN change and a minimum length",
        ),
        (abilities.credential_management, "list and delete passkeys"),
        (
            abilities.enterprise_attestation.is_some(),
            if abilities.enterprise_attestation == Some(true) {
                "give enterprise attestation"
            } else {
                "give enterprise attestation once it is enabled"
            },
        ),
    ];
    let reset = match &abilities.reset {
        ResetAbility::Touch => "be reset".to_owned(),
        ResetAbility::LongTouch => "be reset (with a touch of ten seconds)".to_owned(),
        ResetAbility::OnlyOver(transports) => {
            format!("be reset over {} only", transports.join(", "))
        }
    };
    let mut can: Vec<&str> = all
        .iter()
        .filter(|(can, _)| *can)
        .map(|(_, what)| *what)
        .collect();
    can.push(&reset);
    can.join("; ")
}

/// Absent, false and true all mean something different.
fn options(key: &KeyReport) -> String {
    key.options
        .iter()
        .map(|(name, on)| {
            if *on {
                name.clone()
            } else {
                format!("{name} (off)")
            }
        })
        .collect::<Vec<_>>()
        .join(", ")
}

/// Each maker has its own scheme; Yubico's is one byte for each part.
fn firmware(version: u64, key: &KeyReport) -> String {
    match version.to_be_bytes() {
        [0, 0, 0, 0, 0, major, minor, patch]
            if major > 0 && key.manufacturer.contains("Yubico") =>
        {
            format!("{major}.{minor}.{patch}")
        }
        _ => version.to_string(),
    }
}

const UDEV_RULE: &str = include_str!("../../../packaging/70-keywright.rules");

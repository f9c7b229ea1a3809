//! One key: what it says, what can be done with it, and what stands in the way.

use std::collections::BTreeMap;
use std::io;

use keywright_ctap::{
    Authenticator, AuthenticatorInfo, Deadline, DeviceIdentity, Error as CtapError, PinRetries,
    TransportError, TransportKind, hid::HidErrorCode,
};
use keywright_webauthn::{Aaguid, ModelNames};
use serde::Serialize;

use super::PATIENCE;
use super::finding::{Finding, Severity};
use super::machine::{Machine, OperatingSystem};

/// A key. What could not be asked is empty or `None`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KeyReport {
    /// `USB`, `NFC`.
    pub place: String,
    /// Where it is: a device, a reader.
    pub path: String,
    /// Manufacturer string.
    pub manufacturer: String,
    /// Product string.
    pub product: String,
    /// USB vendor and product id.
    pub usb_id: Option<String>,
    /// Whether it could be opened and introduced itself.
    pub reached: bool,
    /// Its serial number.
    pub serial: Option<String>,
    /// The model's identifier.
    pub aaguid: Option<String>,
    /// The model's name, for the identifiers that have one.
    pub model: Option<String>,
    /// Firmware, in the maker's own scheme.
    pub firmware_version: Option<u64>,
    /// CTAP versions.
    pub versions: Vec<String>,
    /// Extensions.
    pub extensions: Vec<String>,
    /// Options: absent, false and true all mean something different (CTAP 2.2 §6.4).
    pub options: BTreeMap<String, bool>,
    /// What else it can be connected over.
    pub transports: Vec<String>,
    /// How many more passkeys will surely fit.
    pub free_slots: Option<u64>,
    /// Its PIN.
    pub pin: Option<PinState>,
    /// What Keywright can do with it.
    pub abilities: Option<Abilities>,
    /// What the operator should know, the worst first.
    pub findings: Vec<Finding>,
}

/// How it stands with the PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum PinState {
    /// The key has no PINs.
    Unsupported,
    /// None is set.
    NotSet {
        /// Fewest code points of a PIN.
        minimum_length: usize,
    },
    /// One is set.
    Set {
        /// Attempts left before it is blocked for good.
        retries: u8,
        /// It must be taken out and put in again before the next attempt.
        power_cycle_required: bool,
        /// It must be changed before it is of any use.
        change_forced: bool,
        /// Fewest code points of a new PIN.
        minimum_length: usize,
    },
}

/// What Keywright can do with a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Abilities {
    /// Hold passkeys.
    pub discoverable_credentials: bool,
    /// Be given a random PIN (`useRandomPIN`).
    pub random_pin: bool,
    /// Minimum PIN length and forced change at first use (`useCTAP21Features`).
    pub forced_pin_change: bool,
    /// Passkeys listed, and deleted one by one.
    pub credential_management: bool,
    /// Enterprise attestation: `None` cannot; `false` not enabled; `true` enabled.
    pub enterprise_attestation: Option<bool>,
    /// Reset.
    pub reset: ResetAbility,
}

/// Whether a key can be reset here (CTAP 2.2 §6.6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ResetAbility {
    /// With a touch.
    Touch,
    /// With a touch of ten seconds.
    LongTouch,
    /// Only over these transports.
    OnlyOver(Vec<String>),
}

impl KeyReport {
    /// Whether Keywright can make this somebody's key.
    #[must_use]
    pub fn usable(&self) -> bool {
        let blocks = |finding: &Finding| finding.severity() == Severity::Blocks;
        self.reached && !self.findings.iter().any(blocks)
    }

    pub(super) fn of(
        device: DeviceIdentity,
        opened: Result<Box<dyn Authenticator>, CtapError>,
        place: &str,
        machine: &Machine,
        models: &ModelNames,
    ) -> Self {
        let mut report = Self::unknown(&device, place);
        match opened.and_then(|mut key| Answers::of(key.as_mut())) {
            Ok(answers) => report.fill_in(answers, device.transport, models),
            Err(error) => report.findings.push(not_reached(&device, &error, machine)),
        }
        report
            .findings
            .sort_by_key(|finding| std::cmp::Reverse(finding.severity()));
        report
    }

    fn unknown(device: &DeviceIdentity, place: &str) -> Self {
        Self {
            place: place.to_owned(),
            path: device.path.clone(),
            manufacturer: device.manufacturer.clone(),
            product: device.product.clone(),
            usb_id: (device.transport == TransportKind::Usb)
                .then(|| format!("{:04x}:{:04x}", device.vendor_id, device.product_id)),
            reached: false,
            serial: device.usb_serial.clone(),
            aaguid: None,
            model: None,
            firmware_version: None,
            versions: Vec::new(),
            extensions: Vec::new(),
            options: BTreeMap::new(),
            transports: Vec::new(),
            free_slots: None,
            pin: None,
            abilities: None,
            findings: Vec::new(),
        }
    }

    fn fill_in(&mut self, answers: Answers, over: TransportKind, models: &ModelNames) {
        let Answers {
            info,
            serial,
            retries,
        } = answers;
        let pin = pin_state(&info, retries);
        let abilities = abilities(&info, over);
        self.findings = findings(&info, pin, &abilities);
        self.reached = true;
        self.serial = serial;
        self.model = models.name(info.aaguid).map(str::to_owned);
        self.aaguid = (info.aaguid != Aaguid([0; 16])).then(|| info.aaguid.to_string());
        self.firmware_version = info.firmware_version;
        self.free_slots = info.remaining_discoverable_credentials;
        self.versions = info.versions;
        self.extensions = info.extensions;
        self.options = info.options;
        self.transports = info.transports;
        self.pin = Some(pin);
        self.abilities = Some(abilities);
    }
}

/// All that a key is asked. None of it changes anything or wants a touch.
struct Answers {
    info: AuthenticatorInfo,
    serial: Option<String>,
    retries: Option<PinRetries>,
}

impl Answers {
    fn of(key: &mut dyn Authenticator) -> Result<Self, CtapError> {
        let serial = key.serial()?;
        let mut signal = Deadline::after(PATIENCE);
        let info = key.info(&mut signal)?;
        let retries = match info.client_pin() {
            Some(true) => Some(key.pin_retries(&mut signal)?),
            _ => None,
        };
        Ok(Self {
            info,
            serial,
            retries,
        })
    }
}

fn pin_state(info: &AuthenticatorInfo, retries: Option<PinRetries>) -> PinState {
    let minimum_length = info.minimum_pin_length();
    match (info.client_pin(), retries) {
        (Some(true), Some(left)) => PinState::Set {
            retries: left.retries,
            power_cycle_required: left.power_cycle_required,
            change_forced: info.force_pin_change == Some(true),
            minimum_length,
        },
        (Some(_), _) => PinState::NotSet { minimum_length },
        (None, _) => PinState::Unsupported,
    }
}

fn abilities(info: &AuthenticatorInfo, over: TransportKind) -> Abilities {
    let here = match over {
        TransportKind::Nfc => "nfc",
        _ => "usb",
    };
    let allowed = &info.transports_for_reset;
    Abilities {
        discoverable_credentials: info.supports_resident_keys(),
        random_pin: info.client_pin().is_some(),
        forced_pin_change: info.supports_set_min_pin_length(),
        credential_management: info.option("credMgmt") == Some(true)
            || info.option("credentialMgmtPreview") == Some(true),
        enterprise_attestation: info.option("ep"),
        reset: if !allowed.is_empty() && !allowed.iter().any(|transport| transport == here) {
            ResetAbility::OnlyOver(allowed.clone())
        } else if info.long_touch_for_reset == Some(true) {
            ResetAbility::LongTouch
        } else {
            ResetAbility::Touch
        },
    }
}

fn findings(info: &AuthenticatorInfo, pin: PinState, abilities: &Abilities) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !info
        .versions
        .iter()
        .any(|version| version.starts_with("FIDO_2"))
    {
        return vec![Finding::U2fOnly];
    }
    if !abilities.discoverable_credentials {
        findings.push(Finding::NoDiscoverableCredentials);
    }
    if info.remaining_discoverable_credentials == Some(0) {
        findings.push(Finding::Full);
    }
    match pin {
        PinState::Unsupported => findings.push(Finding::NoPins),
        PinState::NotSet { .. } => findings.push(Finding::PinNotSet),
        PinState::Set {
            retries,
            power_cycle_required,
            change_forced,
            ..
        } => {
            if retries == 0 {
                findings.push(Finding::PinBlocked);
            } else if power_cycle_required {
                findings.push(Finding::PowerCycleRequired);
            } else if retries <= FEW {
                findings.push(Finding::FewRetries { retries });
            }
            if change_forced {
                findings.push(Finding::PinChangeForced);
            }
        }
    }
    if !abilities.forced_pin_change {
        findings.push(Finding::NoForcedPinChange);
    }
    if !abilities.credential_management {
        findings.push(Finding::NoCredentialManagement);
    }
    findings
}

/// Why a key could not even be asked.
fn not_reached(device: &DeviceIdentity, error: &CtapError, machine: &Machine) -> Finding {
    let path = device.path.clone();
    let CtapError::Transport(error) = error else {
        return Finding::NoAnswer {
            reason: error.to_string(),
        };
    };
    match error {
        // What opening says of a device that answers and has no CTAP2.
        TransportError::Unsupported(_) => Finding::U2fOnly,
        TransportError::Busy(_)
        | TransportError::Hid(HidErrorCode::ChannelBusy | HidErrorCode::LockRequired) => {
            Finding::Busy { path }
        }
        TransportError::Open { reason, .. } => {
            not_opened(path, reason, machine.opening(&device.path), machine)
        }
        other => Finding::NoAnswer {
            reason: other.to_string(),
        },
    }
}

/// hidapi and PC/SC have the operating system's words only; `kind` is what it says to a direct question, where there is
/// one.
fn not_opened(
    path: String,
    reason: &str,
    kind: Option<io::ErrorKind>,
    machine: &Machine,
) -> Finding {
    let words = reason.to_lowercase();
    let says = |texts: &[&str]| texts.iter().any(|text| words.contains(text));
    if kind == Some(io::ErrorKind::ResourceBusy) || says(&BUSY) {
        return Finding::Busy { path };
    }
    let denied = kind == Some(io::ErrorKind::PermissionDenied) || says(&DENIED);
    match machine.system {
        OperatingSystem::Linux if denied => Finding::NoPermission {
            path,
            rule: machine
                .udev_rule
                .as_ref()
                .map(|rule| rule.display().to_string()),
        },
        OperatingSystem::Windows if denied && machine.elevated != Some(true) => {
            Finding::NotElevated
        }
        OperatingSystem::MacOs if denied => Finding::NoInputMonitoring,
        _ => Finding::NotOpened {
            path,
            reason: reason.to_owned(),
        },
    }
}

/// Linux, Windows (sharing violation), macOS (kIOReturnExclusiveAccess), and what we say of PC/SC.
const BUSY: [&str; 5] = [
    "resource busy",
    "being used by another process",
    "0xe00002c5",
    "exclusive access",
    "another program",
];
/// Linux, Windows, macOS (kIOReturnNotPrivileged, kIOReturnNotPermitted).
const DENIED: [&str; 5] = [
    "permission denied",
    "access is denied",
    "not permitted",
    "0xe00002c1",
    "0xe00002e2",
];
/// A third wrong PIN in a row wants the key taken out; fewer than that deserve a warning.
const FEW: u8 = 3;

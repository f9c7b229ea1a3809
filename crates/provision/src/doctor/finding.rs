//! What may stand in the way, and what to do about it.

use serde::ser::{Serialize, SerializeStruct as _, Serializer};

use super::machine::OperatingSystem;

/// Something the operator should know.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// Nothing is plugged in.
    NoKeys {
        /// Where was looked.
        places: Vec<String>,
        /// On what.
        system: OperatingSystem,
    },
    /// The smart card service does not answer.
    NoSmartCardService {
        /// What to do about it.
        fix: &'static str,
    },
    /// A bus cannot be looked at.
    PlaceUnreachable {
        /// Which.
        place: String,
        /// The operating system's words.
        reason: String,
    },
    /// Linux: this user may not open the device.
    NoPermission {
        /// Which device.
        path: String,
        /// A udev rule that should give it to the user at the seat.
        rule: Option<String>,
    },
    /// Windows: raw access to security keys is for administrators.
    NotElevated,
    /// macOS: the terminal lacks the permission.
    NoInputMonitoring,
    /// Another program holds the device.
    Busy {
        /// Which device.
        path: String,
    },
    /// It could not be opened for another reason.
    NotOpened {
        /// Which device.
        path: String,
        /// The operating system's words.
        reason: String,
    },
    /// It was opened and does not answer as a key does.
    NoAnswer {
        /// What came of it.
        reason: String,
    },
    /// It speaks CTAP1/U2F alone.
    U2fOnly,
    /// No `rk` option.
    NoDiscoverableCredentials,
    /// No `clientPin` option.
    NoPins,
    /// No room for another discoverable credential.
    Full,
    /// The PIN is blocked until a reset.
    PinBlocked,
    /// Three wrong PINs in a row.
    PowerCycleRequired,
    /// No PIN is set, which some configurations need.
    PinNotSet,
    /// The PIN must be changed before it is of any use.
    PinChangeForced,
    /// Few attempts are left.
    FewRetries {
        /// How many.
        retries: u8,
    },
    /// No `setMinPINLength`, and with it no forced change.
    NoForcedPinChange,
    /// No credential management.
    NoCredentialManagement,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Note,
    /// Something Keywright does elsewhere cannot be done here.
    Limits,
    /// Nothing can be done.
    Blocks,
}

impl Finding {
    /// A stable name, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoKeys { .. } => "no_keys",
            Self::NoSmartCardService { .. } => "no_smart_card_service",
            Self::PlaceUnreachable { .. } => "place_unreachable",
            Self::NoPermission { .. } => "no_permission",
            Self::NotElevated => "not_elevated",
            Self::NoInputMonitoring => "no_input_monitoring",
            Self::Busy { .. } => "busy",
            Self::NotOpened { .. } => "not_opened",
            Self::NoAnswer { .. } => "no_answer",
            Self::U2fOnly => "u2f_only",
            Self::NoDiscoverableCredentials => "no_discoverable_credentials",
            Self::NoPins => "no_pins",
            Self::Full => "full",
            Self::PinBlocked => "pin_blocked",
            Self::PowerCycleRequired => "power_cycle_required",
            Self::PinNotSet => "pin_not_set",
            Self::PinChangeForced => "pin_change_forced",
            Self::FewRetries { .. } => "few_retries",
            Self::NoForcedPinChange => "no_forced_pin_change",
            Self::NoCredentialManagement => "no_credential_management",
        }
    }

    /// How much it matters.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::PinNotSet | Self::NoCredentialManagement => Severity::Note,
            Self::PinChangeForced | Self::FewRetries { .. } | Self::NoForcedPinChange => {
                Severity::Limits
            }
            _ => Severity::Blocks,
        }
    }

    /// What is the matter, in one sentence without a full stop.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::NoKeys { places, .. } => {
                format!("no security key is there ({})", places.join(", "))
            }
            Self::NoSmartCardService { .. } => {
                "keys on NFC readers cannot be reached: the smart card service (PC/SC) does not answer"
                    .to_owned()
            }
            Self::PlaceUnreachable { place, reason } => {
                format!("keys over {place} cannot be reached: {reason}")
            }
            Self::NoPermission { path, .. } => {
                format!("this user may not open {path}")
            }
            Self::NotElevated => {
                "Windows keeps security keys from programs without administrator rights".to_owned()
            }
            Self::NoInputMonitoring => {
                "macOS keeps security keys from programs without the permission Input Monitoring"
                    .to_owned()
            }
            Self::Busy { path } => format!("another program uses {path}"),
            Self::NotOpened { path, reason } => format!("{path} could not be opened: {reason}"),
            Self::NoAnswer { reason } => format!("it does not answer as a security key does: {reason}"),
            Self::U2fOnly => "it speaks U2F only and cannot hold passkeys".to_owned(),
            Self::NoDiscoverableCredentials => {
                "it cannot hold discoverable credentials, and so no passkeys".to_owned()
            }
            Self::NoPins => "it cannot have a PIN".to_owned(),
            Self::Full => "it has no room for another passkey".to_owned(),
            Self::PinBlocked => "its PIN is blocked for good".to_owned(),
            Self::PowerCycleRequired => {
                "it accepts no PIN after three wrong ones in a row".to_owned()
            }
            Self::PinNotSet => "no PIN is set".to_owned(),
            Self::PinChangeForced => "its PIN must be changed before it can be used".to_owned(),
            Self::FewRetries { retries } => format!(
                "only {retries} attempt{} at its PIN {} left",
                if *retries == 1 { "" } else { "s" },
                if *retries == 1 { "is" } else { "are" }
            ),
            Self::NoForcedPinChange => {
                "it can neither force a PIN change nor a minimum PIN length (no setMinPINLength)"
                    .to_owned()
            }
            Self::NoCredentialManagement => {
                "its passkeys cannot be listed or deleted one by one (no credential management)"
                    .to_owned()
            }
        }
    }

    /// What to do about it, in one sentence without a full stop.
    #[must_use]
    pub fn fix(&self) -> String {
        match self {
            Self::NoKeys { system, .. } => match system {
                OperatingSystem::Linux => "plug a key in, or lay it on a reader; in a container or a virtual machine, pass \
                                           the USB device through (/dev/hidraw*, /dev/bus/usb)"
                    .to_owned(),
                OperatingSystem::MacOs => "plug a key in; if one is, allow this terminal under System Settings > Privacy & \
                                           Security > Input Monitoring, and start it again"
                    .to_owned(),
                _ => "plug a key in, or lay it on a reader".to_owned(),
            },
            Self::NoSmartCardService { fix } => (*fix).to_owned(),
            Self::PlaceUnreachable { .. } => {
                "see to what the operating system says there".to_owned()
            }
            Self::NoPermission { rule: None, .. } => {
                "install the udev rule: `keywright-register doctor --udev-rule | sudo tee \
                 /etc/udev/rules.d/70-keywright.rules && sudo udevadm control --reload`, and plug the key in again"
                    .to_owned()
            }
            Self::NoPermission {
                rule: Some(rule), ..
            } => format!(
                "plug the key in again, so that the rule in {rule} is applied to it; over ssh or in a service, where nobody \
                 sits at the machine, join the group that the rule names: `sudo usermod --append --groups plugdev $USER`, \
                 and sign in again"
            ),
            Self::NotElevated => "run it from an elevated prompt (\"Run as administrator\"), or use `--keys windows`, where \
                                  Windows itself asks for PIN and touch, but random PINs and CTAP 2.1 features cannot be had"
                .to_owned(),
            Self::NoInputMonitoring => "allow this terminal under System Settings > Privacy & Security > Input Monitoring, \
                                        and start it again"
                .to_owned(),
            Self::Busy { .. } => "close what uses it: a browser that waits for a key, a PIN manager, an ssh agent, gpg; \
                                  then try again"
                .to_owned(),
            Self::NotOpened { .. } => {
                "plug the key in again, into another socket if that does not help".to_owned()
            }
            Self::NoAnswer { .. } => "plug the key in again; if it says the same, it is not a FIDO2 key, or broken"
                .to_owned(),
            Self::U2fOnly | Self::NoDiscoverableCredentials | Self::NoPins => {
                "take another key".to_owned()
            }
            Self::Full => {
                "delete a passkey on it, reset it (`keywright-register --reset ask`), or take another key".to_owned()
            }
            Self::PinBlocked => "reset it, which wipes it (`keywright-register --reset ask`), or take another key".to_owned(),
            Self::PowerCycleRequired => "take it out and put it in again".to_owned(),
            Self::PinNotSet => {
                "set `useRandomPIN` to true, and Keywright sets one; with false, a key needs one beforehand".to_owned()
            }
            Self::PinChangeForced => {
                "set `useRandomPIN` to true, and Keywright changes it once it is told the current one".to_owned()
            }
            Self::FewRetries { .. } => "do not guess; a reset, which wipes the key, brings them back".to_owned(),
            Self::NoForcedPinChange => {
                "set `useCTAP21Features` to \"ifSupported\" or false to use it all the same, or take another key".to_owned()
            }
            Self::NoCredentialManagement => {
                "nothing has to be done; should Entra ID refuse a new passkey, it stays on the key until a reset".to_owned()
            }
        }
    }
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut finding = serializer.serialize_struct("Finding", 4)?;
        finding.serialize_field("finding", self.code())?;
        finding.serialize_field("severity", &self.severity())?;
        finding.serialize_field("message", &self.message())?;
        finding.serialize_field("fix", &self.fix())?;
        finding.end()
    }
}

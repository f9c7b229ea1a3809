//! What a new key is like.

use std::{path::Path, time::Duration};

use keywright_ctap::Pin;
use keywright_webauthn::Aaguid;
use serde::{Deserialize, Serialize};

use crate::state::is_serial;

/// The AAGUID of virtual keys, made up for them and known to no metadata service.
pub const VIRTUAL_KEY_AAGUID: Aaguid = Aaguid([
    0x6b, 0x77, 0x76, 0x6b, 0x1d, 0x0a, 0x4c, 0x52, 0x9e, 0x3f, 0x5a, 0x70, 0x2b, 0x84, 0xc1, 0x6d,
]);

/// How a key is made. What is chosen here is the key's for life, and kept in its file.
#[derive(Debug, Clone)]
pub struct KeyOptions {
    /// Its serial number, which is also its file's name: letters and digits. Eight random digits
    /// when absent.
    pub serial: Option<String>,
    /// Its model.
    pub aaguid: Aaguid,
    /// How many discoverable credentials it can hold.
    pub capacity: u32,
    /// A PIN that is set from the beginning.
    pub pin: Option<Pin>,
    /// The fewest code points of a PIN, 4 to 63, that it starts with and is reset to.
    pub min_pin_length: u8,
    /// What it can do.
    pub features: Features,
}

impl Default for KeyOptions {
    fn default() -> Self {
        Self {
            serial: None,
            aaguid: VIRTUAL_KEY_AAGUID,
            capacity: 50,
            pin: None,
            min_pin_length: 4,
            features: Features::default(),
        }
    }
}

impl KeyOptions {
    /// The usual key, with the serial number that its file is named after, where a serial number
    /// can be such.
    pub fn for_file(path: &Path) -> Self {
        let name = path.file_name().and_then(|name| name.to_str());
        Self {
            serial: name.filter(|name| is_serial(name)).map(str::to_owned),
            ..Self::default()
        }
    }
}

/// What a key can do. All of it, by default, and no more than CTAP asks of PINs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Features {
    /// It speaks CTAP 2.1. Otherwise it is a `FIDO_2_0` key: no tokens with permissions, no
    /// credential management, no configuration, whatever else is set here.
    pub fido_2_1: bool,
    /// Discoverable credentials.
    pub resident_keys: bool,
    /// `authenticatorCredentialManagement`.
    pub credential_management: bool,
    /// `authenticatorConfig` with `setMinPINLength`, and the `minPinLength` extension.
    pub set_min_pin_length: bool,
    /// `authenticatorConfig` with `toggleAlwaysUv`.
    pub always_uv: bool,
    /// `authenticatorConfig` with `enableEnterpriseAttestation`.
    pub enterprise_attestation: bool,
    /// It has a rule of its own for PINs, `pinComplexityPolicy`: digits alone are refused. Not by default.
    #[serde(default)]
    pub pin_complexity_policy: bool,
}

impl Default for Features {
    fn default() -> Self {
        Self {
            fido_2_1: true,
            resident_keys: true,
            credential_management: true,
            set_min_pin_length: true,
            always_uv: true,
            enterprise_attestation: true,
            pin_complexity_policy: false,
        }
    }
}

impl Features {
    pub(crate) fn credential_management(self) -> bool {
        self.fido_2_1 && self.credential_management && self.resident_keys
    }

    pub(crate) fn set_min_pin_length(self) -> bool {
        self.fido_2_1 && self.set_min_pin_length
    }

    pub(crate) fn always_uv(self) -> bool {
        self.fido_2_1 && self.always_uv
    }

    pub(crate) fn enterprise_attestation(self) -> bool {
        self.fido_2_1 && self.enterprise_attestation
    }

    pub(crate) fn config(self) -> bool {
        self.set_min_pin_length() || self.always_uv() || self.enterprise_attestation()
    }
}

/// How a key behaves while it is plugged in; nothing of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behaviour {
    /// How long after power-up a reset is possible (CTAP 2.2 section 6.6); `None`: always.
    pub reset_window: Option<Duration>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            reset_window: Some(Duration::from_secs(10)),
        }
    }
}

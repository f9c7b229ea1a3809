//! CTAP 2.2 section 6.4 `authenticatorGetInfo`.

use std::collections::BTreeMap;

use keywright_ctap::{
    hid::MAX_PAYLOAD,
    message::{AuthenticatorInfo, CredentialParameters},
};

use crate::{credential::ALGORITHMS, key::VirtualKey};

/// Most credentials in an exclude or allow list.
pub(crate) const MAX_CREDENTIALS_IN_LIST: usize = 8;
/// Longest credential id, in bytes.
pub(crate) const MAX_CREDENTIAL_ID_LENGTH: usize = 128;
/// Most relying parties that may learn the minimum PIN length.
pub(crate) const MAX_MIN_PIN_LENGTH_RP_IDS: usize = 8;

impl VirtualKey {
    pub(crate) fn info(&self) -> AuthenticatorInfo {
        let state = &self.state;
        let features = state.features;
        let versions: &[&str] = if features.credential_management() {
            &["FIDO_2_0", "FIDO_2_1_PRE", "FIDO_2_1"]
        } else if features.fido_2_1 {
            &["FIDO_2_0", "FIDO_2_1"]
        } else {
            &["FIDO_2_0"]
        };
        let mut info = AuthenticatorInfo::new(owned(versions), state.aaguid);
        info.extensions = self.extensions();
        info.options = self.options();
        info.max_msg_size = Some(MAX_PAYLOAD as u64);
        info.pin_uv_auth_protocols = if features.fido_2_1 {
            vec![2, 1]
        } else {
            vec![1]
        };
        info.max_credential_count_in_list = Some(MAX_CREDENTIALS_IN_LIST as u64);
        info.max_credential_id_length = Some(MAX_CREDENTIAL_ID_LENGTH as u64);
        if !features.fido_2_1 {
            return info;
        }
        info.transports = owned(&["usb"]);
        info.algorithms = ALGORITHMS
            .iter()
            .map(|alg| CredentialParameters::public_key(alg.0))
            .collect();
        info.min_pin_length = Some(state.min_pin_length);
        info.firmware_version = Some(FIRMWARE_VERSION);
        info.pin_complexity_policy = features.pin_complexity_policy.then_some(true);
        info.remaining_discoverable_credentials = features
            .resident_keys
            .then(|| state.remaining_credentials().into());
        if features.set_min_pin_length() {
            info.force_pin_change = Some(state.force_pin_change);
            info.max_rp_ids_for_set_min_pin_length = Some(MAX_MIN_PIN_LENGTH_RP_IDS as u64);
        }
        info
    }

    fn extensions(&self) -> Vec<String> {
        let features = self.state.features;
        let mut extensions = Vec::new();
        if features.fido_2_1 {
            extensions.push("credProtect");
        }
        extensions.push("hmac-secret");
        if features.set_min_pin_length() {
            extensions.push("minPinLength");
        }
        owned(&extensions)
    }

    fn options(&self) -> BTreeMap<String, bool> {
        let state = &self.state;
        let features = state.features;
        let mut options = vec![
            ("plat", false),
            ("rk", features.resident_keys),
            ("up", true),
            ("clientPin", state.pin.is_some()),
        ];
        if features.fido_2_1 {
            options.push(("pinUvAuthToken", true));
            // Section 6.4: "If the alwaysUv option ID is present and true, makeCredUvNotRqd MUST be
            // false."
            options.push(("makeCredUvNotRqd", !state.always_uv));
        }
        if features.credential_management() {
            options.push(("credMgmt", true));
            // Keys have both, for there are clients that know the preview only (libfido2 before 1.15).
            options.push(("credentialMgmtPreview", true));
        }
        if features.config() {
            options.push(("authnrCfg", true));
        }
        if features.set_min_pin_length() {
            options.push(("setMinPINLength", true));
        }
        if features.always_uv() {
            options.push(("alwaysUv", state.always_uv));
        }
        if features.enterprise_attestation() {
            options.push(("ep", state.enterprise_attestation));
        }
        options
            .into_iter()
            .map(|(name, on)| (name.to_owned(), on))
            .collect()
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// 1.0.0, a byte each.
const FIRMWARE_VERSION: u64 = 0x01_00_00;

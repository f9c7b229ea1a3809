//! CTAP 2.2 §6.4 `authenticatorGetInfo` (0x04).

use std::collections::BTreeMap;

use ciborium::Value;
use keywright_webauthn::Aaguid;

use super::{
    CborMessage, CredentialParameters, DecodeError,
    map::{FromCbor, MapWriter, Members},
};

/// What a key says about itself. Everything optional is empty or `None` when the key does not say it.
#[derive(Debug, Clone, PartialEq)]
pub struct AuthenticatorInfo {
    /// 0x01: `FIDO_2_0`, `FIDO_2_1_PRE`, `FIDO_2_1`, `FIDO_2_2`, `U2F_V2`.
    pub versions: Vec<String>,
    /// 0x02: supported extensions.
    pub extensions: Vec<String>,
    /// 0x03: the model.
    pub aaguid: Aaguid,
    /// 0x04: options. Absent, false and true all mean something different: see [`option`](Self::option).
    pub options: BTreeMap<String, bool>,
    /// 0x05: longest message the key takes, in bytes. Absent means 1024.
    pub max_msg_size: Option<u64>,
    /// 0x06: PIN/UV auth protocols, the key's favourite first.
    pub pin_uv_auth_protocols: Vec<u64>,
    /// 0x07: most credentials in an exclude or allow list.
    pub max_credential_count_in_list: Option<u64>,
    /// 0x08: longest credential id, in bytes.
    pub max_credential_id_length: Option<u64>,
    /// 0x09: `usb`, `nfc`, …
    pub transports: Vec<String>,
    /// 0x0A: algorithms, the key's favourite first. Empty means that the key does not say (a CTAP 2.0 key).
    pub algorithms: Vec<CredentialParameters>,
    /// 0x0B: in bytes.
    pub max_serialized_large_blob_array: Option<u64>,
    /// 0x0C: no user verification before the PIN has been changed.
    pub force_pin_change: Option<bool>,
    /// 0x0D: in code points. Absent means 4.
    pub min_pin_length: Option<u8>,
    /// 0x0E
    pub firmware_version: Option<u64>,
    /// 0x0F: in bytes.
    pub max_cred_blob_length: Option<u64>,
    /// 0x10: how many relying parties `setMinPINLength` takes.
    pub max_rp_ids_for_set_min_pin_length: Option<u64>,
    /// 0x11
    pub preferred_platform_uv_attempts: Option<u64>,
    /// 0x12: bit field of the FIDO registry's user verification methods.
    pub uv_modality: Option<u64>,
    /// 0x13
    pub certifications: BTreeMap<String, u64>,
    /// 0x14: how many more discoverable credentials will surely fit.
    pub remaining_discoverable_credentials: Option<u64>,
    /// 0x15
    pub vendor_prototype_config_commands: Vec<u64>,
    /// 0x16: attestation statement formats. Empty means `packed`.
    pub attestation_formats: Vec<String>,
    /// 0x17
    pub uv_count_since_last_pin_entry: Option<u64>,
    /// 0x18: a reset wants a touch of ten seconds.
    pub long_touch_for_reset: Option<bool>,
    /// 0x19: the encrypted device identifier.
    pub enc_identifier: Option<Vec<u8>>,
    /// 0x1A: transports over which the key can be reset. Empty means any.
    pub transports_for_reset: Vec<String>,
    /// 0x1B: the key enforces rules for PINs beyond their length.
    pub pin_complexity_policy: Option<bool>,
    /// 0x1C: where these rules are explained.
    pub pin_complexity_policy_url: Option<Vec<u8>>,
    /// 0x1D: in code points. Absent means 63 bytes.
    pub max_pin_length: Option<u8>,
    /// The whole answer, with whatever members came after CTAP 2.2. Not written by [`to_value`](CborMessage::to_value),
    /// and [`Value::Null`] in an answer that was put together rather than read.
    pub raw: Value,
}

impl AuthenticatorInfo {
    /// An answer with the required members alone.
    pub fn new(versions: Vec<String>, aaguid: Aaguid) -> Self {
        Self {
            versions,
            extensions: Vec::new(),
            aaguid,
            options: BTreeMap::new(),
            max_msg_size: None,
            pin_uv_auth_protocols: Vec::new(),
            max_credential_count_in_list: None,
            max_credential_id_length: None,
            transports: Vec::new(),
            algorithms: Vec::new(),
            max_serialized_large_blob_array: None,
            force_pin_change: None,
            min_pin_length: None,
            firmware_version: None,
            max_cred_blob_length: None,
            max_rp_ids_for_set_min_pin_length: None,
            preferred_platform_uv_attempts: None,
            uv_modality: None,
            certifications: BTreeMap::new(),
            remaining_discoverable_credentials: None,
            vendor_prototype_config_commands: Vec::new(),
            attestation_formats: Vec::new(),
            uv_count_since_last_pin_entry: None,
            long_touch_for_reset: None,
            enc_identifier: None,
            transports_for_reset: Vec::new(),
            pin_complexity_policy: None,
            pin_complexity_policy_url: None,
            max_pin_length: None,
            raw: Value::Null,
        }
    }

    /// An option: `None` not supported, `Some(false)` supported and not set up or off, `Some(true)` supported and on.
    pub fn option(&self, name: &str) -> Option<bool> {
        self.options.get(name).copied()
    }

    /// `Some(true)`: a PIN is set; `Some(false)`: none is set; `None`: the key has no PINs.
    pub fn client_pin(&self) -> Option<bool> {
        self.option("clientPin")
    }

    /// Whether the key can store discoverable credentials.
    pub fn supports_resident_keys(&self) -> bool {
        self.option("rk") == Some(true)
    }

    /// Whether tokens with permissions are to be had (CTAP 2.1); else the legacy `getPinToken` is used.
    pub fn supports_permissions(&self) -> bool {
        self.option("pinUvAuthToken") == Some(true)
    }

    /// Whether `setMinPINLength` works, and with it the forced PIN change.
    pub fn supports_set_min_pin_length(&self) -> bool {
        self.option("setMinPINLength") == Some(true)
    }

    /// Whether built-in user verification (a fingerprint) is set up.
    pub fn built_in_user_verification(&self) -> bool {
        self.option("uv") == Some(true)
    }

    /// Whether the key speaks this version.
    pub fn supports_version(&self, version: &str) -> bool {
        self.versions.iter().any(|candidate| candidate == version)
    }

    /// Whether the key knows this extension.
    pub fn supports_extension(&self, extension: &str) -> bool {
        self.extensions
            .iter()
            .any(|candidate| candidate == extension)
    }

    /// The fewest code points a new PIN must have.
    pub fn minimum_pin_length(&self) -> usize {
        self.min_pin_length
            .map_or(crate::pin::MIN_CODE_POINTS, usize::from)
    }

    /// The longest message the key takes, in bytes.
    pub fn maximum_message_size(&self) -> usize {
        self.max_msg_size
            .and_then(|size| usize::try_from(size).ok())
            .unwrap_or(DEFAULT_MAX_MSG_SIZE)
    }
}

impl CborMessage for AuthenticatorInfo {
    fn to_value(&self) -> Value {
        MapWriter::default()
            .list(0x01, &self.versions, text)
            .list(0x02, &self.extensions, text)
            .put(0x03, Value::Bytes(self.aaguid.0.to_vec()))
            .maybe(0x04, map(&self.options, |on| (*on).into()))
            .maybe(0x05, self.max_msg_size)
            .list(0x06, &self.pin_uv_auth_protocols, |protocol| {
                (*protocol).into()
            })
            .maybe(0x07, self.max_credential_count_in_list)
            .maybe(0x08, self.max_credential_id_length)
            .list(0x09, &self.transports, text)
            .list(0x0A, &self.algorithms, CredentialParameters::to_value)
            .maybe(0x0B, self.max_serialized_large_blob_array)
            .maybe(0x0C, self.force_pin_change)
            .maybe(0x0D, self.min_pin_length)
            .maybe(0x0E, self.firmware_version)
            .maybe(0x0F, self.max_cred_blob_length)
            .maybe(0x10, self.max_rp_ids_for_set_min_pin_length)
            .maybe(0x11, self.preferred_platform_uv_attempts)
            .maybe(0x12, self.uv_modality)
            .maybe(0x13, map(&self.certifications, |level| (*level).into()))
            .maybe(0x14, self.remaining_discoverable_credentials)
            .list(0x15, &self.vendor_prototype_config_commands, |command| {
                (*command).into()
            })
            .list(0x16, &self.attestation_formats, text)
            .maybe(0x17, self.uv_count_since_last_pin_entry)
            .maybe(0x18, self.long_touch_for_reset)
            .maybe(0x19, self.enc_identifier.clone().map(Value::Bytes))
            .list(0x1A, &self.transports_for_reset, text)
            .maybe(0x1B, self.pin_complexity_policy)
            .maybe(
                0x1C,
                self.pin_complexity_policy_url.clone().map(Value::Bytes),
            )
            .maybe(0x1D, self.max_pin_length)
            .finish()
    }

    fn from_value(value: &Value) -> Result<Self, DecodeError> {
        let members = Members::of(value, "the answer")?;
        // Only what nothing works without is insisted on: a key must not become useless because of a member that is
        // only informative, and keys do get these wrong.
        Ok(Self {
            versions: members.required(0x01, "versions")?,
            extensions: members.list(0x02, "extensions")?,
            aaguid: Aaguid(members.required(0x03, "aaguid")?),
            options: members
                .get(0x04)
                .map(options)
                .transpose()?
                .unwrap_or_default(),
            max_msg_size: members.optional(0x05, "maxMsgSize")?,
            pin_uv_auth_protocols: members.list(0x06, "pinUvAuthProtocols")?,
            max_credential_count_in_list: members.optional(0x07, "maxCredentialCountInList")?,
            max_credential_id_length: members.optional(0x08, "maxCredentialIdLength")?,
            transports: informative(members, 0x09).unwrap_or_default(),
            algorithms: members.list(0x0A, "algorithms")?,
            max_serialized_large_blob_array: informative(members, 0x0B),
            force_pin_change: members.optional(0x0C, "forcePINChange")?,
            min_pin_length: members.optional(0x0D, "minPINLength")?,
            firmware_version: informative(members, 0x0E),
            max_cred_blob_length: informative(members, 0x0F),
            max_rp_ids_for_set_min_pin_length: members
                .optional(0x10, "maxRPIDsForSetMinPINLength")?,
            preferred_platform_uv_attempts: informative(members, 0x11),
            uv_modality: informative(members, 0x12),
            certifications: members.get(0x13).map(certifications).unwrap_or_default(),
            remaining_discoverable_credentials: informative(members, 0x14),
            vendor_prototype_config_commands: informative(members, 0x15).unwrap_or_default(),
            attestation_formats: informative(members, 0x16).unwrap_or_default(),
            uv_count_since_last_pin_entry: informative(members, 0x17),
            long_touch_for_reset: informative(members, 0x18),
            enc_identifier: members.get(0x19).and_then(Value::as_bytes).cloned(),
            transports_for_reset: informative(members, 0x1A).unwrap_or_default(),
            pin_complexity_policy: informative(members, 0x1B),
            pin_complexity_policy_url: members.get(0x1C).and_then(Value::as_bytes).cloned(),
            max_pin_length: informative(members, 0x1D),
            raw: value.clone(),
        })
    }
}

/// A member that is taken when it is as it should be and passed over otherwise.
fn informative<T: FromCbor>(members: Members<'_>, key: i64) -> Option<T> {
    members.optional(key, "informative").ok().flatten()
}

fn options(value: &Value) -> Result<BTreeMap<String, bool>, DecodeError> {
    // An option that is no boolean is one this crate does not know, or it would be one.
    Ok(Members::of(value, "options")?
        .entries()
        .iter()
        .filter_map(|(name, on)| Some((name.as_text()?.to_owned(), on.as_bool()?)))
        .collect())
}

fn certifications(value: &Value) -> BTreeMap<String, u64> {
    let entries = value.as_map().map(Vec::as_slice).unwrap_or_default();
    entries
        .iter()
        .filter_map(|(name, level)| {
            Some((
                name.as_text()?.to_owned(),
                level.as_integer()?.try_into().ok()?,
            ))
        })
        .collect()
}

fn text(text: &impl AsRef<str>) -> Value {
    text.as_ref().into()
}

fn map<T>(entries: &BTreeMap<String, T>, each: impl Fn(&T) -> Value) -> Option<Value> {
    (!entries.is_empty()).then(|| {
        Value::Map(
            entries
                .iter()
                .map(|(name, value)| (name.as_str().into(), each(value)))
                .collect(),
        )
    })
}

/// §6.4: what a key without maxMsgSize takes.
const DEFAULT_MAX_MSG_SIZE: usize = 1024;

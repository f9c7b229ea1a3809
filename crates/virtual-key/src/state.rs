//! Everything a key remembers without power.

use keywright_ctap::{Pin, message::UserEntity};
use keywright_webauthn::{Aaguid, Base64Url};
use serde::{Deserialize, Serialize};

use crate::{
    attestation::Attestation,
    credential::PrivateKey,
    error::{Error, Result},
    options::{Features, KeyOptions},
    secret::Secret,
};

/// The content of a key's file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct State {
    /// Always [`FORMAT`].
    pub(crate) virtual_key: u32,
    pub(crate) serial: String,
    pub(crate) aaguid: Aaguid,
    pub(crate) capacity: u32,
    pub(crate) features: Features,
    pub(crate) initial_min_pin_length: u8,
    pub(crate) attestation: Attestation,
    /// Encrypts the credentials that the relying party keeps.
    pub(crate) wrapping_key: Secret,
    pub(crate) sign_count: u32,
    pub(crate) pin: Option<StoredPin>,
    pub(crate) pin_retries: u8,
    pub(crate) min_pin_length: u8,
    pub(crate) min_pin_length_rp_ids: Vec<String>,
    pub(crate) force_pin_change: bool,
    pub(crate) always_uv: bool,
    pub(crate) enterprise_attestation: bool,
    /// Oldest first.
    pub(crate) credentials: Vec<ResidentCredential>,
}

/// What is kept of a PIN.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StoredPin {
    /// `LEFT(SHA-256(pin), 16)`
    pub(crate) hash: Secret,
    /// Its length, as `minPINLength` counts.
    pub(crate) code_points: usize,
}

/// A discoverable credential.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ResidentCredential {
    pub(crate) id: Base64Url,
    pub(crate) private_key: PrivateKey,
    pub(crate) rp_id: String,
    pub(crate) rp_name: Option<String>,
    pub(crate) user_id: Base64Url,
    pub(crate) user_name: Option<String>,
    pub(crate) user_display_name: Option<String>,
    /// 1 to 3.
    pub(crate) cred_protect: u8,
    pub(crate) hmac_secret: Option<HmacSecrets>,
}

/// The secrets of the `hmac-secret` extension.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HmacSecrets {
    /// `CredRandomWithUV`
    pub(crate) with_uv: Secret,
    /// `CredRandomWithoutUV`
    pub(crate) without_uv: Secret,
}

impl State {
    /// A key fresh from the factory.
    pub(crate) fn new(options: &KeyOptions) -> Result<Self> {
        if !(4..=63).contains(&options.min_pin_length) {
            return Err(Error::Options("a minimum PIN length outside of 4 to 63"));
        }
        let serial = match &options.serial {
            Some(serial) if is_serial(serial) => serial.clone(),
            Some(_) => {
                return Err(Error::Options(
                    "a serial number that is not letters and digits",
                ));
            }
            None => random_serial()?,
        };
        let pin = options.pin.as_ref().map(StoredPin::of);
        if pin
            .as_ref()
            .is_some_and(|pin| pin.code_points < usize::from(options.min_pin_length))
        {
            return Err(Error::Options("a PIN that is shorter than its minimum"));
        }
        Ok(Self {
            virtual_key: FORMAT,
            aaguid: options.aaguid,
            capacity: options.capacity,
            features: options.features,
            initial_min_pin_length: options.min_pin_length,
            attestation: Attestation::issue(options.aaguid, &serial)?,
            serial,
            wrapping_key: Secret::random(32)?,
            sign_count: 0,
            pin,
            pin_retries: MAX_PIN_RETRIES,
            min_pin_length: options.min_pin_length,
            min_pin_length_rp_ids: Vec::new(),
            force_pin_change: false,
            always_uv: false,
            enterprise_attestation: false,
            credentials: Vec::new(),
        })
    }

    /// What is left after `authenticatorReset` (CTAP 2.2 section 6.6): what the factory put in, and
    /// a new wrapping key, so that the credentials that relying parties keep are dead as well.
    pub(crate) fn reset(&self) -> Result<Self> {
        Ok(Self {
            wrapping_key: Secret::random(32)?,
            pin: None,
            pin_retries: MAX_PIN_RETRIES,
            min_pin_length: self.initial_min_pin_length,
            min_pin_length_rp_ids: Vec::new(),
            force_pin_change: false,
            always_uv: false,
            enterprise_attestation: false,
            credentials: Vec::new(),
            ..self.clone()
        })
    }

    pub(crate) fn remaining_credentials(&self) -> u32 {
        self.capacity
            .saturating_sub(u32::try_from(self.credentials.len()).unwrap_or(u32::MAX))
    }
}

impl StoredPin {
    pub(crate) fn of(pin: &Pin) -> Self {
        Self::of_bytes(pin.expose().as_bytes(), pin.code_points())
    }

    pub(crate) fn of_bytes(pin: &[u8], code_points: usize) -> Self {
        use sha2::{Digest, Sha256};
        let hash: zeroize::Zeroizing<[u8; 32]> =
            zeroize::Zeroizing::new(Sha256::digest(pin).into());
        let (left, _) = hash.split_at(16);
        Self {
            hash: Secret::new(left.to_vec()),
            code_points,
        }
    }
}

impl ResidentCredential {
    pub(crate) fn user(&self) -> UserEntity {
        UserEntity {
            id: self.user_id.0.clone(),
            name: self.user_name.clone(),
            display_name: self.user_display_name.clone(),
        }
    }
}

/// Whether a text can be a key's serial number, and so its file's name.
pub(crate) fn is_serial(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Eight digits, the first not zero, so that a spreadsheet leaves them alone.
fn random_serial() -> Result<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|_| Error::Random)?;
    Ok((10_000_000 + u64::from_be_bytes(bytes) % 90_000_000).to_string())
}

pub(crate) const FORMAT: u32 = 1;
pub(crate) const MAX_PIN_RETRIES: u8 = 8;

//! Whether a key can serve a user at all, found out before anything on it is changed.

use keywright_ctap::GetAssertionRequest;
use keywright_webauthn::Aaguid;

use super::desk::Key;
use super::failure::{Failure, HOLDS_USER, PIN_BLOCKED};
use super::turn::Turn;
use crate::config::Ctap21;

impl Turn<'_, '_> {
    /// Refuses, before anything on the key is changed, what cannot work.
    pub(super) async fn inspect(&mut self, key: &mut Key) -> Result<(), Failure> {
        let info = &key.info;
        let unfit = |reason: &str| Err(Failure::KeyUnfit(reason.to_owned()));
        // The model of a key that the operating system lends is known from the credential only.
        if !key.is_lent() {
            self.check_model(key.info.aaguid, &key.model)?;
        }
        if self.settings.stations > 1 && key.serial.is_none() {
            return unfit(
                "it tells no serial number, and among several keys nobody could say later whose it is; serve it with \
                 --stations 1",
            );
        }
        if !info
            .versions
            .iter()
            .any(|version| version.starts_with("FIDO_2"))
        {
            return unfit("it speaks U2F only and cannot hold passkeys");
        }
        if !info.supports_resident_keys() {
            return unfit("it cannot hold discoverable credentials");
        }
        if info.client_pin().is_none() && !key.is_lent() {
            return unfit("it cannot have a PIN");
        }
        if self.settings.ctap21 == Ctap21::Require && !info.supports_set_min_pin_length() {
            return unfit(
                "it cannot force a PIN change (no setMinPINLength), which `useCTAP21Features` asks for; set that to \
                 \"ifSupported\" to use it all the same",
            );
        }
        if info.remaining_discoverable_credentials == Some(0) {
            return Err(Failure::spent(
                "key_full",
                "it is full; delete a credential on it, reset it, or take another key",
            ));
        }
        if info.client_pin() == Some(true) {
            let left = self
                .desk
                .with(key, |key, signal| key.pin_retries(signal))
                .await?;
            if left.retries == 0 {
                return Err(Failure::spent("pin_blocked", PIN_BLOCKED));
            }
        }
        if self.holds_excluded(key).await? {
            return Err(Failure::spent(
                HOLDS_USER,
                "it already holds a passkey of this user",
            ));
        }
        Ok(())
    }

    /// The models that may be used are the operator's to choose.
    pub(super) fn check_model(&self, aaguid: Aaguid, name: &str) -> Result<(), Failure> {
        let allowed = &self.settings.allowed_aaguids;
        if !allowed.is_empty() && !allowed.contains(&aaguid) {
            return Err(Failure::KeyUnfit(format!(
                "its model, {name} ({aaguid}), is not among `allowedAaguids`"
            )));
        }
        if self.settings.denied_aaguids.contains(&aaguid) {
            return Err(Failure::KeyUnfit(format!(
                "its model, {name} ({aaguid}), is among `deniedAaguids`"
            )));
        }
        Ok(())
    }

    /// Whether a credential that the provider excludes is on this key, asked without a touch (CTAP 2.2 §6.2, `up` false).
    async fn holds_excluded(&mut self, key: &mut Key) -> Result<bool, Failure> {
        let issued = self.current_options().await?;
        let Some(rp_id) = issued.options.rp_id().map(str::to_owned) else {
            return Ok(false);
        };
        let excluded = issued.options.exclude_credentials.iter();
        let ids: Vec<Vec<u8>> = excluded.map(|one| one.id.as_bytes().to_vec()).collect();
        let at_once = key.info.max_credential_count_in_list.unwrap_or(1).max(1);
        let longest = key.info.max_credential_id_length.unwrap_or(u64::MAX);
        let fitting: Vec<Vec<u8>> = ids
            .into_iter()
            .filter(|id| id.len() as u64 <= longest)
            .collect();
        for chunk in fitting.chunks(usize::try_from(at_once).unwrap_or(1)) {
            let request = GetAssertionRequest {
                client_data: [0; 32].into(),
                rp_id: rp_id.clone(),
                allow_list: chunk.to_vec(),
                user_presence: false,
                user_verification: false,
                hmac_secret: None,
            };
            let found = self
                .desk
                .with(key, move |key, signal| {
                    key.get_assertion(&request, None, signal)
                })
                .await;
            // Any refusal but "no such credential" leaves it to makeCredential to find out.
            if found.is_ok() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

//! CTAP 2.2 §6.11 `authenticatorConfig`, from the platform's side.

use super::Ctap2;
use crate::{
    authenticator::ConfigChange,
    error::{Error, Result},
    message::{
        AuthenticatorInfo, Request,
        client_pin::Permissions,
        config::{self, SetMinPinLength, SubCommand},
    },
    pin::{Pin, PinError},
    signal::Signal,
    transport::Transport,
};

impl<T: Transport> Ctap2<T> {
    pub(super) fn apply(
        &mut self,
        change: &ConfigChange,
        pin: Option<&Pin>,
        signal: &mut dyn Signal,
    ) -> Result<()> {
        let info: AuthenticatorInfo = self.call(&Request::GetInfo, signal)?;
        let mut message = config::Request::new(sub_command(change, &info)?);

        // §6.11: a key that is protected by some form of user verification wants it here too.
        let is_protected = info.client_pin() == Some(true) || info.built_in_user_verification();
        let verification = self.verify_user(
            &info,
            pin,
            is_protected,
            Permissions::AUTHENTICATOR_CONFIGURATION,
            None,
            signal,
        )?;
        if verification.option().is_some() {
            // A fingerprint cannot stand for a token here.
            return Err(PinError::Required.into());
        }
        message.pin_uv_auth_param = verification.param(&message.authenticated_message());
        message.pin_uv_auth_protocol = verification.protocol();
        self.call_raw(&Request::Config(message), signal).map(drop)
    }
}

fn sub_command(change: &ConfigChange, info: &AuthenticatorInfo) -> Result<SubCommand> {
    if info.option("authnrCfg") != Some(true) {
        return Err(Error::Unsupported("authenticatorConfig"));
    }
    match change {
        ConfigChange::SetMinPinLength {
            new_min,
            rp_ids,
            force_change,
        } => {
            if !info.supports_set_min_pin_length() {
                return Err(Error::Unsupported("setMinPINLength"));
            }
            let limit = info
                .max_rp_ids_for_set_min_pin_length
                .and_then(|n| usize::try_from(n).ok())
                .unwrap_or(0);
            if rp_ids.len() > limit {
                return Err(Error::Limit {
                    what: "relying parties for minPinLength",
                    asked: rp_ids.len(),
                    limit,
                });
            }
            Ok(SubCommand::SetMinPinLength(SetMinPinLength {
                new_min_pin_length: *new_min,
                min_pin_length_rp_ids: rp_ids.clone(),
                force_change_pin: force_change.then_some(true),
                pin_complexity_policy: None,
            }))
        }
        ConfigChange::ToggleAlwaysUv => match info.option("alwaysUv") {
            Some(_) => Ok(SubCommand::ToggleAlwaysUv),
            None => Err(Error::Unsupported("alwaysUv")),
        },
        ConfigChange::EnableEnterpriseAttestation => match info.option("ep") {
            Some(_) => Ok(SubCommand::EnableEnterpriseAttestation),
            None => Err(Error::Unsupported("enterprise attestation")),
        },
    }
}

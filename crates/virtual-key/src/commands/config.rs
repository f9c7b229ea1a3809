//! CTAP 2.2 section 6.11 `authenticatorConfig`.

use keywright_ctap::{
    StatusCode,
    message::{
        self,
        client_pin::Permissions,
        config::{Request, SetMinPinLength, SubCommand},
    },
};

use super::get_info::MAX_MIN_PIN_LENGTH_RP_IDS;
use crate::key::VirtualKey;

impl VirtualKey {
    pub(crate) fn config(
        &mut self,
        request: &Request,
        params: &[u8],
    ) -> Result<Vec<u8>, StatusCode> {
        let features = self.state.features;
        // "If the authenticator does not support the subcommand, … return
        // CTAP2_ERR_INVALID_SUBCOMMAND."
        let supported = match request.sub_command {
            SubCommand::EnableEnterpriseAttestation => features.enterprise_attestation(),
            SubCommand::ToggleAlwaysUv => features.always_uv(),
            SubCommand::SetMinPinLength(_) => features.set_min_pin_length(),
            _ => false,
        };
        if !supported {
            return Err(StatusCode::InvalidSubcommand);
        }
        // "If the authenticator is not protected by some form of user verification and the
        // subcommand is toggleAlwaysUv, and alwaysUv is enabled, proceed": a key without a PIN has
        // nothing to verify with, except that alwaysUv demands a PIN for the rest.
        let toggles_off =
            self.state.always_uv && matches!(request.sub_command, SubCommand::ToggleAlwaysUv);
        if self.state.pin.is_some() || (self.state.always_uv && !toggles_off) {
            self.authorise_config(request, params)?;
        }
        match &request.sub_command {
            // "If the enterprise attestation feature is disabled, then re-enable the enterprise
            // attestation feature."
            SubCommand::EnableEnterpriseAttestation => {
                self.update(|state| state.enterprise_attestation = true)?
            }
            // "If the alwaysUv feature is disabled: … enable the feature. Otherwise, disable it."
            SubCommand::ToggleAlwaysUv => {
                self.update(|state| state.always_uv = !state.always_uv)?
            }
            SubCommand::SetMinPinLength(params) => self.set_min_pin_length(params)?,
            _ => return Err(StatusCode::InvalidSubcommand),
        }
        Ok(message::empty())
    }

    fn authorise_config(&mut self, request: &Request, params: &[u8]) -> Result<(), StatusCode> {
        // "If pinUvAuthParam is absent from the input map, then end the operation by returning
        // CTAP2_ERR_PUAT_REQUIRED."
        let param = request
            .pin_uv_auth_param
            .as_ref()
            .ok_or(StatusCode::PuatRequired)?;
        // "The authenticator calls verify(pinUvAuthToken, 32×0xff || 0x0d || uint8(subCommand) ||
        // subCommandParams, pinUvAuthParam)."
        let message = [&[0xff; 32], &[0x0d, request.sub_command.code()][..], params].concat();
        self.session
            .authorise(
                request.pin_uv_auth_protocol,
                &message,
                param,
                Permissions::AUTHENTICATOR_CONFIGURATION,
            )
            .map(drop)
    }

    /// Section 6.11.4 "Setting a minimum PIN Length".
    fn set_min_pin_length(&mut self, params: &SetMinPinLength) -> Result<(), StatusCode> {
        // "If newMinPINLength is absent, then let newMinPINLength be present with the value of
        // current minimum PIN length."
        let new_minimum = params
            .new_min_pin_length
            .unwrap_or(self.state.min_pin_length);
        // "If minPinLengthRPIDs is present and … the list's length is greater than
        // maxRPIDsForSetMinPINLength, … return CTAP2_ERR_KEY_STORE_FULL."
        if params.min_pin_length_rp_ids.len() > MAX_MIN_PIN_LENGTH_RP_IDS {
            return Err(StatusCode::KeyStoreFull);
        }
        // "If newMinPINLength is less than the current minimum PIN length, then … return
        // CTAP2_ERR_PIN_POLICY_VIOLATION." No PIN has more than 63 code points.
        if new_minimum < self.state.min_pin_length || new_minimum > 63 {
            return Err(StatusCode::PinPolicyViolation);
        }
        let forced = params.force_change_pin == Some(true);
        // "If forceChangePin is present and true and no PIN is set, then … return
        // CTAP2_ERR_PIN_NOT_SET."
        if forced && self.state.pin.is_none() {
            return Err(StatusCode::PinNotSet);
        }
        // "If … PINCodePointLength is less than newMinPINLength, then let forceChangePin be present
        // with the value true."
        let too_short = self
            .state
            .pin
            .as_ref()
            .is_some_and(|pin| pin.code_points < usize::from(new_minimum));
        self.update(|state| {
            state.min_pin_length = new_minimum;
            state.force_pin_change |= forced || too_short;
            if !params.min_pin_length_rp_ids.is_empty() {
                state
                    .min_pin_length_rp_ids
                    .clone_from(&params.min_pin_length_rp_ids);
            }
        })?;
        // "If forceChangePin is present and true: … the authenticator calls resetPinUvAuthToken()
        // for all pinUvAuthProtocols."
        if forced || too_short {
            self.session.reset_token();
        }
        Ok(())
    }
}

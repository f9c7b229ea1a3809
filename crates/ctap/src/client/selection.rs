//! CTAP 2.2 §6.9 `authenticatorSelection`, and what did its work before.

use super::Ctap2;
use crate::{
    error::Result,
    message::{
        AuthenticatorInfo, CredentialParameters, Request, RpEntity, UserEntity, make_credential,
    },
    signal::Signal,
    status::StatusCode,
    transport::Transport,
};

impl<T: Transport> Ctap2<T> {
    pub(super) fn wait_for_touch(&mut self, signal: &mut dyn Signal) -> Result<()> {
        let info: AuthenticatorInfo = self.call(&Request::GetInfo, signal)?;
        let knows_selection = info.versions.iter().any(|version| {
            version.starts_with("FIDO_2_")
                && !matches!(version.as_str(), "FIDO_2_0" | "FIDO_2_1_PRE")
        });
        if knows_selection {
            return self.call_raw(&Request::Selection, signal).map(drop);
        }

        // §6.1.2 step 1: to a zero-length pinUvAuthParam, a key with clientPin waits for a touch and then answers
        // CTAP2_ERR_PIN_NOT_SET, or CTAP2_ERR_PIN_INVALID where a PIN has been set.
        let touch = Request::MakeCredential(make_credential::Request {
            client_data_hash: vec![0; 32],
            rp: RpEntity {
                id: TOUCH.to_owned(),
                name: None,
            },
            user: UserEntity {
                id: vec![0],
                name: Some(TOUCH.to_owned()),
                display_name: None,
            },
            pub_key_cred_params: vec![CredentialParameters::public_key(ES256)],
            pin_uv_auth_param: Some(Vec::new()),
            pin_uv_auth_protocol: Some(1),
            ..make_credential::Request::default()
        });
        match self.call_raw(&touch, signal) {
            Err(error)
                if matches!(
                    error.status(),
                    Some(
                        StatusCode::PinNotSet | StatusCode::PinInvalid | StatusCode::PinAuthInvalid
                    )
                ) =>
            {
                Ok(())
            }
            outcome => outcome.map(drop),
        }
    }
}

const TOUCH: &str = "touch.invalid";
const ES256: i64 = -7;

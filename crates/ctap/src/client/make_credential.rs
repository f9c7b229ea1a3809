//! CTAP 2.2 §6.1 `authenticatorMakeCredential`, from the platform's side.

use super::{Ctap2, pin_uv::Verification, preflight};
use crate::{
    authenticator::{MakeCredentialRequest, MakeCredentialResponse},
    error::{Error, Result},
    message::{
        self, AuthenticatorInfo, CborMessage, Command, CredentialParameters, Options, Request,
        RpEntity, UserEntity, client_pin::Permissions, make_credential,
    },
    pin::Pin,
    signal::Signal,
    transport::Transport,
};

impl<T: Transport> Ctap2<T> {
    pub(super) fn make(
        &mut self,
        request: &MakeCredentialRequest,
        pin: Option<&Pin>,
        signal: &mut dyn Signal,
    ) -> Result<MakeCredentialResponse> {
        let info: AuthenticatorInfo = self.call(&Request::GetInfo, signal)?;
        let exclude_list = preflight::possible(&request.exclude_list, &info);
        let mut message = unverified(request, &info);
        let in_one_go = preflight::fits(
            &exclude_list,
            encoded_length(&message) + AUTH_PARAM_LENGTH,
            &info,
        );

        // §6.1.1 and §6.1.2 steps 11 to 13: a protected key wants user verification, unless the credential is not
        // discoverable and the key says makeCredUvNotRqd.
        let is_protected = info.client_pin() == Some(true) || info.built_in_user_verification();
        let not_required = info.option("makeCredUvNotRqd") == Some(true) && !request.resident_key;
        let needed = request.user_verification
            || info.option("alwaysUv") == Some(true)
            || (is_protected && !not_required);
        if pin.is_some() && info.option("noMcGaPermissionsWithClientPin") == Some(true) {
            return Err(Error::Unsupported(
                "making credentials by its PIN (noMcGaPermissionsWithClientPin)",
            ));
        }
        let permissions = if in_one_go {
            Permissions::MAKE_CREDENTIAL
        } else {
            Permissions::MAKE_CREDENTIAL | Permissions::GET_ASSERTION
        };
        let verification = self.verify_user(
            &info,
            pin,
            needed,
            permissions,
            Some(&request.rp_id),
            signal,
        )?;

        message.exclude_list = if in_one_go {
            exclude_list
        } else {
            // More than the key takes at once: look for them beforehand, and let the key refuse the one that is there.
            self.find_excluded(&exclude_list, &request.rp_id, &info, &verification, signal)?
                .into_iter()
                .collect()
        };
        authenticate(&mut message, &verification);

        let length = encoded_length(&message) + 1;
        if length > info.maximum_message_size() {
            return Err(Error::Limit {
                what: "bytes in a message",
                asked: length,
                limit: info.maximum_message_size(),
            });
        }
        let raw = self.call_raw(&Request::MakeCredential(message), signal)?;
        let answer: make_credential::Response =
            message::decode_members(raw.get(1..).unwrap_or_default()).map_err(|source| {
                Error::Malformed {
                    command: Command::MakeCredential,
                    source,
                }
            })?;
        Ok(MakeCredentialResponse {
            fmt: answer.fmt,
            auth_data: answer.auth_data,
            att_stmt: answer.att_stmt,
            enterprise_attestation: answer.ep_att.unwrap_or(false),
            large_blob_key: answer.large_blob_key,
            unsigned_extension_outputs: answer.unsigned_extension_outputs,
            raw,
        })
    }
}

fn unverified(
    request: &MakeCredentialRequest,
    info: &AuthenticatorInfo,
) -> make_credential::Request {
    let extensions = &request.extensions;
    make_credential::Request {
        client_data_hash: request.client_data.hash().to_vec(),
        rp: RpEntity {
            id: request.rp_id.clone(),
            name: text(&request.rp_name),
        },
        user: UserEntity {
            id: request.user_id.clone(),
            name: text(&request.user_name),
            display_name: text(&request.user_display_name),
        },
        pub_key_cred_params: request
            .algorithms
            .iter()
            .map(|alg| CredentialParameters::public_key(*alg))
            .collect(),
        exclude_list: Vec::new(),
        extensions: make_credential::Extensions {
            cred_protect: extensions.cred_protect,
            hmac_secret: extensions.hmac_secret.then_some(true),
            min_pin_length: extensions.min_pin_length.then_some(true),
            cred_blob: extensions.cred_blob.clone(),
            large_blob_key: extensions.large_blob_key.then_some(true),
            other: Vec::new(),
        },
        // `up` is always true here and so left out; `uv` comes with the verification.
        options: Options {
            rk: request.resident_key.then_some(true),
            up: None,
            uv: None,
        },
        pin_uv_auth_param: None,
        pin_uv_auth_protocol: None,
        enterprise_attestation: request.enterprise_attestation.map(u64::from),
        // New in CTAP 2.2, along with the getInfo member: not for keys that do not have a choice to offer.
        attestation_formats_preference: if info.attestation_formats.is_empty() {
            Vec::new()
        } else {
            request.attestation_formats.clone()
        },
    }
}

fn authenticate(message: &mut make_credential::Request, verification: &Verification) {
    message.options.uv = verification.option();
    message.pin_uv_auth_param = verification.param(&message.client_data_hash);
    message.pin_uv_auth_protocol = verification.protocol();
}

fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn encoded_length(message: &make_credential::Request) -> usize {
    message.to_cbor().len()
}

/// The command byte, a `pinUvAuthParam` of 32 bytes and its protocol, with their keys.
const AUTH_PARAM_LENGTH: usize = 1 + 35 + 2;

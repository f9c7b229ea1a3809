//! CTAP 2.2 section 6.2 `authenticatorGetAssertion` and section 6.3
//! `authenticatorGetNextAssertion`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use keywright_ctap::{
    StatusCode,
    message::{
        self, CredentialDescriptor, UserEntity,
        client_pin::Permissions,
        get_assertion::{HmacSecretInput, Request, Response},
    },
    pin_uv::Protocol,
};
use keywright_webauthn::{AuthenticatorData, AuthenticatorDataFlags, cbor::Value};
use zeroize::Zeroizing;

use super::{get_info::MAX_CREDENTIALS_IN_LIST, make_credential::rp_id_hash};
use crate::{
    credential::{Usable, hmac_sha256},
    key::{VirtualKey, touched},
    presence::Presence,
    session::{AssertionContext, HmacSecretSalts, RemainingAssertions, checked_protocol},
};

/// Section 6.3: "If timer since the last call to
/// authenticatorGetAssertion/authenticatorGetNextAssertion is greater than 30 seconds".
const NEXT_ASSERTION_WITHIN: Duration = Duration::from_secs(30);

impl VirtualKey {
    pub(crate) fn get_assertion(
        &mut self,
        request: &Request,
        presence: &mut dyn Presence,
    ) -> Result<Vec<u8>, StatusCode> {
        self.answer_selection_by_empty_param(request.pin_uv_auth_param.as_deref(), presence)?;
        if request.pin_uv_auth_param.is_some() {
            checked_protocol(request.pin_uv_auth_protocol)?;
        }
        if request.client_data_hash.len() != 32 || request.rp_id.is_empty() {
            return Err(StatusCode::InvalidParameter);
        }
        // "If the rk option is present then: Return CTAP2_ERR_UNSUPPORTED_OPTION."
        if request.options.rk.is_some() {
            return Err(StatusCode::UnsupportedOption);
        }
        // "If the uv option is true and the authenticator does not support a built-in user
        // verification method, … CTAP2_ERR_INVALID_OPTION."
        if request.options.uv == Some(true) && request.pin_uv_auth_param.is_none() {
            return Err(StatusCode::InvalidOption);
        }
        let wants_touch = request.options.up.unwrap_or(true);
        let verified = self.verify_user_for_assertion(request, wants_touch)?;
        let mut credentials = self.applicable_credentials(request, verified)?;
        // Section 12.7: "If up is set to false, authenticator returns
        // CTAP2_ERR_UNSUPPORTED_OPTION."
        let hmac_secret = match &request.extensions.hmac_secret {
            Some(_) if !wants_touch => return Err(StatusCode::UnsupportedOption),
            Some(input) => Some(Arc::new(self.hmac_secret_salts(input)?)),
            None => None,
        };
        if wants_touch {
            touched(presence)?;
            self.session.spend_token();
        }
        let context = AssertionContext {
            rp_id_hash: rp_id_hash(&request.rp_id),
            client_data_hash: request.client_data_hash.clone(),
            user_present: wants_touch,
            user_verified: verified,
            hmac_secret,
        };
        // "If allowList is present, … select any credential from the applicable credentials list."
        if !request.allow_list.is_empty() {
            credentials.truncate(1);
        }
        // "Order the credentials in the applicable credentials list by the time when they were
        // created in reverse order."
        let first = if credentials.is_empty() {
            None
        } else {
            Some(credentials.remove(0))
        };
        let first = first.ok_or(StatusCode::NoCredentials)?;
        // "If … numberOfCredentials is more than one": the user's names tell the accounts apart,
        // and are told after user verification only.
        let several = !credentials.is_empty();
        let total = several.then_some(credentials.len() as u64 + 1);
        let answer = self.assert(&first, &context, several, total)?;
        if several {
            credentials.reverse();
            self.session.remaining_assertions = Some(RemainingAssertions {
                credentials,
                context,
                since: Instant::now(),
            });
        }
        Ok(answer)
    }

    pub(crate) fn get_next_assertion(&mut self) -> Result<Vec<u8>, StatusCode> {
        // "If authenticator does not remember any authenticatorGetAssertion parameters, return
        // CTAP2_ERR_NOT_ALLOWED." "If the credentialCounter is equal to or greater than
        // numberOfCredentials, return CTAP2_ERR_NOT_ALLOWED." "If timer … is greater than 30
        // seconds, discard the current … state and return CTAP2_ERR_NOT_ALLOWED."
        let mut remaining = self
            .session
            .remaining_assertions
            .take()
            .ok_or(StatusCode::NotAllowed)?;
        if remaining.since.elapsed() > NEXT_ASSERTION_WITHIN {
            return Err(StatusCode::NotAllowed);
        }
        let credential = remaining.credentials.pop().ok_or(StatusCode::NotAllowed)?;
        let answer = self.assert(&credential, &remaining.context, true, None)?;
        // "Reset the timer. Increment credentialCounter."
        remaining.since = Instant::now();
        self.session.remaining_assertions = Some(remaining);
        Ok(answer)
    }

    fn verify_user_for_assertion(
        &mut self,
        request: &Request,
        wants_touch: bool,
    ) -> Result<bool, StatusCode> {
        let Some(param) = &request.pin_uv_auth_param else {
            // "If the alwaysUv option ID is present and true and the up option is present and true:
            // … return CTAP2_ERR_PUAT_REQUIRED."
            return if self.state.always_uv && wants_touch {
                Err(StatusCode::PuatRequired)
            } else {
                Ok(false)
            };
        };
        if self.state.pin.is_none() {
            return Err(StatusCode::PinNotSet);
        }
        let token = self.session.authorise(
            request.pin_uv_auth_protocol,
            &request.client_data_hash,
            param,
            Permissions::GET_ASSERTION,
        )?;
        token.bind(&request.rp_id)?;
        if token.user_verified() {
            Ok(true)
        } else {
            Err(StatusCode::PinAuthInvalid)
        }
    }

    /// "Locate all credentials that are eligible for retrieval under the specified criteria",
    /// newest first.
    fn applicable_credentials(
        &self,
        request: &Request,
        verified: bool,
    ) -> Result<Vec<Usable>, StatusCode> {
        let rp_id_hash = rp_id_hash(&request.rp_id);
        if request.allow_list.len() > MAX_CREDENTIALS_IN_LIST {
            return Err(StatusCode::LimitExceeded);
        }
        let by_id = !request.allow_list.is_empty();
        let mut credentials: Vec<Usable> = if by_id {
            request
                .allow_list
                .iter()
                .filter(|descriptor| descriptor.is_public_key())
                .filter_map(|descriptor| self.find(&request.rp_id, &rp_id_hash, &descriptor.id))
                .collect()
        } else {
            let stored = self.state.credentials.iter().rev();
            stored
                .filter(|credential| credential.rp_id == request.rp_id)
                .map(Usable::from)
                .collect()
        };
        credentials.retain(|credential| match credential.cred_protect {
            // "If credential protection … is userVerificationRequired and the "uv" bit is false in
            // the response, remove."
            3 => verified,
            // "… is userVerificationOptionalWithCredentialIDList and there is no allowList passed
            // by the client and the "uv" bit is false in the response, remove."
            2 => verified || by_id,
            _ => true,
        });
        // "If the applicable credentials list is empty, return CTAP2_ERR_NO_CREDENTIALS."
        if credentials.is_empty() {
            Err(StatusCode::NoCredentials)
        } else {
            Ok(credentials)
        }
    }

    /// Section 12.7: the salts of `hmac-secret`, checked and decrypted.
    fn hmac_secret_salts(
        &mut self,
        input: &HmacSecretInput,
    ) -> Result<HmacSecretSalts, StatusCode> {
        let protocol = match input.pin_uv_auth_protocol {
            None => Protocol::One,
            given => checked_protocol(given)?,
        };
        let secret = self.session.decapsulate(protocol, &input.key_agreement)?;
        // "The authenticator calls verify(shared secret, saltEnc, saltAuth). If an error results,
        // it returns CTAP2_ERR_PIN_AUTH_INVALID."
        secret
            .verify(&input.salt_enc, &input.salt_auth)
            .map_err(|_| StatusCode::PinAuthInvalid)?;
        let salts = secret
            .decrypt(&input.salt_enc)
            .map_err(|_| StatusCode::InvalidParameter)?;
        // "… one or two salts of 32 bytes."
        if salts.len() == 32 || salts.len() == 64 {
            Ok(HmacSecretSalts { secret, salts })
        } else {
            Err(StatusCode::InvalidParameter)
        }
    }

    /// Signs with one credential.
    fn assert(
        &mut self,
        credential: &Usable,
        context: &AssertionContext,
        several: bool,
        total: Option<u64>,
    ) -> Result<Vec<u8>, StatusCode> {
        self.update(|state| state.sign_count = state.sign_count.saturating_add(1))?;
        let mut flags = 0;
        if context.user_present {
            flags |= AuthenticatorDataFlags::USER_PRESENT;
        }
        if context.user_verified {
            flags |= AuthenticatorDataFlags::USER_VERIFIED;
        }
        let auth_data = AuthenticatorData {
            rp_id_hash: context.rp_id_hash,
            flags: AuthenticatorDataFlags(flags),
            sign_count: self.state.sign_count,
            attested_credential_data: None,
            extensions: hmac_secret_output(credential, context)?,
        }
        .encode()
        .map_err(|_| StatusCode::Unspecified)?;
        let signed_data = [auth_data.as_slice(), &context.client_data_hash].concat();
        let user = credential.user.as_ref().map(|user| {
            // "User identifiable information (name, DisplayName, icon) inside the
            // publicKeyCredentialUserEntity MUST NOT be returned if user verification is not done
            // by the authenticator", and is of use among several accounts only.
            if several && context.user_verified {
                user.clone()
            } else {
                UserEntity {
                    id: user.id.clone(),
                    ..UserEntity::default()
                }
            }
        });
        Ok(message::ok(&Response {
            credential: Some(CredentialDescriptor::public_key(credential.id.clone())),
            signature: credential.private_key.sign(&signed_data)?,
            auth_data,
            user,
            number_of_credentials: total,
            ..Response::default()
        }))
    }
}

/// Section 12.7: "output1: HMAC-SHA-256(CredRandom, salt1), output2: HMAC-SHA-256(CredRandom,
/// salt2)", encrypted.
fn hmac_secret_output(
    credential: &Usable,
    context: &AssertionContext,
) -> Result<Option<Value>, StatusCode> {
    let (Some(salts), Some(secrets)) = (&context.hmac_secret, &credential.hmac_secret) else {
        return Ok(None);
    };
    // "If uv bit is set to 1 in the response, let CredRandom be CredRandomWithUV. Else,
    // CredRandomWithoutUV."
    let cred_random = if context.user_verified {
        &secrets.with_uv
    } else {
        &secrets.without_uv
    };
    let outputs: Zeroizing<Vec<u8>> = Zeroizing::new(
        salts
            .salts
            .chunks(32)
            .flat_map(|salt| hmac_sha256(cred_random.expose(), salt))
            .collect(),
    );
    let encrypted = salts
        .secret
        .encrypt(&outputs)
        .map_err(|_| StatusCode::Unspecified)?;
    Ok(Some(Value::Map(vec![(
        "hmac-secret".into(),
        Value::Bytes(encrypted),
    )])))
}

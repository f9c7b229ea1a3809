//! CTAP 2.2 §6.2 `authenticatorGetAssertion` and §6.3 `authenticatorGetNextAssertion`, from the platform's side.

use keywright_webauthn::AuthenticatorData;
use zeroize::Zeroizing;

use super::{
    Ctap2,
    pin_uv::{Session, Verification},
    preflight,
};
use crate::{
    authenticator::{GetAssertionRequest, GetAssertionResponse, HmacSecretSalts},
    error::{Error, Result},
    message::{
        AuthenticatorInfo, CborMessage, Command, CredentialDescriptor, DecodeError, Options,
        Request, client_pin::Permissions, get_assertion,
    },
    pin::Pin,
    pin_uv::{PinUvError, Protocol},
    signal::Signal,
    status::StatusCode,
    transport::Transport,
};

impl<T: Transport> Ctap2<T> {
    pub(super) fn assert(
        &mut self,
        request: &GetAssertionRequest,
        pin: Option<&Pin>,
        signal: &mut dyn Signal,
    ) -> Result<Vec<GetAssertionResponse>> {
        let info: AuthenticatorInfo = self.call(&Request::GetInfo, signal)?;
        if request.hmac_secret.is_some() && !info.supports_extension("hmac-secret") {
            return Err(Error::Unsupported("hmac-secret"));
        }
        let needed = request.user_verification
            || (info.option("alwaysUv") == Some(true) && request.user_presence);
        let rp_id = Some(request.rp_id.as_str());
        let verification = self.verify_user(
            &info,
            pin,
            needed,
            Permissions::GET_ASSERTION,
            rp_id,
            signal,
        )?;
        let hmac_secret = match &request.hmac_secret {
            Some(salts) => Some((self.key_agreement(&info, signal)?, salts)),
            None => None,
        };

        let mut message = get_assertion::Request {
            rp_id: request.rp_id.clone(),
            client_data_hash: request.client_data.hash().to_vec(),
            allow_list: Vec::new(),
            extensions: get_assertion::Extensions {
                hmac_secret: hmac_secret
                    .as_ref()
                    .map(|(session, salts)| salt_input(session, salts))
                    .transpose()?,
                ..get_assertion::Extensions::default()
            },
            options: Options {
                rk: None,
                up: (!request.user_presence).then_some(false),
                uv: verification.option(),
            },
            pin_uv_auth_param: verification.param(request.client_data.hash()),
            pin_uv_auth_protocol: verification.protocol(),
        };
        message.allow_list = self.allow_list(request, &message, &info, &verification, signal)?;

        let only_allowed = match message.allow_list.as_slice() {
            [only] => Some(only.id.clone()),
            _ => None,
        };
        let first: get_assertion::Response = self.call(&Request::GetAssertion(message), signal)?;
        let more = first.number_of_credentials.unwrap_or(1).saturating_sub(1);
        let read = |answer| {
            response(
                answer,
                only_allowed.as_deref(),
                hmac_secret.as_ref().map(|(session, _)| session),
            )
        };
        let mut assertions = vec![read(first)?];
        for _ in 0..more {
            // §6.3: CTAP2_ERR_NOT_ALLOWED when nothing is left.
            match self.call(&Request::GetNextAssertion, signal) {
                Ok(next) => assertions.push(read(next)?),
                Err(error) if error.status() == Some(StatusCode::NotAllowed) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(assertions)
    }

    /// The allow list, cut down to the one credential that is there when the key cannot take the whole.
    fn allow_list(
        &mut self,
        request: &GetAssertionRequest,
        message: &get_assertion::Request,
        info: &AuthenticatorInfo,
        verification: &Verification,
        signal: &mut dyn Signal,
    ) -> Result<Vec<CredentialDescriptor>> {
        let possible = preflight::possible(&request.allow_list, info);
        if preflight::fits(&possible, message.to_cbor().len() + 1, info)
            && possible.is_empty() == request.allow_list.is_empty()
        {
            return Ok(possible);
        }
        match self.find_excluded(&possible, &request.rp_id, info, verification, signal)? {
            Some(found) => Ok(vec![found]),
            // An empty list would mean any credential.
            None => Err(Error::Status {
                command: Command::GetAssertion,
                status: StatusCode::NoCredentials,
            }),
        }
    }
}

/// §12.7: `saltEnc` is encrypt(shared secret, salt1 || salt2), `saltAuth` authenticate(shared secret, saltEnc); the protocol
/// must be told unless it is one.
fn salt_input(
    session: &Session,
    salts: &HmacSecretSalts,
) -> Result<get_assertion::HmacSecretInput> {
    let mut plain = Zeroizing::new(salts.first.to_vec());
    plain.extend(salts.second.iter().flatten());
    let salt_enc = session.secret.encrypt(&plain)?;
    Ok(get_assertion::HmacSecretInput {
        key_agreement: session.platform_key.clone(),
        salt_auth: session.secret.authenticate(&salt_enc),
        salt_enc,
        pin_uv_auth_protocol: match session.secret.protocol() {
            Protocol::One => None,
            Protocol::Two => Some(Protocol::Two.number()),
        },
    })
}

fn response(
    answer: get_assertion::Response,
    only_allowed: Option<&[u8]>,
    session: Option<&Session>,
) -> Result<GetAssertionResponse> {
    let credential_id = answer
        .credential
        .map(|credential| credential.id)
        // §6.2: member 0x01 may be left out when the allowList has exactly one credential.
        .or_else(|| only_allowed.map(<[u8]>::to_vec))
        .ok_or_else(|| malformed(DecodeError::Missing("credential")))?;
    Ok(GetAssertionResponse {
        credential_id,
        hmac_secrets: session
            .map(|session| hmac_secrets(&answer.auth_data, session))
            .transpose()?
            .unwrap_or_default(),
        auth_data: answer.auth_data,
        signature: answer.signature,
        user: answer.user,
        large_blob_key: answer.large_blob_key,
    })
}

/// The decrypted `hmac-secret` output: 32 bytes for each salt, nothing when the credential has no such secret.
fn hmac_secrets(auth_data: &[u8], session: &Session) -> Result<Vec<Zeroizing<[u8; 32]>>> {
    let auth_data = AuthenticatorData::parse(auth_data).map_err(|error| {
        malformed(DecodeError::Cbor(format!(
            "the authenticator data: {error}"
        )))
    })?;
    let extensions = auth_data
        .extensions
        .as_ref()
        .and_then(ciborium::Value::as_map)
        .map(Vec::as_slice);
    let output = extensions
        .unwrap_or_default()
        .iter()
        .find(|(name, _)| name.as_text() == Some("hmac-secret"))
        .and_then(|(_, output)| output.as_bytes());
    let Some(output) = output else {
        return Ok(Vec::new());
    };

    let secrets = session.secret.decrypt(output)?;
    let (secrets, rest) = secrets.as_chunks::<32>();
    if !rest.is_empty() {
        return Err(PinUvError::Length {
            what: "an hmac-secret output",
            length: output.len(),
        }
        .into());
    }
    Ok(secrets
        .iter()
        .map(|secret| Zeroizing::new(*secret))
        .collect())
}

fn malformed(source: DecodeError) -> Error {
    Error::Malformed {
        command: Command::GetAssertion,
        source,
    }
}

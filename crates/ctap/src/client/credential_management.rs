//! CTAP 2.2 §6.8 `authenticatorCredentialManagement`, from the platform's side.

use keywright_webauthn::cbor;

use super::Ctap2;
use crate::{
    authenticator::{CredentialSlots, ResidentCredential},
    error::{Error, Result},
    message::{
        AuthenticatorInfo, Command, CredentialDescriptor, DecodeError, Request,
        client_pin::Permissions,
        credential_management::{self, Params, Response, SubCommand},
    },
    pin::Pin,
    pin_uv::Token,
    signal::Signal,
    status::StatusCode,
    transport::Transport,
};

/// What authorises the subcommands, and which of the two commands carries them.
struct Access {
    token: Token,
    command: Command,
}

impl Access {
    /// A subcommand with its `pinUvAuthParam`.
    fn authenticated(&self, sub_command: SubCommand, params: Option<Params>) -> Request {
        let mut message = credential_management::Request {
            params,
            ..credential_management::Request::new(sub_command)
        };
        message.pin_uv_auth_param = Some(self.token.authenticate(&message.authenticated_message()));
        message.pin_uv_auth_protocol = Some(self.token.protocol().number());
        self.wrap(message)
    }

    /// A subcommand that continues an enumeration: it has no `pinUvAuthParam` (§6.8.3, §6.8.4), and some keys refuse one.
    fn next(&self, sub_command: SubCommand) -> Request {
        self.wrap(credential_management::Request::new(sub_command))
    }

    fn wrap(&self, message: credential_management::Request) -> Request {
        match self.command {
            Command::CredentialManagementPreview => Request::CredentialManagementPreview(message),
            _ => Request::CredentialManagement(message),
        }
    }

    fn missing(&self, member: &'static str) -> Error {
        Error::Malformed {
            command: self.command,
            source: DecodeError::Missing(member),
        }
    }
}

impl<T: Transport> Ctap2<T> {
    /// §6.8.2 getCredsMetadata
    pub(super) fn get_credentials_metadata(
        &mut self,
        pin: &Pin,
        signal: &mut dyn Signal,
    ) -> Result<CredentialSlots> {
        let access = self.manage_credentials(pin, signal)?;
        let answer: Response = self.call(
            &access.authenticated(SubCommand::GetCredsMetadata, None),
            signal,
        )?;
        Ok(CredentialSlots {
            existing: answer
                .existing_resident_credentials_count
                .ok_or_else(|| access.missing("existingResidentCredentialsCount"))?,
            remaining: answer
                .max_possible_remaining_resident_credentials_count
                .ok_or_else(|| access.missing("maxPossibleRemainingResidentCredentialsCount"))?,
        })
    }

    pub(super) fn enumerate_credentials(
        &mut self,
        pin: &Pin,
        signal: &mut dyn Signal,
    ) -> Result<Vec<ResidentCredential>> {
        let access = self.manage_credentials(pin, signal)?;
        let mut credentials = Vec::new();
        // A key can be in the middle of one enumeration only: first all relying parties, then their credentials.
        for (rp_id, rp_id_hash) in self.enumerate_rps(&access, signal)? {
            let params = Params {
                rp_id_hash: Some(rp_id_hash),
                ..Params::default()
            };
            let begin = access.authenticated(SubCommand::EnumerateCredentialsBegin, Some(params));
            let next = access.next(SubCommand::EnumerateCredentialsGetNextCredential);
            for answer in self.enumerate(&begin, &next, |first| first.total_credentials, signal)? {
                credentials.push(credential(&access, rp_id.clone(), rp_id_hash, answer)?);
            }
        }
        Ok(credentials)
    }

    /// §6.8.5 deleteCredential
    pub(super) fn delete(
        &mut self,
        credential_id: &[u8],
        pin: &Pin,
        signal: &mut dyn Signal,
    ) -> Result<()> {
        let access = self.manage_credentials(pin, signal)?;
        let params = Params {
            credential_id: Some(CredentialDescriptor::public_key(credential_id)),
            ..Params::default()
        };
        match self.call_raw(
            &access.authenticated(SubCommand::DeleteCredential, Some(params)),
            signal,
        ) {
            Err(error) if error.status() == Some(StatusCode::NoCredentials) => {
                Err(Error::NoSuchCredential)
            }
            outcome => outcome.map(drop),
        }
    }

    /// §6.8.3 enumerateRPsBegin, enumerateRPsGetNextRP
    fn enumerate_rps(
        &mut self,
        access: &Access,
        signal: &mut dyn Signal,
    ) -> Result<Vec<(String, [u8; 32])>> {
        let begin = access.authenticated(SubCommand::EnumerateRpsBegin, None);
        let next = access.next(SubCommand::EnumerateRpsGetNextRp);
        self.enumerate(&begin, &next, |first| first.total_rps, signal)?
            .into_iter()
            .map(|answer| {
                let rp_id = answer.rp.and_then(|rp| rp.id).unwrap_or_default();
                Ok((
                    rp_id,
                    answer
                        .rp_id_hash
                        .ok_or_else(|| access.missing("rpIDHash"))?,
                ))
            })
            .collect()
    }

    fn enumerate(
        &mut self,
        begin: &Request,
        next: &Request,
        total: impl Fn(&Response) -> Option<u32>,
        signal: &mut dyn Signal,
    ) -> Result<Vec<Response>> {
        let first: Response = match self.call_or_empty(begin, signal) {
            Err(error) if error.status() == Some(StatusCode::NoCredentials) => {
                return Ok(Vec::new());
            }
            outcome => outcome?,
        };
        // Some preview keys say zero where they should say CTAP2_ERR_NO_CREDENTIALS.
        let total = total(&first).unwrap_or(0);
        if total == 0 {
            return Ok(Vec::new());
        }
        let mut answers = vec![first];
        for _ in 1..total {
            answers.push(self.call(next, signal)?);
        }
        Ok(answers)
    }

    /// Preview keys with nothing to enumerate may answer with a status alone.
    fn call_or_empty(&mut self, request: &Request, signal: &mut dyn Signal) -> Result<Response> {
        let answer = self.call_raw(request, signal)?;
        match answer.get(1..).unwrap_or_default() {
            [] => Ok(Response::default()),
            members => crate::message::decode_members(members).map_err(|source| Error::Malformed {
                command: request.command(),
                source,
            }),
        }
    }

    fn manage_credentials(&mut self, pin: &Pin, signal: &mut dyn Signal) -> Result<Access> {
        let info: AuthenticatorInfo = self.call(&Request::GetInfo, signal)?;
        let command = if info.option("credMgmt") == Some(true) {
            Command::CredentialManagement
        } else if info.option("credentialMgmtPreview") == Some(true) {
            Command::CredentialManagementPreview
        } else {
            return Err(Error::Unsupported("credential management"));
        };
        let token = self.pin_token(&info, pin, Permissions::CREDENTIAL_MANAGEMENT, None, signal)?;
        Ok(Access { token, command })
    }
}

fn credential(
    access: &Access,
    rp_id: String,
    rp_id_hash: [u8; 32],
    answer: Response,
) -> Result<ResidentCredential> {
    let user = answer.user.ok_or_else(|| access.missing("user"))?;
    Ok(ResidentCredential {
        rp_id,
        rp_id_hash,
        user_id: user.id,
        user_name: user.name,
        user_display_name: user.display_name,
        credential_id: answer
            .credential_id
            .ok_or_else(|| access.missing("credentialID"))?
            .id,
        public_key_cbor: cbor::to_canonical_vec(
            &answer
                .public_key
                .ok_or_else(|| access.missing("publicKey"))?,
        ),
        cred_protect: answer.cred_protect,
    })
}

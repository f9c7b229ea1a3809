//! CTAP 2.2 section 6.8 `authenticatorCredentialManagement`.

use keywright_ctap::{
    StatusCode,
    message::{
        self, CredentialDescriptor,
        client_pin::Permissions,
        credential_management::{Params, PartialRpEntity, Request, Response, SubCommand},
    },
};
use keywright_webauthn::cbor;

use super::make_credential::rp_id_hash;
use crate::{
    key::VirtualKey,
    session::{Enumeration, GrantedToken},
    state::ResidentCredential,
};

impl VirtualKey {
    pub(crate) fn credential_management(
        &mut self,
        request: &Request,
        raw_params: &[u8],
    ) -> Result<Vec<u8>, StatusCode> {
        let continued = self.session.enumeration.take();
        let params = request.params.as_ref();
        match request.sub_command {
            SubCommand::GetCredsMetadata => {
                self.authorise_for_all(request, raw_params)?;
                Ok(self.metadata())
            }
            SubCommand::EnumerateRpsBegin => {
                self.authorise_for_all(request, raw_params)?;
                self.enumerate_rps()
            }
            SubCommand::EnumerateRpsGetNextRp => match continued {
                Some(Enumeration::Rps(rest)) => self.next_rp(rest, None),
                _ => Err(StatusCode::NotAllowed),
            },
            SubCommand::EnumerateCredentialsBegin => {
                let rp_id_hash = params.and_then(|params| params.rp_id_hash);
                self.enumerate_credentials(request, raw_params, rp_id_hash)
            }
            SubCommand::EnumerateCredentialsGetNextCredential => match continued {
                Some(Enumeration::Credentials(rest)) => self.next_credential(rest, None),
                _ => Err(StatusCode::NotAllowed),
            },
            SubCommand::DeleteCredential => self.delete(request, raw_params),
            SubCommand::UpdateUserInformation => self.update_user(request, raw_params),
            _ => Err(StatusCode::InvalidSubcommand),
        }
    }

    /// Section 6.8.2 "Getting Credentials Metadata".
    fn metadata(&self) -> Vec<u8> {
        message::ok(&Response {
            existing_resident_credentials_count: u32::try_from(self.state.credentials.len()).ok(),
            max_possible_remaining_resident_credentials_count: Some(
                self.state.remaining_credentials(),
            ),
            ..Response::default()
        })
    }

    /// Section 6.8.3 "Enumerating RPs".
    fn enumerate_rps(&mut self) -> Result<Vec<u8>, StatusCode> {
        let mut rps: Vec<String> = self
            .state
            .credentials
            .iter()
            .map(|one| one.rp_id.clone())
            .collect();
        rps.sort_unstable();
        rps.dedup();
        // "If no discoverable credentials exist on this authenticator, … return
        // CTAP2_ERR_NO_CREDENTIALS."
        if rps.is_empty() {
            return Err(StatusCode::NoCredentials);
        }
        let total = u32::try_from(rps.len()).ok();
        rps.reverse();
        self.next_rp(rps, total)
    }

    fn next_rp(
        &mut self,
        mut rest: Vec<String>,
        total_rps: Option<u32>,
    ) -> Result<Vec<u8>, StatusCode> {
        let rp_id = rest.pop().ok_or(StatusCode::NotAllowed)?;
        let name = self
            .state
            .credentials
            .iter()
            .find(|one| one.rp_id == rp_id)
            .and_then(|one| one.rp_name.clone());
        let answer = message::ok(&Response {
            rp_id_hash: Some(rp_id_hash(&rp_id)),
            rp: Some(PartialRpEntity {
                id: Some(rp_id),
                name,
            }),
            total_rps,
            ..Response::default()
        });
        self.session.enumeration = Some(Enumeration::Rps(rest));
        Ok(answer)
    }

    /// Section 6.8.4 "Enumerating Credentials for an RP".
    fn enumerate_credentials(
        &mut self,
        request: &Request,
        raw_params: &[u8],
        wanted: Option<[u8; 32]>,
    ) -> Result<Vec<u8>, StatusCode> {
        require_param(request)?;
        // "If … mandatory parameters are missing, … CTAP2_ERR_MISSING_PARAMETER."
        let wanted = wanted.ok_or(StatusCode::MissingParameter)?;
        let token = self.authorise_management(request, raw_params)?;
        // "If the pinUvAuthToken has a permissions RP ID associated and it does not match the
        // rpIDHash … CTAP2_ERR_PIN_AUTH_INVALID."
        if token
            .rp_id()
            .is_some_and(|bound| rp_id_hash(bound) != wanted)
        {
            return Err(StatusCode::PinAuthInvalid);
        }
        let mut ids: Vec<Vec<u8>> = self
            .state
            .credentials
            .iter()
            .filter(|credential| rp_id_hash(&credential.rp_id) == wanted)
            .map(|credential| credential.id.0.clone())
            .collect();
        if ids.is_empty() {
            return Err(StatusCode::NoCredentials);
        }
        let total = u32::try_from(ids.len()).ok();
        ids.reverse();
        self.next_credential(ids, total)
    }

    fn next_credential(
        &mut self,
        mut rest: Vec<Vec<u8>>,
        total_credentials: Option<u32>,
    ) -> Result<Vec<u8>, StatusCode> {
        let id = rest.pop().ok_or(StatusCode::NotAllowed)?;
        let credential = self.stored(&id).ok_or(StatusCode::NotAllowed)?;
        let public_key = cbor::from_canonical_slice(credential.private_key.public_key()?.as_cbor())
            .map_err(|_| StatusCode::Unspecified)?;
        let answer = message::ok(&Response {
            user: Some(credential.user()),
            credential_id: Some(CredentialDescriptor::public_key(id)),
            public_key: Some(public_key),
            total_credentials,
            cred_protect: Some(credential.cred_protect),
            ..Response::default()
        });
        self.session.enumeration = Some(Enumeration::Credentials(rest));
        Ok(answer)
    }

    /// Section 6.8.5 "DeleteCredential".
    fn delete(&mut self, request: &Request, raw_params: &[u8]) -> Result<Vec<u8>, StatusCode> {
        let (id, _) = self.authorise_for_credential(request, raw_params)?;
        self.update(|state| state.credentials.retain(|credential| credential.id.0 != id))?;
        Ok(message::empty())
    }

    /// Section 6.8.6 "Updating user information".
    fn update_user(&mut self, request: &Request, raw_params: &[u8]) -> Result<Vec<u8>, StatusCode> {
        require_param(request)?;
        let user = params(request)?
            .user
            .clone()
            .ok_or(StatusCode::MissingParameter)?;
        let (id, user_id) = self.authorise_for_credential(request, raw_params)?;
        // "If the userId in the user parameter does not match the stored credential's userId …
        // CTAP1_ERR_INVALID_PARAMETER."
        if user_id != user.id {
            return Err(StatusCode::InvalidParameter);
        }
        // "Replace the matching credential's name, displayName with the passed-in user details. If
        // a field is not present in the passed-in user details, or it is present and empty, remove
        // it."
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        self.update(|state| {
            if let Some(credential) = state
                .credentials
                .iter_mut()
                .find(|credential| credential.id.0 == id)
            {
                credential.user_name = given(user.name);
                credential.user_display_name = given(user.display_name);
            }
        })?;
        Ok(message::empty())
    }

    /// Authorisation of what concerns the credentials of all relying parties: "If the
    /// pinUvAuthToken has a permissions RP ID associated, return CTAP2_ERR_PIN_AUTH_INVALID."
    fn authorise_for_all(
        &mut self,
        request: &Request,
        raw_params: &[u8],
    ) -> Result<(), StatusCode> {
        let token = self.authorise_management(request, raw_params)?;
        if token.rp_id().is_some() {
            Err(StatusCode::PinAuthInvalid)
        } else {
            Ok(())
        }
    }

    /// Authorisation of what concerns one credential, of which id and user handle are returned.
    fn authorise_for_credential(
        &mut self,
        request: &Request,
        raw_params: &[u8],
    ) -> Result<(Vec<u8>, Vec<u8>), StatusCode> {
        require_param(request)?;
        let id = params(request)?
            .credential_id
            .clone()
            .ok_or(StatusCode::MissingParameter)?
            .id;
        let bound = self
            .authorise_management(request, raw_params)?
            .rp_id()
            .map(str::to_owned);
        // "… if no credentials match, return CTAP2_ERR_NO_CREDENTIALS."
        let credential = self.stored(&id).ok_or(StatusCode::NoCredentials)?;
        if bound.is_some_and(|bound| bound != credential.rp_id) {
            return Err(StatusCode::PinAuthInvalid);
        }
        let user_id = credential.user_id.0.clone();
        Ok((id, user_id))
    }

    fn authorise_management(
        &mut self,
        request: &Request,
        raw_params: &[u8],
    ) -> Result<&mut GrantedToken, StatusCode> {
        let param = require_param(request)?;
        // "verify(pinUvAuthToken, uint8(subCommand) || subCommandParams, pinUvAuthParam)"
        let sub_command =
            u8::try_from(request.sub_command.code()).map_err(|_| StatusCode::InvalidSubcommand)?;
        let message = [&[sub_command], raw_params].concat();
        let permission = Permissions::CREDENTIAL_MANAGEMENT;
        self.session
            .authorise(request.pin_uv_auth_protocol, &message, param, permission)
    }

    fn stored(&self, id: &[u8]) -> Option<&ResidentCredential> {
        self.state
            .credentials
            .iter()
            .find(|credential| credential.id.as_bytes() == id)
    }
}

/// "If pinUvAuthParam is missing from the input map, end the operation by returning
/// CTAP2_ERR_PUAT_REQUIRED."
fn require_param(request: &Request) -> Result<&[u8], StatusCode> {
    request
        .pin_uv_auth_param
        .as_deref()
        .ok_or(StatusCode::PuatRequired)
}

fn params(request: &Request) -> Result<&Params, StatusCode> {
    request.params.as_ref().ok_or(StatusCode::MissingParameter)
}

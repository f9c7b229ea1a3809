//! A key, whose operations go through the library where it does them right, and natively where it does not.

use std::sync::Arc;

use ctap_hid_fido2::public_key_credential_descriptor::PublicKeyCredentialDescriptor;
use keywright_ctap::{
    Authenticator, AuthenticatorInfo, Command, ConfigChange, CredentialSlots, Ctap2,
    DeviceIdentity, Error, GetAssertionRequest, GetAssertionResponse, MakeCredentialRequest,
    MakeCredentialResponse, NoSignal, Pin, PinError, PinRetries, ResidentCredential, Result,
    Signal, StatusCode, TransportError,
    hid::{
        HidErrorCode, HidTransport,
        usb::{UsbDevice, UsbIo},
    },
    message::{credential_management, get_assertion, make_credential},
    pin_uv::Protocol,
};

use crate::{
    answers::{last_answer, last_answers, malformed, missing, resident},
    call::{Ask, Outcome, call},
    expressible::{GetAssertion, MANAGE, MakeCredential, fits, with_token},
};

/// A key on USB.
#[derive(Debug)]
pub(crate) struct Key {
    device: UsbDevice,
    protocol: Option<Protocol>,
    serial: Option<Option<String>>,
}

impl Key {
    pub(crate) fn new(device: UsbDevice, protocol: Option<Protocol>) -> Self {
        Self {
            device,
            protocol,
            serial: None,
        }
    }

    /// A client of our own, for one operation. It is not kept: while the library talks to the key, nobody would empty what
    /// the operating system keeps for it.
    fn native(&self, signal: &mut dyn Signal) -> Result<Ctap2<HidTransport<UsbIo>>> {
        let identity = self.device.identity().clone();
        let key = Ctap2::new(HidTransport::open(self.device.open()?, identity, signal)?);
        Ok(match self.protocol {
            Some(protocol) => key.with_protocol(protocol),
            None => key,
        })
    }

    fn ask<T: Send + 'static>(
        &self,
        protocol: Protocol,
        commands: &[Command],
        signal: &mut dyn Signal,
        ask: impl Fn(&ctap_hid_fido2::FidoKeyHid) -> Result<T, String> + Send + Sync + 'static,
    ) -> Result<Outcome<T>> {
        let ask: Ask<T> = Arc::new(ask);
        call(&self.device, protocol, commands, signal, ask)
    }

    fn info_for_pin(&self, signal: &mut dyn Signal) -> Result<AuthenticatorInfo> {
        let info = self.get_info(signal)?;
        match info.client_pin() {
            Some(_) => Ok(info),
            None => Err(Error::Unsupported("PINs")),
        }
    }

    fn get_info(&self, signal: &mut dyn Signal) -> Result<AuthenticatorInfo> {
        let outcome = self.ask(Protocol::One, &[Command::GetInfo], signal, |key| {
            key.get_info().map_err(words)
        })?;
        last_answer(&outcome, Command::GetInfo)
    }

    fn choose_protocol(&self, info: &AuthenticatorInfo) -> Result<Protocol> {
        Protocol::choose(self.protocol, &info.pin_uv_auth_protocols)
    }

    /// Whether the library can manage this key's credentials: it would send the prototype's command to a key that has only
    /// that one, with a token that such keys do not know.
    fn manages_credentials(info: &AuthenticatorInfo) -> bool {
        info.option("credMgmt") == Some(true)
            && info.supports_permissions()
            && info.client_pin() == Some(true)
    }
}

impl Authenticator for Key {
    fn identity(&self) -> &DeviceIdentity {
        self.device.identity()
    }

    fn info(&mut self, signal: &mut dyn Signal) -> Result<AuthenticatorInfo> {
        self.get_info(signal)
    }

    fn serial(&mut self) -> Result<Option<String>> {
        if let Some(known) = &self.serial {
            return Ok(known.clone());
        }
        let serial = self.native(&mut NoSignal)?.serial()?;
        self.serial = Some(serial.clone());
        Ok(serial)
    }

    fn pin_retries(&mut self, signal: &mut dyn Signal) -> Result<PinRetries> {
        self.native(signal)?.pin_retries(signal)
    }

    fn set_pin(&mut self, new: &Pin, signal: &mut dyn Signal) -> Result<()> {
        let info = self.info_for_pin(signal)?;
        if info.client_pin() == Some(true) {
            return Err(PinError::AlreadySet.into());
        }
        fits(new, &info)?;
        let protocol = self.choose_protocol(&info)?;
        let new = new.clone();
        self.ask(protocol, &[Command::ClientPin], signal, move |key| {
            key.set_new_pin(new.expose()).map_err(words)
        })
        .map(drop)
    }

    fn change_pin(&mut self, current: &Pin, new: &Pin, signal: &mut dyn Signal) -> Result<()> {
        let info = self.info_for_pin(signal)?;
        if info.client_pin() != Some(true) {
            return Err(PinError::NotSet.into());
        }
        fits(new, &info)?;
        let protocol = self.choose_protocol(&info)?;
        let (current, new) = (current.clone(), new.clone());
        self.ask(protocol, &[Command::ClientPin], signal, move |key| {
            key.change_pin(current.expose(), new.expose())
                .map_err(words)
        })
        .map(drop)
    }

    fn check_pin(&mut self, pin: &Pin, signal: &mut dyn Signal) -> Result<()> {
        let info = self.info_for_pin(signal)?;
        if info.client_pin() != Some(true) {
            return Err(PinError::NotSet.into());
        }
        let protocol = self.choose_protocol(&info)?;
        let pin = pin.clone();
        self.ask(protocol, &[Command::ClientPin], signal, move |key| {
            key.get_pin_token(pin.expose()).map(drop).map_err(words)
        })
        .map(drop)
    }

    fn make_credential(
        &mut self,
        request: &MakeCredentialRequest,
        pin: Option<&Pin>,
        signal: &mut dyn Signal,
    ) -> Result<MakeCredentialResponse> {
        let info = self.get_info(signal)?;
        let Some(expressed) = MakeCredential::new(request, &info, pin) else {
            return self.native(signal)?.make_credential(request, pin, signal);
        };
        let pin = pin.cloned();
        let commands = with_token(Command::MakeCredential, pin.is_some());
        let protocol = self.choose_protocol(&info)?;
        let outcome = self.ask(protocol, commands, signal, move |key| {
            let args = expressed.builder(pin.as_ref().map(Pin::expose)).build();
            let made = key.make_credential_with_args(&args).map_err(words)?;
            Ok(made.auth_data)
        })?;

        // The library drops what is not packed, and everything that is new.
        let answer: make_credential::Response = last_answer(&outcome, Command::MakeCredential)?;
        if answer.auth_data != outcome.value {
            return Err(malformed(
                Command::MakeCredential,
                "ctap-hid-fido2 has got another answer than the key gave",
            ));
        }
        Ok(MakeCredentialResponse {
            fmt: answer.fmt,
            auth_data: answer.auth_data,
            att_stmt: answer.att_stmt,
            enterprise_attestation: answer.ep_att.unwrap_or(false),
            large_blob_key: answer.large_blob_key,
            unsigned_extension_outputs: answer.unsigned_extension_outputs,
            raw: outcome
                .answers()
                .next_back()
                .map(<[u8]>::to_vec)
                .unwrap_or_default(),
        })
    }

    fn get_assertion(
        &mut self,
        request: &GetAssertionRequest,
        pin: Option<&Pin>,
        signal: &mut dyn Signal,
    ) -> Result<Vec<GetAssertionResponse>> {
        let info = self.get_info(signal)?;
        let Some(expressed) = GetAssertion::new(request, &info, pin) else {
            return self.native(signal)?.get_assertion(request, pin, signal);
        };
        let pin = pin.cloned();
        let commands = with_token(Command::GetAssertion, pin.is_some());
        let protocol = self.choose_protocol(&info)?;
        let outcome = self.ask(protocol, commands, signal, move |key| {
            let args = expressed.builder(pin.as_ref().map(Pin::expose)).build();
            let made = key.get_assertion_with_args(&args).map_err(words)?;
            Ok(made.len())
        })?;

        let only_allowed = match request.allow_list.as_slice() {
            [only] => Some(only),
            _ => None,
        };
        last_answers(&outcome, outcome.value, Command::GetAssertion)?
            .into_iter()
            .map(|answer: get_assertion::Response| {
                Ok(GetAssertionResponse {
                    credential_id: answer
                        .credential
                        .map(|credential| credential.id)
                        // §6.2: it may be left out when the allowList has exactly one credential.
                        .or_else(|| only_allowed.cloned())
                        .ok_or_else(|| missing(Command::GetAssertion, "credential"))?,
                    auth_data: answer.auth_data,
                    signature: answer.signature,
                    user: answer.user,
                    hmac_secrets: Vec::new(),
                    large_blob_key: answer.large_blob_key,
                })
            })
            .collect()
    }

    fn credential_slots(&mut self, pin: &Pin, signal: &mut dyn Signal) -> Result<CredentialSlots> {
        let info = self.get_info(signal)?;
        if !Self::manages_credentials(&info) {
            return self.native(signal)?.credential_slots(pin, signal);
        }
        let protocol = self.choose_protocol(&info)?;
        let pin = pin.clone();
        let outcome = self.ask(protocol, &MANAGE, signal, move |key| {
            key.credential_management_get_creds_metadata(Some(pin.expose()))
                .map_err(words)
        })?;
        Ok(CredentialSlots {
            existing: outcome.value.existing_resident_credentials_count,
            remaining: outcome
                .value
                .max_possible_remaining_resident_credentials_count,
        })
    }

    fn credentials(
        &mut self,
        pin: &Pin,
        signal: &mut dyn Signal,
    ) -> Result<Vec<ResidentCredential>> {
        let info = self.get_info(signal)?;
        if !Self::manages_credentials(&info) {
            return self.native(signal)?.credentials(pin, signal);
        }
        let protocol = self.choose_protocol(&info)?;
        let owned = pin.clone();
        let rps = self.ask(protocol, &MANAGE, signal, move |key| {
            let rps = key.credential_management_enumerate_rps(Some(owned.expose()));
            Ok(rps.map_err(words)?.len())
        });
        let rps: Vec<credential_management::Response> = match rps {
            Err(error) if error.status() == Some(StatusCode::NoCredentials) => Vec::new(),
            outcome => {
                let outcome = outcome?;
                last_answers(&outcome, outcome.value, Command::CredentialManagement)?
            }
        };

        let mut credentials = Vec::new();
        for rp in rps {
            let hash = rp
                .rp_id_hash
                .ok_or_else(|| missing(Command::CredentialManagement, "rpIDHash"))?;
            let rp_id = rp.rp.and_then(|rp| rp.id).unwrap_or_default();
            let owned = pin.clone();
            let outcome = self.ask(protocol, &MANAGE, signal, move |key| {
                let found =
                    key.credential_management_enumerate_credentials(Some(owned.expose()), &hash);
                Ok(found.map_err(words)?.len())
            })?;
            for answer in last_answers(&outcome, outcome.value, Command::CredentialManagement)? {
                credentials.push(resident(&rp_id, hash, answer)?);
            }
        }
        Ok(credentials)
    }

    fn delete_credential(
        &mut self,
        credential_id: &[u8],
        pin: &Pin,
        signal: &mut dyn Signal,
    ) -> Result<()> {
        let info = self.get_info(signal)?;
        if !Self::manages_credentials(&info) {
            return self
                .native(signal)?
                .delete_credential(credential_id, pin, signal);
        }
        let protocol = self.choose_protocol(&info)?;
        let (id, pin) = (credential_id.to_vec(), pin.clone());
        let outcome = self.ask(protocol, &MANAGE, signal, move |key| {
            let descriptor = PublicKeyCredentialDescriptor {
                id: id.clone(),
                ctype: "public-key".to_owned(),
            };
            key.credential_management_delete_credential(Some(pin.expose()), descriptor)
                .map_err(words)
        });
        match outcome {
            Err(error) if error.status() == Some(StatusCode::NoCredentials) => {
                Err(Error::NoSuchCredential)
            }
            outcome => outcome.map(drop),
        }
    }

    fn configure(
        &mut self,
        change: &ConfigChange,
        pin: Option<&Pin>,
        signal: &mut dyn Signal,
    ) -> Result<()> {
        self.native(signal)?.configure(change, pin, signal)
    }

    fn reset(&mut self, signal: &mut dyn Signal) -> Result<()> {
        self.native(signal)?.reset(signal)
    }

    fn select(&mut self, signal: &mut dyn Signal) -> Result<()> {
        let info = self.get_info(signal)?;
        let knows_selection =
            info.supports_version("FIDO_2_1") || info.supports_version("FIDO_2_2");
        if !knows_selection {
            return self.native(signal)?.select(signal);
        }
        self.ask(Protocol::One, &[Command::Selection], signal, |key| {
            key.selection().map_err(words)
        })
        .map(drop)
    }

    fn wink(&mut self, signal: &mut dyn Signal) -> Result<()> {
        let outcome = self.ask(Protocol::One, &[], signal, |key| key.wink().map_err(words));
        match outcome {
            Err(Error::Transport(TransportError::Hid(HidErrorCode::InvalidCommand))) => {
                Err(TransportError::Unsupported("it cannot wink").into())
            }
            outcome => outcome.map(drop),
        }
    }
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

//! The platform's side of CTAP2: which messages an operation takes, and in which order.

use crate::{
    authenticator::{
        Authenticator, ConfigChange, CredentialSlots, GetAssertionRequest, GetAssertionResponse,
        MakeCredentialRequest, MakeCredentialResponse, PinRetries, ResidentCredential,
    },
    error::{Error, Result},
    message::{self, AuthenticatorInfo, CborMessage, Request},
    pin::Pin,
    pin_uv::Protocol,
    signal::Signal,
    status::StatusCode,
    transport::{DeviceIdentity, Transport},
};

mod config;
mod credential_management;
mod get_assertion;
mod make_credential;
mod pin_uv;
mod preflight;
mod selection;
mod serial;

/// A key that speaks CTAP2 over `T`.
#[derive(Debug)]
pub struct Ctap2<T> {
    transport: T,
    protocol: Option<Protocol>,
    serial: Option<Option<String>>,
}

impl<T: Transport> Ctap2<T> {
    /// A client for the key at the other end of `transport`. Sends nothing yet.
    pub fn new(transport: T) -> Self {
        Self {
            transport,
            protocol: None,
            serial: None,
        }
    }

    /// Insists on one PIN/UV auth protocol. Otherwise the key's favourite is used, which is what CTAP wants.
    #[must_use]
    pub fn with_protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = Some(protocol);
        self
    }

    /// The transport, for commands that this crate does not know.
    pub fn transport_mut(&mut self) -> &mut T {
        &mut self.transport
    }

    /// Gives the transport back.
    pub fn into_transport(self) -> T {
        self.transport
    }

    /// Sends a request and reads the members of its answer.
    ///
    /// # Errors
    /// [`Error::Status`] when the key refuses, [`Error::Transport`], [`Error::Malformed`].
    pub fn call<M: CborMessage>(
        &mut self,
        request: &Request,
        signal: &mut dyn Signal,
    ) -> Result<M> {
        let answer = self.call_raw(request, signal)?;
        let members = answer.get(1..).unwrap_or_default();
        message::decode_members(members).map_err(|source| Error::Malformed {
            command: request.command(),
            source,
        })
    }

    /// Sends a request and returns its successful answer as it came: status byte and CBOR.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn call_raw(&mut self, request: &Request, signal: &mut dyn Signal) -> Result<Vec<u8>> {
        let command = request.command();
        let answer = self.transport.transact(&request.encode(), signal)?;
        match message::split_response(&answer) {
            Ok((StatusCode::Success, _)) => Ok(answer),
            Ok((status, _)) => Err(Error::Status { command, status }),
            Err(source) => Err(Error::Malformed { command, source }),
        }
    }
}

impl<T: Transport> Authenticator for Ctap2<T> {
    fn identity(&self) -> &DeviceIdentity {
        self.transport.identity()
    }

    fn info(&mut self, signal: &mut dyn Signal) -> Result<AuthenticatorInfo> {
        self.call(&Request::GetInfo, signal)
    }

    fn serial(&mut self) -> Result<Option<String>> {
        self.read_serial()
    }

    fn pin_retries(&mut self, signal: &mut dyn Signal) -> Result<PinRetries> {
        self.get_pin_retries(signal)
    }

    fn set_pin(&mut self, new: &Pin, signal: &mut dyn Signal) -> Result<()> {
        self.set_first_pin(new, signal)
    }

    fn change_pin(&mut self, current: &Pin, new: &Pin, signal: &mut dyn Signal) -> Result<()> {
        self.change_set_pin(current, new, signal)
    }

    fn check_pin(&mut self, pin: &Pin, signal: &mut dyn Signal) -> Result<()> {
        self.try_pin(pin, signal)
    }

    fn make_credential(
        &mut self,
        request: &MakeCredentialRequest,
        pin: Option<&Pin>,
        signal: &mut dyn Signal,
    ) -> Result<MakeCredentialResponse> {
        self.make(request, pin, signal)
    }

    fn get_assertion(
        &mut self,
        request: &GetAssertionRequest,
        pin: Option<&Pin>,
        signal: &mut dyn Signal,
    ) -> Result<Vec<GetAssertionResponse>> {
        self.assert(request, pin, signal)
    }

    fn credential_slots(&mut self, pin: &Pin, signal: &mut dyn Signal) -> Result<CredentialSlots> {
        self.get_credentials_metadata(pin, signal)
    }

    fn credentials(
        &mut self,
        pin: &Pin,
        signal: &mut dyn Signal,
    ) -> Result<Vec<ResidentCredential>> {
        self.enumerate_credentials(pin, signal)
    }

    fn delete_credential(
        &mut self,
        credential_id: &[u8],
        pin: &Pin,
        signal: &mut dyn Signal,
    ) -> Result<()> {
        self.delete(credential_id, pin, signal)
    }

    fn configure(
        &mut self,
        change: &ConfigChange,
        pin: Option<&Pin>,
        signal: &mut dyn Signal,
    ) -> Result<()> {
        self.apply(change, pin, signal)
    }

    fn reset(&mut self, signal: &mut dyn Signal) -> Result<()> {
        self.call_raw(&Request::Reset, signal).map(drop)
    }

    fn select(&mut self, signal: &mut dyn Signal) -> Result<()> {
        self.wait_for_touch(signal)
    }

    fn wink(&mut self, signal: &mut dyn Signal) -> Result<()> {
        Ok(self.transport.wink(signal)?)
    }
}

#[cfg(test)]
mod tests;

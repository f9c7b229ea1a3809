//! [`Transport`] over CTAPHID.

use super::{Capabilities, Channel, HidCommand, InitResponse, PacketIo, Patience};
use crate::{
    signal::Signal,
    transport::{DeviceIdentity, Transport, TransportError},
};

/// A key on a CTAPHID channel.
#[derive(Debug)]
pub struct HidTransport<P> {
    channel: Channel<P>,
    identity: DeviceIdentity,
}

impl<P: PacketIo> HidTransport<P> {
    /// Allocates a channel to the device that `io` reaches.
    ///
    /// # Errors
    /// As [`Channel::open`]; [`TransportError::Unsupported`] when it is a U2F key that does not speak CTAP2.
    pub fn open(
        io: P,
        identity: DeviceIdentity,
        signal: &mut dyn Signal,
    ) -> Result<Self, TransportError> {
        Self::open_with(io, identity, Patience::default(), signal)
    }

    /// The same with another patience.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(
        io: P,
        identity: DeviceIdentity,
        patience: Patience,
        signal: &mut dyn Signal,
    ) -> Result<Self, TransportError> {
        let channel = Channel::open(io, patience, signal)?;
        if channel.device().capabilities.contains(Capabilities::CBOR) {
            Ok(Self { channel, identity })
        } else {
            Err(TransportError::Unsupported(
                "it is a U2F key, which does not speak CTAP2",
            ))
        }
    }

    /// What the device said when the channel was allocated.
    pub fn device(&self) -> &InitResponse {
        self.channel.device()
    }
}

impl<P: PacketIo> Transport for HidTransport<P> {
    fn transact(
        &mut self,
        request: &[u8],
        signal: &mut dyn Signal,
    ) -> Result<Vec<u8>, TransportError> {
        self.channel.exchange(HidCommand::CBOR, request, signal)
    }

    fn vendor(
        &mut self,
        command: u8,
        payload: &[u8],
        signal: &mut dyn Signal,
    ) -> Result<Vec<u8>, TransportError> {
        let command = HidCommand(command);
        if !command.is_vendor() {
            return Err(TransportError::Unsupported(
                "a vendor command outside of 0x40 to 0x7F",
            ));
        }
        self.channel.exchange(command, payload, signal)
    }

    fn wink(&mut self, signal: &mut dyn Signal) -> Result<(), TransportError> {
        if !self.device().capabilities.contains(Capabilities::WINK) {
            return Err(TransportError::Unsupported("it cannot wink"));
        }
        self.channel
            .exchange(HidCommand::WINK, &[], signal)
            .map(drop)
    }

    fn identity(&self) -> &DeviceIdentity {
        &self.identity
    }
}

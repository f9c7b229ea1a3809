//! CTAP 2.2 §11.2: CTAPHID, messages in 64-byte reports of a USB HID device.
//!
//! [`Channel`] speaks it over anything that moves reports ([`PacketIo`]); [`HidTransport`] makes a
//! [`Transport`](crate::Transport) of it; [`usb`] moves them through the operating system. The framing ([`Message`],
//! [`Packet`], [`Assembler`]) serves a device just as well.

mod channel;
mod codes;
mod packet;
mod transport;
#[cfg(feature = "usb")]
pub mod usb;

pub use channel::{Channel, Patience};
pub use codes::{Capabilities, HidCommand, HidErrorCode, InitResponse};
pub use packet::{
    Assembler, BROADCAST, FrameError, MAX_PAYLOAD, Message, Packet, REPORT_SIZE, Report,
};
pub use transport::HidTransport;

use std::time::Duration;

use crate::transport::TransportError;

/// Something that moves 64-byte reports to a device and from it.
pub trait PacketIo: Send {
    /// Sends one report.
    ///
    /// # Errors
    /// [`TransportError::Disconnected`] when the device is gone.
    fn write(&mut self, report: &Report) -> Result<(), TransportError>;

    /// The next report, or `None` when none came within `timeout`.
    ///
    /// # Errors
    /// [`TransportError::Disconnected`] when the device is gone.
    fn read(&mut self, timeout: Duration) -> Result<Option<Report>, TransportError>;
}

impl<P: PacketIo + ?Sized> PacketIo for Box<P> {
    fn write(&mut self, report: &Report) -> Result<(), TransportError> {
        (**self).write(report)
    }

    fn read(&mut self, timeout: Duration) -> Result<Option<Report>, TransportError> {
        (**self).read(timeout)
    }
}

#[cfg(test)]
mod tests;

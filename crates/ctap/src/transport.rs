//! What carries CTAP messages to a key: USB HID, NFC, a function call into a software key.

use std::{fmt, time::Duration};

use crate::{
    hid::{FrameError, HidErrorCode},
    nfc::{ApduError, StatusWord},
    signal::Signal,
};

/// One key, reached over something that carries whole CTAP messages.
pub trait Transport: Send {
    /// Sends a CTAP2 command byte with its CBOR parameters and returns the whole answer: a status byte with its CBOR.
    ///
    /// A status other than success is still `Ok` here; it is the message layer that reads it.
    ///
    /// # Errors
    /// What kept the answer from arriving. [`TransportError::Cancelled`] and [`TransportError::DeadlineExceeded`] when
    /// `signal` asked to stop and the key obeyed. An answer that crosses with the request to stop is returned.
    fn transact(
        &mut self,
        request: &[u8],
        signal: &mut dyn Signal,
    ) -> Result<Vec<u8>, TransportError>;

    /// Sends a vendor-specific CTAPHID command (CTAP 2.2 §11.2.9.3). `command` is the seven-bit number, from `0x40` to
    /// `0x7F`, without the bit that marks an initialization packet.
    ///
    /// # Errors
    /// As [`transact`](Self::transact); [`TransportError::Unsupported`] where the transport has no such commands.
    fn vendor(
        &mut self,
        command: u8,
        payload: &[u8],
        signal: &mut dyn Signal,
    ) -> Result<Vec<u8>, TransportError>;

    /// Lets the key blink or beep (CTAP 2.2 §11.2.9.2.1 CTAPHID_WINK).
    ///
    /// # Errors
    /// As [`transact`](Self::transact); [`TransportError::Unsupported`] where the key or the transport cannot.
    fn wink(&mut self, signal: &mut dyn Signal) -> Result<(), TransportError>;

    /// Which device this is.
    fn identity(&self) -> &DeviceIdentity;
}

impl<T: Transport + ?Sized> Transport for Box<T> {
    fn transact(
        &mut self,
        request: &[u8],
        signal: &mut dyn Signal,
    ) -> Result<Vec<u8>, TransportError> {
        (**self).transact(request, signal)
    }

    fn vendor(
        &mut self,
        command: u8,
        payload: &[u8],
        signal: &mut dyn Signal,
    ) -> Result<Vec<u8>, TransportError> {
        (**self).vendor(command, payload, signal)
    }

    fn wink(&mut self, signal: &mut dyn Signal) -> Result<(), TransportError> {
        (**self).wink(signal)
    }

    fn identity(&self) -> &DeviceIdentity {
        (**self).identity()
    }
}

/// What the operating system tells about a device, before any CTAP is spoken.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeviceIdentity {
    /// Where it is: `/dev/hidraw3`, a reader's name, a file. Unique among the devices present, reused by later ones.
    pub path: String,
    /// USB vendor id, 0 where there is none.
    pub vendor_id: u16,
    /// USB product id, 0 where there is none.
    pub product_id: u16,
    /// Manufacturer string, empty where there is none.
    pub manufacturer: String,
    /// Product string, empty where there is none.
    pub product: String,
    /// The USB serial number string. Many keys have none, and some have one that is the same for a whole batch.
    pub usb_serial: Option<String>,
    /// What it is connected over.
    pub transport: TransportKind,
}

impl DeviceIdentity {
    /// A software key at `path`.
    pub fn virtual_key(path: impl Into<String>, product: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            vendor_id: 0,
            product_id: 0,
            manufacturer: String::new(),
            product: product.into(),
            usb_serial: None,
            transport: TransportKind::Virtual,
        }
    }
}

impl fmt::Display for DeviceIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.product.is_empty() {
            "security key"
        } else {
            &self.product
        };
        write!(f, "{name} ({})", self.path)
    }
}

/// What a key is connected over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportKind {
    /// USB HID.
    Usb,
    /// A contactless reader (ISO 7816 / ISO 14443).
    Nfc,
    /// A software key in this process.
    Virtual,
    /// Whatever the operating system lends, which does not tell.
    System,
}

/// What kept a message or its answer from arriving.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The device is gone.
    #[error("the key was removed")]
    Disconnected,
    /// The key is out of the reader's field.
    #[error("the key left the reader")]
    LeftReader,
    /// The device neither answered nor said that it is at work.
    #[error("the key was silent for {0:?}")]
    Timeout(Duration),
    /// The deadline passed; the key was told to stop.
    #[error("the deadline passed before the key had answered")]
    DeadlineExceeded,
    /// The caller cancelled; the key was told to stop.
    #[error("cancelled")]
    Cancelled,
    /// Another program kept the key busy.
    #[error("the key was busy with another program for {0:?}")]
    Busy(Duration),
    /// The key answered CTAPHID_ERROR.
    #[error("the key answered {0}")]
    Hid(HidErrorCode),
    /// The key's packets do not make up a message.
    #[error("the key broke the CTAPHID framing: {0}")]
    Frame(#[from] FrameError),
    /// The key answered an APDU with this status word.
    #[error("the key answered status word {0}")]
    StatusWord(StatusWord),
    /// What the key sent is no response APDU, or a command does not fit into any.
    #[error("the key broke the ISO 7816 framing: {0}")]
    Apdu(#[from] ApduError),
    /// The operating system's smart card service does not run.
    #[error("the smart card service (PC/SC) does not answer: {fix}")]
    NoSmartCardService {
        /// What to do about it.
        fix: &'static str,
    },
    /// This machine has no such way to keys.
    #[error("keys cannot be reached this way here: {0}")]
    Unavailable(&'static str),
    /// The request is longer than the transport, or the key, can take.
    #[error("a request of {length} bytes is too long: the limit is {limit}")]
    TooLong {
        /// Bytes of the request.
        length: usize,
        /// Bytes that fit.
        limit: usize,
    },
    /// The device could not be opened.
    #[error("{path} could not be opened: {reason}")]
    Open {
        /// Which device.
        path: String,
        /// The operating system's words.
        reason: String,
    },
    /// This transport or this key has no such operation.
    #[error("not possible with this key: {0}")]
    Unsupported(&'static str),
    /// Anything else the operating system reports.
    #[error("input/output error: {0}")]
    Io(String),
}

impl TransportError {
    /// Whether the key is gone, so that only plugging it in again, or putting it back on the reader, will help.
    pub fn is_disconnected(&self) -> bool {
        matches!(self, Self::Disconnected | Self::LeftReader)
    }
}

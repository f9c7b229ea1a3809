//! CTAP 2.2 §11.3: messages in ISO 7816-4 command APDUs, to a key on a reader.
//!
//! [`NfcTransport`] makes a [`Transport`](crate::Transport) of anything that carries one APDU at a time ([`Card`]);
//! `pcsc` (feature `nfc`) does so through the operating system's PC/SC service. The encoding ([`CommandApdu`],
//! [`ResponseApdu`], [`StatusWord`]) serves a card just as well.

mod apdu;
mod exchange;
#[cfg(feature = "nfc")]
pub mod pcsc;
mod status_word;
mod transport;

pub use apdu::{ApduError, CommandApdu, Encoding, ResponseApdu};
pub use exchange::MAX_RESPONSE;
pub use status_word::StatusWord;
pub use transport::{NfcPatience, NfcTransport};

use crate::transport::TransportError;

/// A card in a reader: whatever takes one command APDU and gives one response APDU.
pub trait Card: Send {
    /// Sends a command APDU and returns the response APDU, with its status word.
    ///
    /// # Errors
    /// [`TransportError::LeftReader`] when the card is out of the field; [`TransportError::Io`] when the reader could not
    /// deliver the APDU (some do not take extended ones).
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError>;

    /// Most bytes of data that the reader takes in an extended APDU, as far as it says; `None` where it takes short APDUs
    /// only. Whether the card takes them too is found out by trying.
    fn extended_limit(&self) -> Option<usize> {
        Some(Encoding::Extended.max_data())
    }
}

impl<C: Card + ?Sized> Card for Box<C> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        (**self).transmit(command)
    }

    fn extended_limit(&self) -> Option<usize> {
        (**self).extended_limit()
    }
}

/// CTAP 2.2 §11.3.3: the FIDO application.
pub const FIDO_AID: [u8; 8] = [0xA0, 0x00, 0x00, 0x06, 0x47, 0x2F, 0x00, 0x01];
/// A YubiKey's management application, which tells its serial number.
pub const YUBIKEY_MANAGEMENT_AID: [u8; 8] = [0xA0, 0x00, 0x00, 0x05, 0x27, 0x47, 0x11, 0x17];

/// Instruction bytes.
pub mod ins {
    /// ISO 7816-4 SELECT, class 0x00.
    pub const SELECT: u8 = 0xA4;
    /// ISO 7816-4 GET RESPONSE, class 0x00.
    pub const GET_RESPONSE: u8 = 0xC0;
    /// NFCCTAP_MSG (CTAP 2.2 §11.3.7.1), class 0x80.
    pub const NFCCTAP_MSG: u8 = 0x10;
    /// NFCCTAP_GETRESPONSE (§11.3.7.2), class 0x80: the answer that was not ready before.
    pub const NFCCTAP_GETRESPONSE: u8 = 0x11;
    /// NFCCTAP_CONTROL (§11.3.4), class 0x80.
    pub const NFCCTAP_CONTROL: u8 = 0x12;
    /// "Read configuration" of a YubiKey's management application, class 0x00; P1 is the page.
    pub const YUBIKEY_READ_CONFIG: u8 = 0x1D;
}

/// Parameters of the NFCCTAP commands.
pub mod p1 {
    /// Of NFCCTAP_MSG: "the client supports NFCCTAP_GETRESPONSE".
    pub const SUPPORTS_GETRESPONSE: u8 = 0x80;
    /// Of NFCCTAP_GETRESPONSE: cancel what is in progress.
    pub const CANCEL: u8 = 0x11;
    /// Of NFCCTAP_CONTROL: "End CTAP_MSG", deselects the application.
    pub const END_CTAP_MSG: u8 = 0x01;
}

#[cfg(test)]
mod tests;

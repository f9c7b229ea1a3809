//! The protocol of vsmartcard's virtual reader (`vpcd`), by which a card in this process lies on a reader of the operating
//! system's PC/SC service.

use std::io::{self, Read, Write};

use crate::card::VirtualCard;

impl VirtualCard {
    /// Answers whatever the virtual reader at the other end of `stream` asks, until it hangs up or the card leaves the
    /// field. Closing the stream takes the card off the reader.
    ///
    /// Messages both ways are a length of two bytes, big endian, and as many bytes. Those of one byte are for the reader's
    /// power; all others are APDUs.
    ///
    /// # Errors
    /// What the stream reports, except its end.
    pub fn serve(&mut self, mut stream: impl Read + Write) -> io::Result<()> {
        let mut message = Vec::new();
        loop {
            match receive(&mut stream, &mut message) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                outcome => outcome?,
            }
            match message.as_slice() {
                [POWER_OFF] => {}
                [POWER_ON | RESET] => self.power_up(),
                [GET_ATR] => send(&mut stream, self.atr())?,
                apdu => match self.process(apdu) {
                    Some(answer) => send(&mut stream, &answer)?,
                    None => return Ok(()),
                },
            }
        }
    }
}

fn receive(stream: &mut impl Read, message: &mut Vec<u8>) -> io::Result<()> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    message.clear();
    message.resize(u16::from_be_bytes(length).into(), 0);
    stream.read_exact(message)
}

fn send(stream: &mut impl Write, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len())
        .map_err(|_| io::Error::other("a message of more than 65,535 bytes"))?;
    stream.write_all(&[&length.to_be_bytes(), message].concat())?;
    stream.flush()
}

const POWER_OFF: u8 = 0;
const POWER_ON: u8 = 1;
const RESET: u8 = 2;
const GET_ATR: u8 = 4;

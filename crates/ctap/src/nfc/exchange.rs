//! One command of any length, in as many APDUs as it takes (ISO 7816-4 §5.3.3 command chaining, §5.3.4 GET RESPONSE).

use super::{ApduError, Card, CommandApdu, Encoding, ResponseApdu, StatusWord, ins};
use crate::transport::TransportError;

/// More than any response of a key: CTAP messages end at 7,609 bytes over USB, and keys have one limit for all transports.
pub const MAX_RESPONSE: usize = 65_536;

/// Sends `command` and collects its whole response.
pub(super) fn exchange(
    card: &mut impl Card,
    command: &CommandApdu,
    encoding: Encoding,
) -> Result<ResponseApdu, TransportError> {
    let mut response = match encoding {
        Encoding::Extended => transmit(card, command, encoding)?,
        Encoding::Short => send_chained(card, command)?,
    };
    while let Some(more) = response.status.more_data() {
        let rest = get_response(card, more)?;
        if response.data.len() + rest.data.len() > MAX_RESPONSE {
            return Err(ApduError::Endless(MAX_RESPONSE).into());
        }
        // A card that promises more and gives nothing would be asked for ever.
        if rest.data.is_empty() && rest.status.more_data().is_some() {
            return Err(TransportError::StatusWord(rest.status));
        }
        response.data.extend(rest.data);
        response.status = rest.status;
    }
    Ok(response)
}

/// All parts but the last carry the chaining bit and must be answered with 9000 alone.
fn send_chained(
    card: &mut impl Card,
    command: &CommandApdu,
) -> Result<ResponseApdu, TransportError> {
    let parts: Vec<&[u8]> = command.data.chunks(PART).collect();
    let (last, links) = parts.split_last().unwrap_or((&NOTHING, &[]));
    for link in links {
        let link = CommandApdu {
            cla: command.cla | CommandApdu::CHAINING,
            data: link.to_vec(),
            expected: None,
            ..command.clone()
        };
        let response = transmit(card, &link, Encoding::Short)?;
        if response.status != StatusWord::SUCCESS {
            return Ok(response);
        }
    }
    let last = CommandApdu {
        data: last.to_vec(),
        ..command.clone()
    };
    let response = transmit(card, &last, Encoding::Short)?;
    match response.status.right_le() {
        Some(le) => {
            let expected = if le == 0 { 256 } else { le.into() };
            transmit(card, &last.expecting(expected), Encoding::Short)
        }
        None => Ok(response),
    }
}

/// In the interindustry class, whatever the class of the command was.
fn get_response(card: &mut impl Card, more: u8) -> Result<ResponseApdu, TransportError> {
    let expected = if more == 0 { 256 } else { more.into() };
    let command = CommandApdu::new(0x00, ins::GET_RESPONSE, 0, 0).expecting(expected);
    transmit(card, &command, Encoding::Short)
}

fn transmit(
    card: &mut impl Card,
    command: &CommandApdu,
    encoding: Encoding,
) -> Result<ResponseApdu, TransportError> {
    let answer = card.transmit(&command.encode(encoding)?)?;
    Ok(ResponseApdu::parse(answer)?)
}

/// Bytes of data in one short APDU. ISO 7816-4 allows 255; there are readers that hold 256 bytes for the whole of it.
const PART: usize = 240;
const NOTHING: &[u8] = &[];

//! A card in a PC/SC reader.

use std::{ffi::CString, fmt, time::Duration};

use pcsc::{Context, MAX_BUFFER_SIZE_EXTENDED, ReaderState, State};

use super::{
    super::{ApduError, Card, Encoding},
    transport_error,
};
use crate::transport::TransportError;

/// A card in a reader. Its power is cut when this is dropped.
pub struct PcscCard {
    card: pcsc::Card,
    context: Context,
    reader: CString,
    extended_limit: Option<usize>,
    buffer: Vec<u8>,
}

impl PcscCard {
    /// Takes a connection, which should be an exclusive one: whatever another program does between two commands may
    /// select something else.
    pub fn new(card: pcsc::Card, context: Context, reader: CString) -> Self {
        Self {
            extended_limit: extended_limit(&card),
            card,
            context,
            reader,
            buffer: vec![0; MAX_BUFFER_SIZE_EXTENDED],
        }
    }

    /// A reader notices a while after the first APDU that was lost.
    fn left(&self) -> bool {
        let mut state = ReaderState::new(self.reader.clone(), State::UNAWARE);
        let look = |wait, state: &mut ReaderState| {
            self.context
                .get_status_change(wait, std::slice::from_mut(state))
        };
        if look(Duration::ZERO, &mut state).is_err() {
            return true;
        }
        let before = state.event_count();
        if !state.event_state().contains(State::PRESENT) {
            return true;
        }
        state.sync_current_state();
        // Within a second it may have been put on again: that is another session with it all the same.
        look(NOTICE, &mut state).is_ok() && state.event_count() != before
    }
}

impl Card for PcscCard {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        let outcome = match self.card.transmit(command, &mut self.buffer) {
            // There are drivers that make an empty answer of a card that is gone.
            Ok(answer) if answer.len() < 2 => {
                Err(TransportError::Apdu(ApduError::TooShort(answer.len())))
            }
            Ok(answer) => return Ok(answer.to_vec()),
            Err(error) => Err(transport_error(error)),
        };
        match outcome {
            Err(TransportError::Io(_) | TransportError::Apdu(_)) if self.left() => {
                Err(TransportError::LeftReader)
            }
            outcome => outcome,
        }
    }

    fn extended_limit(&self) -> Option<usize> {
        self.extended_limit
    }
}

impl fmt::Debug for PcscCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PcscCard")
            .field("reader", &self.reader)
            .field("extended_limit", &self.extended_limit)
            .finish_non_exhaustive()
    }
}

/// PC/SC part 10, section 2.6.14: a reader may tell "dwMaxAPDUDataSize", 0 where it takes short APDUs only. Most do not
/// tell.
fn extended_limit(card: &pcsc::Card) -> Option<usize> {
    let all = Some(Encoding::Extended.max_data());
    let mut buffer = [0; 258];
    let Ok(features) = card.control(CM_IOCTL_GET_FEATURE_REQUEST, &[], &mut buffer) else {
        return all;
    };
    let Some(code) = entry(features, FEATURE_GET_TLV_PROPERTIES)
        .and_then(|value| value.try_into().ok())
        .map(u32::from_be_bytes)
    else {
        return all;
    };
    let mut buffer = [0; 258];
    let Ok(properties) = card.control(code.into(), &[], &mut buffer) else {
        return all;
    };
    match entry(properties, MAX_APDU_DATA_SIZE)
        .and_then(|value| value.try_into().ok())
        .map(u32::from_le_bytes)
    {
        None => all,
        Some(0) => None,
        Some(limit) => usize::try_from(limit).ok().min(all),
    }
}

/// The value with this tag in a list of tag, length, value.
fn entry(mut list: &[u8], wanted: u8) -> Option<&[u8]> {
    while let [tag, length, rest @ ..] = list {
        let (value, rest) = rest.split_at_checked(usize::from(*length))?;
        if *tag == wanted {
            return Some(value);
        }
        list = rest;
    }
    None
}

/// How long a reader may take to notice that a card is gone.
const NOTICE: Duration = Duration::from_secs(1);
const CM_IOCTL_GET_FEATURE_REQUEST: pcsc::ffi::DWORD = pcsc::ctl_code(3400);
const FEATURE_GET_TLV_PROPERTIES: u8 = 0x12;
const MAX_APDU_DATA_SIZE: u8 = 0x0A;

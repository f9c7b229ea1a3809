//! [`Transport`] over ISO 7816-4.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{
    Card, CommandApdu, Encoding, FIDO_AID, ResponseApdu, StatusWord, YUBIKEY_MANAGEMENT_AID,
    exchange::exchange, ins, p1,
};
use crate::{
    message::Command,
    signal::{Keepalive, Signal},
    status::StatusCode,
    transport::{DeviceIdentity, Transport, TransportError},
};

/// A key on a reader, with its FIDO application selected.
#[derive(Debug)]
pub struct NfcTransport<C> {
    card: C,
    identity: DeviceIdentity,
    patience: NfcPatience,
    /// Most bytes of data in an extended APDU that both the reader and the card take.
    extended_limit: Option<usize>,
    /// Something else is selected, or an answer may still come that nobody waits for any more.
    out_of_step: bool,
}

/// How long a key on a reader may take.
///
/// What a key does between two of its answers cannot be bounded here: the reader extends the waiting time as long as the
/// card asks for it (ISO 14443-4 §7.3), and gives up by itself when the card is silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NfcPatience {
    /// Between two questions whether the answer is there.
    pub poll: Duration,
    /// For its answer to the request to cancel.
    pub cancel: Duration,
}

impl Default for NfcPatience {
    fn default() -> Self {
        Self {
            poll: Duration::from_millis(50),
            cancel: Duration::from_secs(1),
        }
    }
}

impl<C: Card> NfcTransport<C> {
    /// Selects the FIDO application of the card, and finds out which APDUs it takes.
    ///
    /// # Errors
    /// [`TransportError::LeftReader`]; [`TransportError::Unsupported`] when it is no security key, or one that speaks U2F
    /// only.
    pub fn open(
        card: C,
        identity: DeviceIdentity,
        signal: &mut dyn Signal,
    ) -> Result<Self, TransportError> {
        Self::open_with(card, identity, NfcPatience::default(), signal)
    }

    /// The same with another patience.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(
        card: C,
        identity: DeviceIdentity,
        patience: NfcPatience,
        signal: &mut dyn Signal,
    ) -> Result<Self, TransportError> {
        let extended_limit = card.extended_limit();
        let mut transport = Self {
            card,
            identity,
            patience,
            extended_limit,
            out_of_step: true,
        };
        transport.agree_on_encoding(signal)?;
        Ok(transport)
    }

    /// Whether messages go out in extended APDUs.
    pub fn extended(&self) -> bool {
        self.extended_limit.is_some()
    }

    /// The card.
    pub fn card(&self) -> &C {
        &self.card
    }

    /// §11.3.3: a key that answers the selection with `U2F_V2` may speak CTAP2 all the same, which only
    /// `authenticatorGetInfo` tells. It is asked in an extended APDU first, then in short ones.
    fn agree_on_encoding(&mut self, signal: &mut dyn Signal) -> Result<(), TransportError> {
        let get_info = [Command::GetInfo.code()];
        if self.extended_limit.is_some() {
            match self.transact(&get_info, signal) {
                Ok(_) => return Ok(()),
                Err(
                    TransportError::StatusWord(_) | TransportError::Apdu(_) | TransportError::Io(_),
                ) => {
                    self.extended_limit = None;
                    self.out_of_step = true;
                }
                Err(error) => return Err(error),
            }
        }
        match self.transact(&get_info, signal) {
            Ok(_) => Ok(()),
            Err(TransportError::StatusWord(
                StatusWord::INS_NOT_SUPPORTED | StatusWord::CLA_NOT_SUPPORTED,
            )) => Err(TransportError::Unsupported(
                "it is a U2F key, which does not speak CTAP2",
            )),
            Err(error) => Err(error),
        }
    }

    /// §11.3.3. The version that the application answers with is not looked at: see
    /// [`agree_on_encoding`](Self::agree_on_encoding).
    fn select_fido(&mut self) -> Result<(), TransportError> {
        match self.select(&FIDO_AID) {
            Ok(_) => {
                self.out_of_step = false;
                Ok(())
            }
            Err(TransportError::StatusWord(_)) => Err(TransportError::Unsupported(
                "it is a card without a FIDO application, no security key",
            )),
            Err(error) => Err(error),
        }
    }

    fn select(&mut self, aid: &[u8]) -> Result<ResponseApdu, TransportError> {
        // Short in any case: every card takes it, and nothing is known of this one yet.
        let response = exchange(&mut self.card, &CommandApdu::select(aid), Encoding::Short)?;
        successful(response)
    }

    fn exchange(&mut self, command: CommandApdu) -> Result<ResponseApdu, TransportError> {
        let encoding = match self.extended_limit {
            Some(limit) if command.data.len() <= limit => Encoding::Extended,
            _ => Encoding::Short,
        };
        let command = command.expecting(encoding.max_expected());
        exchange(&mut self.card, &command, encoding)
    }

    /// §11.3.7.1 and §11.3.7.2.
    fn message(
        &mut self,
        request: &[u8],
        signal: &mut dyn Signal,
    ) -> Result<Vec<u8>, TransportError> {
        let command = CommandApdu::new(CLA, ins::NFCCTAP_MSG, p1::SUPPORTS_GETRESPONSE, 0);
        let mut response = self.exchange(command.with_data(request))?;
        let mut stopping: Option<(TransportError, Instant)> = None;
        while response.status == StatusWord::IN_PROGRESS {
            match &stopping {
                None => {
                    signal.keepalive(
                        response
                            .data
                            .first()
                            .map_or(Keepalive::Processing, |status| (*status).into()),
                    );
                    stopping = signal
                        .check()
                        .err()
                        .map(TransportError::from)
                        .map(|stop| (stop, Instant::now() + self.patience.cancel));
                }
                Some((_, give_up)) if Instant::now() >= *give_up => break,
                Some(_) => {}
            }
            if stopping.is_none() {
                thread::sleep(self.patience.poll);
            }
            let p1 = if stopping.is_some() { p1::CANCEL } else { 0 };
            response = self.exchange(CommandApdu::new(CLA, ins::NFCCTAP_GETRESPONSE, p1, 0))?;
        }
        match stopping {
            Some((stop, _)) if response.status == StatusWord::IN_PROGRESS => {
                // It does not obey; it need not be left waiting for a finger all the same. What it says to this is of
                // no interest, for the next message begins with a selection.
                let end = CommandApdu::new(CLA, ins::NFCCTAP_CONTROL, p1::END_CTAP_MSG, 0);
                let _ = exchange(&mut self.card, &end, Encoding::Short);
                Err(stop)
            }
            Some((stop, _)) if response.data == [u8::from(StatusCode::KeepaliveCancel)] => {
                self.out_of_step = false;
                Err(stop)
            }
            _ => {
                let response = successful(response)?;
                self.out_of_step = false;
                Ok(response.data)
            }
        }
    }

    /// "Read configuration" by the management application; its answer is the one that the vendor command 0x42 gives over
    /// USB.
    fn read_yubikey_config(&mut self, payload: &[u8]) -> Result<Vec<u8>, TransportError> {
        let page = payload.first().copied().unwrap_or_default();
        self.out_of_step = true;
        self.select(&YUBIKEY_MANAGEMENT_AID)?;
        let read = CommandApdu::new(0x00, ins::YUBIKEY_READ_CONFIG, page, 0);
        let config =
            exchange(&mut self.card, &read.expecting(256), Encoding::Short).and_then(successful);
        self.select_fido()?;
        Ok(config?.data)
    }
}

impl<C: Card> Transport for NfcTransport<C> {
    fn transact(
        &mut self,
        request: &[u8],
        signal: &mut dyn Signal,
    ) -> Result<Vec<u8>, TransportError> {
        signal.check()?;
        if self.out_of_step {
            self.select_fido()?;
        }
        self.out_of_step = true;
        self.message(request, signal)
    }

    /// There are no vendor commands over NFC; 0x42 (a YubiKey's configuration) is mapped to what that maker has instead.
    fn vendor(
        &mut self,
        command: u8,
        payload: &[u8],
        signal: &mut dyn Signal,
    ) -> Result<Vec<u8>, TransportError> {
        signal.check()?;
        match command {
            YUBIKEY_READ_CONFIG => self.read_yubikey_config(payload),
            _ => Err(TransportError::Unsupported("a vendor command over NFC")),
        }
    }

    fn wink(&mut self, _: &mut dyn Signal) -> Result<(), TransportError> {
        Err(TransportError::Unsupported("a key on a reader cannot wink"))
    }

    fn identity(&self) -> &DeviceIdentity {
        &self.identity
    }
}

fn successful(response: ResponseApdu) -> Result<ResponseApdu, TransportError> {
    if response.status == StatusWord::SUCCESS {
        Ok(response)
    } else {
        Err(TransportError::StatusWord(response.status))
    }
}

/// Class byte of the NFCCTAP commands.
const CLA: u8 = 0x80;
const YUBIKEY_READ_CONFIG: u8 = 0x42;

//! Keys on contactless readers, through the operating system's PC/SC service (`pcscd` on Linux).

use std::{collections::BTreeMap, ffi::CString, fmt, time::Duration};

use pcsc::{
    Context, Disposition, Error as PcscError, MAX_BUFFER_SIZE_EXTENDED, Protocols, ReaderState,
    Scope, ShareMode, State,
};

use super::{
    ApduError, Card, CommandApdu, Encoding, FIDO_AID, NfcTransport, ResponseApdu, StatusWord,
};
use crate::{
    authenticator::Authenticator,
    client::Ctap2,
    error::Result,
    hot_plug::{Bus, HotPlug},
    key_source::{KeyRequest, KeySource},
    pin_uv::Protocol,
    signal::Signal,
    transport::{DeviceIdentity, TransportError, TransportKind},
};

/// Keys on readers, as they are put on and taken off.
#[derive(Debug)]
pub struct NfcKeys(HotPlug<NfcBus>);

impl NfcKeys {
    /// Every security key on a reader of this machine.
    ///
    /// # Errors
    /// [`TransportError::NoSmartCardService`], which names the remedy.
    pub fn new() -> Result<Self> {
        Ok(Self(HotPlug::new(NfcBus::new()?)))
    }

    /// Insists on one PIN/UV auth protocol for every key; see [`Ctap2::with_protocol`].
    #[must_use]
    pub fn with_protocol(mut self, protocol: Protocol) -> Self {
        self.0.bus_mut().protocol = Some(protocol);
        self
    }

    /// The keys that lie on a reader now.
    ///
    /// # Errors
    /// [`TransportError::NoSmartCardService`], [`TransportError::Io`].
    pub fn connected(&mut self) -> Result<Vec<DeviceIdentity>> {
        Ok(self.0.bus_mut().devices()?)
    }

    /// The names of all readers, whether something lies on them or not.
    ///
    /// # Errors
    /// As [`connected`](Self::connected).
    pub fn readers(&mut self) -> Result<Vec<String>> {
        let readers = self.0.bus_mut().reader_names()?;
        Ok(readers.iter().map(name).collect())
    }
}

impl KeySource for NfcKeys {
    fn next_of(
        &mut self,
        wanted: &[KeyRequest],
        signal: &mut dyn Signal,
    ) -> Result<(usize, Box<dyn Authenticator>)> {
        self.0.next_of(wanted, signal)
    }

    fn done(&mut self, identity: &DeviceIdentity) {
        self.0.done(identity);
    }

    fn lost(&mut self, identity: &DeviceIdentity) {
        self.0.lost(identity);
    }

    fn describe(&self) -> String {
        self.0.describe()
    }
}

/// The cards in this machine's readers that have a FIDO application.
///
/// Each card is asked for it once when it is put on, for there are other cards, and a key on USB can have a reader with a
/// card without that application in it.
pub struct NfcBus {
    context: Context,
    /// What lies where, as last seen.
    seen: BTreeMap<CString, Seen>,
    protocol: Option<Protocol>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    /// How many times something was put on or taken off: another number, another card.
    events: u32,
    /// `None` for a card that is no security key.
    key: Option<DeviceIdentity>,
}

impl NfcBus {
    /// Connects to the service.
    ///
    /// # Errors
    /// [`TransportError::NoSmartCardService`].
    pub fn new() -> Result<Self, TransportError> {
        Ok(Self {
            context: establish()?,
            seen: BTreeMap::new(),
            protocol: None,
        })
    }

    fn reader_names(&mut self) -> Result<Vec<CString>, TransportError> {
        match self.context.list_readers_owned() {
            Err(PcscError::NoReadersAvailable) => Ok(Vec::new()),
            // The service was restarted, which ends all contexts. Windows stops it with the last reader.
            Err(PcscError::InvalidHandle | PcscError::NoService | PcscError::ServiceStopped) => {
                self.context = establish()?;
                self.seen.clear();
                match self.context.list_readers_owned() {
                    Err(PcscError::NoReadersAvailable) => Ok(Vec::new()),
                    readers => readers.map_err(transport_error),
                }
            }
            readers => readers.map_err(transport_error),
        }
    }

    /// Whether the card in `reader` is a security key; `None` when that cannot be told now.
    fn look_at(&self, reader: &CString, atr: &[u8]) -> Option<Option<DeviceIdentity>> {
        let mut card = match self.connect(reader, ShareMode::Shared) {
            Ok(card) => card,
            Err(PcscError::UnresponsiveCard | PcscError::UnsupportedCard) => return Some(None),
            Err(_) => return None,
        };
        let answer = {
            // Nobody else's commands may come between, and nobody's application be left deselected without notice.
            let transaction = card.transaction().ok()?;
            let select = CommandApdu::select(&FIDO_AID)
                .encode(Encoding::Short)
                .ok()?;
            let mut buffer = [0; 258];
            let answer = transaction.transmit(&select, &mut buffer).ok()?.to_vec();
            // A failure means that the card is gone, which is seen the next time.
            let _ = transaction.end(Disposition::LeaveCard);
            answer
        };
        let _ = card.disconnect(Disposition::LeaveCard);
        let answer = ResponseApdu::parse(answer).ok()?;
        Some((answer.status == StatusWord::SUCCESS).then(|| identity(reader, atr)))
    }

    fn connect(&self, reader: &CString, share: ShareMode) -> Result<pcsc::Card, PcscError> {
        self.context
            .connect(reader, share, Protocols::T0 | Protocols::T1)
    }
}

impl fmt::Debug for NfcBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NfcBus")
            .field("seen", &self.seen)
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}

impl Bus for NfcBus {
    fn devices(&mut self) -> Result<Vec<DeviceIdentity>, TransportError> {
        let mut states: Vec<_> = self
            .reader_names()?
            .into_iter()
            .map(|reader| ReaderState::new(reader, State::UNAWARE))
            .collect();
        if states.is_empty() {
            self.seen.clear();
            return Ok(Vec::new());
        }
        match self.context.get_status_change(Duration::ZERO, &mut states) {
            // A reader that was unplugged meanwhile is not there the next time.
            Ok(()) | Err(PcscError::Timeout | PcscError::UnknownReader) => {}
            Err(error) => return Err(transport_error(error)),
        }
        let mut seen = BTreeMap::new();
        for state in &states {
            let now = state.event_state();
            if !now.contains(State::PRESENT) || now.contains(State::MUTE) {
                continue;
            }
            let reader = state.name().to_owned();
            let events = state.event_count();
            let known = self.seen.get(&reader).filter(|seen| seen.events == events);
            let key = match known {
                Some(seen) => seen.key.clone(),
                None => match self.look_at(&reader, state.atr()) {
                    Some(key) => key,
                    None => continue,
                },
            };
            seen.insert(reader, Seen { events, key });
        }
        self.seen = seen;
        let keys = self.seen.values();
        Ok(keys.filter_map(|seen| seen.key.clone()).collect())
    }

    fn open(
        &mut self,
        device: &DeviceIdentity,
        signal: &mut dyn Signal,
    ) -> Result<Box<dyn Authenticator>> {
        let reader = self
            .seen
            .keys()
            .find(|reader| name(reader) == device.path)
            .cloned()
            .ok_or(TransportError::LeftReader)?;
        let card = match self.connect(&reader, ShareMode::Exclusive) {
            Ok(card) => card,
            Err(PcscError::SharingViolation) => {
                return Err(TransportError::Open {
                    path: device.path.clone(),
                    reason: IN_USE.to_owned(),
                }
                .into());
            }
            Err(error) => return Err(transport_error(error).into()),
        };
        let card = PcscCard::new(card, self.context.clone(), reader);
        let key = Ctap2::new(NfcTransport::open(card, device.clone(), signal)?);
        Ok(Box::new(match self.protocol {
            Some(protocol) => key.with_protocol(protocol),
            None => key,
        }))
    }

    fn describe(&self) -> String {
        "NFC".to_owned()
    }
}

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

fn establish() -> Result<Context, TransportError> {
    Context::establish(Scope::User).map_err(transport_error)
}

fn transport_error(error: PcscError) -> TransportError {
    match error {
        PcscError::NoService | PcscError::ServiceStopped => {
            TransportError::NoSmartCardService { fix: START_SERVICE }
        }
        PcscError::NoAccess | PcscError::SecurityViolation => {
            TransportError::NoSmartCardService { fix: ALLOW_SERVICE }
        }
        PcscError::RemovedCard
        | PcscError::NoSmartcard
        | PcscError::UnpoweredCard
        | PcscError::UnresponsiveCard
        | PcscError::ResetCard
        | PcscError::ReaderUnavailable
        | PcscError::UnknownReader => TransportError::LeftReader,
        other => TransportError::Io(other.to_string()),
    }
}

fn name(reader: &CString) -> String {
    reader.to_string_lossy().into_owned()
}

/// All that there is to tell a key by is the historical bytes of the answer to reset.
fn identity(reader: &CString, atr: &[u8]) -> DeviceIdentity {
    let yubikey = atr
        .windows(YUBIKEY.len())
        .any(|window| window.eq_ignore_ascii_case(YUBIKEY));
    DeviceIdentity {
        path: name(reader),
        vendor_id: 0,
        product_id: 0,
        manufacturer: if yubikey { "Yubico" } else { "" }.to_owned(),
        product: if yubikey {
            "YubiKey"
        } else {
            "NFC security key"
        }
        .to_owned(),
        usb_serial: None,
        transport: TransportKind::Nfc,
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

const YUBIKEY: &[u8] = b"YubiKey";
/// How long a reader may take to notice that a card is gone.
const NOTICE: Duration = Duration::from_secs(1);
const CM_IOCTL_GET_FEATURE_REQUEST: pcsc::ffi::DWORD = pcsc::ctl_code(3400);
const FEATURE_GET_TLV_PROPERTIES: u8 = 0x12;
const MAX_APDU_DATA_SIZE: u8 = 0x0A;
const IN_USE: &str = "another program uses the key on this reader; close it (a browser, gpg, a middleware) and put the \
                      key on again";

#[cfg(target_os = "linux")]
const START_SERVICE: &str = "install and start pcscd, on Debian or Ubuntu with `apt-get install pcscd` and `systemctl \
                             enable --now pcscd.socket`";
#[cfg(windows)]
const START_SERVICE: &str =
    "connect a reader, and see that the service \"Smart Card\" (SCardSvr) is started";
#[cfg(not(any(target_os = "linux", windows)))]
const START_SERVICE: &str = "connect a reader, and see that the system's smart card service runs";

#[cfg(target_os = "linux")]
const ALLOW_SERVICE: &str = "pcscd refuses this user; sign in at the machine itself, or have polkit allow \
                             org.debian.pcsc-lite.access_pcsc";
#[cfg(not(target_os = "linux"))]
const ALLOW_SERVICE: &str = "this user may not use smart card readers; ask for that permission";

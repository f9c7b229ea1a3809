//! Keys on contactless readers, through the operating system's PC/SC service (`pcscd` on Linux).

mod card;

use std::{collections::BTreeMap, ffi::CString, fmt, time::Duration};

use pcsc::{
    Context, Disposition, Error as PcscError, Protocols, ReaderState, Scope, ShareMode, State,
};

use super::{CommandApdu, Encoding, FIDO_AID, NfcTransport, ResponseApdu, StatusWord};
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

pub use card::PcscCard;

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

const YUBIKEY: &[u8] = b"YubiKey";
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

//! Waiting for the right key to be plugged in, whatever it is plugged into.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use crate::{
    authenticator::Authenticator,
    error::{Error, Result},
    key_source::{KeyRequest, KeySource},
    signal::{PassedOver, Signal},
    transport::{DeviceIdentity, TransportError},
};

/// Somewhere that keys come and go.
pub trait Bus: Send {
    /// What is there now.
    ///
    /// # Errors
    /// When that cannot be found out at all.
    fn devices(&mut self) -> Result<Vec<DeviceIdentity>, TransportError>;

    /// Opens one of the devices that were listed last.
    ///
    /// # Errors
    /// [`TransportError::Disconnected`] when it is gone; [`TransportError::Open`] when the operating system will not have
    /// it opened.
    fn open(
        &mut self,
        device: &DeviceIdentity,
        signal: &mut dyn Signal,
    ) -> Result<Box<dyn Authenticator>>;

    /// For people.
    fn describe(&self) -> String;
}

/// A [`KeySource`] over a [`Bus`].
///
/// It looks around four times a second. A key that cannot be used, or that nobody waits for, is told of once, and the
/// first kind is then left alone until it is unplugged. A key that is served and has no serial number is known by its
/// place, and not handed out again before it has been unplugged.
#[derive(Debug)]
pub struct HotPlug<B> {
    bus: B,
    /// What became of the devices that are there, by their place.
    states: BTreeMap<String, (DeviceIdentity, State)>,
    looked: Option<Instant>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// Handed out, and not given back; with its serial number.
    InUse(Option<String>),
    /// Given back, without a serial number to know it by.
    Served,
    /// Not what anybody wanted, or not any more; with its serial number. Stale when nobody has looked for a while, so
    /// that another key may be in its place by now.
    PassedOver { serial: Option<String>, stale: bool },
    /// Cannot be opened since then: the operating system may still be setting it up.
    Unopened(Instant),
    /// Told of as unusable.
    Refused,
}

impl<B: Bus> HotPlug<B> {
    /// Nothing has been handed out yet.
    pub fn new(bus: B) -> Self {
        Self {
            bus,
            states: BTreeMap::new(),
            looked: None,
        }
    }

    /// The bus.
    pub fn bus_mut(&mut self) -> &mut B {
        &mut self.bus
    }

    fn look_around(
        &mut self,
        wanted: &[KeyRequest],
        signal: &mut dyn Signal,
    ) -> Result<Option<(usize, Box<dyn Authenticator>)>> {
        let devices = self.bus.devices()?;
        self.looked = Some(Instant::now());
        // Compared whole, so that another model in the same place is seen to be another key.
        self.states
            .retain(|_, (identity, _)| devices.contains(identity));
        for device in devices {
            if self.is_candidate(&device, wanted)
                && let Some(found) = self.try_device(device, wanted, signal)?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn is_candidate(&self, device: &DeviceIdentity, wanted: &[KeyRequest]) -> bool {
        match self.states.get(&device.path).map(|(_, state)| state) {
            None | Some(State::Unopened(_)) => true,
            Some(State::PassedOver { serial, stale }) => {
                *stale || first_fit(wanted, serial.as_deref()).is_some()
            }
            // The caller may ask for the key it has: it can have been pulled and put back in the same place faster than
            // anybody looked.
            Some(State::InUse(serial)) => wanted.iter().any(|wanted| {
                matches!(wanted, KeyRequest::Same { .. }) && wanted.accepts(serial.as_deref())
            }),
            Some(State::Served | State::Refused) => false,
        }
    }

    fn try_device(
        &mut self,
        device: DeviceIdentity,
        wanted: &[KeyRequest],
        signal: &mut dyn Signal,
    ) -> Result<Option<(usize, Box<dyn Authenticator>)>> {
        let opened = self
            .bus
            .open(&device, signal)
            .and_then(|mut key| Ok((key.serial()?, key)));
        match opened {
            Ok((serial, key)) => {
                if let Some(index) = first_fit(wanted, serial.as_deref()) {
                    self.set(device, State::InUse(serial));
                    return Ok(Some((index, key)));
                }
                self.pass_over(device, serial, signal);
            }
            Err(error) if error.is_disconnected() => {}
            Err(error @ (Error::Cancelled | Error::DeadlineExceeded)) => return Err(error),
            Err(Error::Transport(TransportError::Open { .. })) if self.may_settle(&device) => {}
            Err(error) => {
                signal.passed_over(&device, PassedOver::Unusable(&error));
                self.set(device, State::Refused);
            }
        }
        Ok(None)
    }

    /// Leaves a key alone, and tells of it unless it is the one that was left alone before.
    fn pass_over(
        &mut self,
        device: DeviceIdentity,
        serial: Option<String>,
        signal: &mut dyn Signal,
    ) {
        let known = matches!(
            self.states.get(&device.path),
            Some((_, State::PassedOver { serial: before, .. })) if *before == serial
        );
        if !known {
            let serial = serial.as_deref();
            signal.passed_over(&device, PassedOver::NotWanted { serial });
        }
        let stale = false;
        self.set(device, State::PassedOver { serial, stale });
    }

    /// Whether a device that cannot be opened may just be too new for it.
    fn may_settle(&mut self, device: &DeviceIdentity) -> bool {
        let since = match self.states.get(&device.path) {
            Some((_, State::Unopened(since))) => *since,
            _ => Instant::now(),
        };
        self.set(device.clone(), State::Unopened(since));
        since.elapsed() < SETTLE
    }

    fn set(&mut self, device: DeviceIdentity, state: State) {
        self.states.insert(device.path.clone(), (device, state));
    }
}

impl<B: Bus> KeySource for HotPlug<B> {
    fn next_of(
        &mut self,
        wanted: &[KeyRequest],
        signal: &mut dyn Signal,
    ) -> Result<(usize, Box<dyn Authenticator>)> {
        // While nobody looks, keys may be swapped: what was passed over then is looked at again.
        if self.looked.is_none_or(|looked| looked.elapsed() > UNSEEN) {
            for (_, state) in self.states.values_mut() {
                if let State::PassedOver { stale, .. } = state {
                    *stale = true;
                }
            }
        }
        loop {
            signal.check()?;
            if let Some(found) = self.look_around(wanted, signal)? {
                return Ok(found);
            }
            let next = Instant::now() + LOOK_EVERY;
            while Instant::now() < next {
                signal.check()?;
                thread::sleep(SLICE);
            }
        }
    }

    fn done(&mut self, identity: &DeviceIdentity) {
        // With a serial number, the next request tells whether the key is wanted again; without one, only its place does.
        if let Some((_, State::InUse(serial))) = self.states.get(&identity.path) {
            let next = match serial {
                Some(serial) => State::PassedOver {
                    serial: Some(serial.clone()),
                    stale: false,
                },
                None => State::Served,
            };
            self.set(identity.clone(), next);
        }
    }

    fn lost(&mut self, identity: &DeviceIdentity) {
        self.states.remove(&identity.path);
    }

    fn describe(&self) -> String {
        self.bus.describe()
    }
}

/// Which of the requests a key with this serial number is for.
fn first_fit(wanted: &[KeyRequest], serial: Option<&str>) -> Option<usize> {
    wanted.iter().position(|wanted| wanted.accepts(serial))
}

const LOOK_EVERY: Duration = Duration::from_millis(250);
const SLICE: Duration = Duration::from_millis(50);
/// Longer than this, and a key may have been swapped for another of its model unseen.
const UNSEEN: Duration = Duration::from_secs(1);
/// How long udev may take to grant access to a device that has just been plugged in.
const SETTLE: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests;

//! The keys of the table, each behind the same few controls: plug it in, pull it out, touch it.

mod misbehaving;
mod opensk;
mod software_key;

pub use misbehaving::{Habit, Misbehaving};
pub use opensk::OpenSk;
pub use software_key::SoftwareKey;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use keywright_ctap::{
    Keepalive, TransportError,
    hid::{HidCommand, Packet, PacketIo, Report},
};

use crate::port::{Label, Port};

/// When a key is touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touch {
    /// As soon as it asks.
    AtOnce,
    /// That long after it asks.
    After(Duration),
    /// Not within the time it waits.
    Never,
}

/// A key, plugged in or in a drawer. What it stores outlives its being unplugged.
pub trait Key: Send + Sync {
    /// What runs in it while it is plugged in, touched like that.
    fn power_up(&self, touch: Touch) -> Box<dyn Firmware>;
}

/// What runs in a key.
pub trait Firmware: Send {
    /// Answers whatever comes, until the key is pulled out.
    fn run(self: Box<Self>, wire: Wire);
}

/// A key that is plugged in. Dropping this pulls it out.
pub struct Plugged {
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

impl Plugged {
    /// Plugs a key in.
    ///
    /// # Errors
    /// As [`Port::plug_in`].
    pub fn plug_in(
        port: &dyn Port,
        label: &Label,
        firmware: Box<dyn Firmware>,
    ) -> Result<Self, TransportError> {
        let io = port.plug_in(label)?;
        let state = Arc::new(State::default());
        let wire = Wire {
            io,
            state: state.clone(),
        };
        let thread = thread::spawn(move || firmware.run(wire));
        Ok(Self {
            state,
            thread: Some(thread),
        })
    }

    /// Whether the key waits to be touched: the last it has said on any channel is a keepalive that says so.
    pub fn waits_for_touch(&self) -> bool {
        self.state.waits.load(Ordering::SeqCst)
    }

    /// How many CTAP2 messages the key has been sent.
    pub fn messages(&self) -> usize {
        self.state.messages.load(Ordering::SeqCst)
    }

    /// Pulls it out. When this returns, it is gone.
    pub fn pull(mut self) {
        self.end();
    }

    /// Lets it answer until somebody ends the process.
    pub fn run_until_killed(mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }

    fn end(&mut self) {
        self.state.pulled.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Plugged {
    fn drop(&mut self) {
        self.end();
    }
}

#[derive(Debug, Default)]
struct State {
    pulled: AtomicBool,
    waits: AtomicBool,
    messages: AtomicUsize,
}

/// A key's end of the wire, which a hand can cut and an eye follows.
pub struct Wire {
    io: Box<dyn PacketIo>,
    state: Arc<State>,
}

impl PacketIo for Wire {
    fn write(&mut self, report: &Report) -> Result<(), TransportError> {
        self.check()?;
        if let Packet::Initialization { command, data, .. } = Packet::parse(report) {
            match command {
                HidCommand::KEEPALIVE => {
                    let status = data.first().copied().map(Keepalive::from);
                    let waits = status == Some(Keepalive::UserPresenceNeeded);
                    self.state.waits.store(waits, Ordering::SeqCst);
                }
                HidCommand::CBOR => self.state.waits.store(false, Ordering::SeqCst),
                _ => {}
            }
        }
        self.io.write(report)
    }

    fn read(&mut self, timeout: Duration) -> Result<Option<Report>, TransportError> {
        let slices = timeout.as_millis() / SLICE.as_millis();
        for _ in 0..slices {
            self.check()?;
            if let Some(report) = self.io.read(SLICE)? {
                return Ok(Some(self.count(report)));
            }
        }
        self.check()?;
        let rest = timeout.saturating_sub(SLICE * u32::try_from(slices).unwrap_or(u32::MAX));
        Ok(self.io.read(rest)?.map(|report| self.count(report)))
    }
}

impl Wire {
    fn check(&self) -> Result<(), TransportError> {
        if self.state.pulled.load(Ordering::SeqCst) {
            Err(TransportError::Disconnected)
        } else {
            Ok(())
        }
    }

    fn count(&self, report: Report) -> Report {
        if let Packet::Initialization {
            command: HidCommand::CBOR,
            ..
        } = Packet::parse(&report)
        {
            self.state.messages.fetch_add(1, Ordering::SeqCst);
        }
        report
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const SLICE: Duration = Duration::from_millis(10);

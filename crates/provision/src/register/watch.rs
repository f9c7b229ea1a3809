//! One thread watches for keys on behalf of all stations, because only one can look at a bus.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use keywright_ctap::{
    Authenticator, DeviceIdentity, Error as CtapError, Keepalive, KeyRequest, KeySource,
    PassedOver, Signal, TransportError,
};
use tokio::sync::oneshot;

use crate::cancel::Cancel;
use crate::event::{Event, Reporter};

/// The key that a station waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Any that nobody has.
    Unused,
    /// The one with this serial.
    Same(String),
}

/// Keys that nobody gets who wants an unused one, by serial number; and whose they are, if anybody's.
pub(super) type Reserved = BTreeMap<String, Option<String>>;

/// What a station gets.
pub(super) type Found = Result<Box<dyn Authenticator>, CtapError>;

/// Watches a [`KeySource`] until it is dropped.
pub(super) struct Watch {
    mailbox: Arc<Mailbox>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub(super) fn begin(
        source: Box<dyn KeySource>,
        reserved: Reserved,
        reporter: Arc<dyn Reporter>,
        cancel: Cancel,
    ) -> Self {
        let mailbox = Arc::new(Mailbox::default());
        mailbox.mail().reserved = reserved;
        let watcher = Watcher {
            source,
            waiting: Vec::new(),
            mailbox: Arc::clone(&mailbox),
            reporter,
            cancel,
        };
        Self {
            mailbox,
            thread: Some(std::thread::spawn(move || watcher.run())),
        }
    }

    /// Waits for a key. It fails with `DeadlineExceeded` at `deadline`, and when the source knows that none will come.
    pub(super) async fn key(&self, user: &str, wanted: Wanted, deadline: Option<Instant>) -> Found {
        let (reply, answer) = oneshot::channel();
        self.post(Note::Ask(Ask {
            user: user.to_owned(),
            wanted,
            deadline,
            reply,
        }));
        answer.await.unwrap_or(Err(CtapError::Cancelled))
    }

    pub(super) fn done(&self, identity: &DeviceIdentity) {
        self.post(Note::Done(identity.clone()));
    }

    pub(super) fn lost(&self, identity: &DeviceIdentity) {
        self.post(Note::Lost(identity.clone()));
    }

    pub(super) fn power_cycle(&self, identity: &DeviceIdentity) {
        self.post(Note::PowerCycle(identity.clone()));
    }

    /// Nobody who wants an unused key gets this one.
    pub(super) fn reserve(&self, serial: &str, user: Option<&str>) {
        let mut mail = self.mailbox.mail();
        let owner = mail.reserved.entry(serial.to_owned()).or_default();
        if owner.is_none() {
            *owner = user.map(str::to_owned);
        }
    }

    /// It is as good as any other again.
    pub(super) fn release(&self, serial: &str) {
        self.mailbox.mail().reserved.remove(serial);
    }

    fn post(&self, note: Note) {
        self.mailbox.mail().notes.push(note);
        self.mailbox.news.notify_all();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.mailbox.mail().closed = true;
        self.mailbox.news.notify_all();
        if let Some(thread) = self.thread.take() {
            // A watcher that panicked has dropped its source, which is all that is waited for.
            let _ = thread.join();
        }
    }
}

/// What stations tell the watcher.
#[derive(Default)]
struct Mailbox {
    mail: Mutex<Mail>,
    news: Condvar,
}

#[derive(Default)]
struct Mail {
    notes: Vec<Note>,
    reserved: Reserved,
    closed: bool,
}

enum Note {
    Ask(Ask),
    Done(DeviceIdentity),
    Lost(DeviceIdentity),
    PowerCycle(DeviceIdentity),
}

struct Ask {
    user: String,
    wanted: Wanted,
    deadline: Option<Instant>,
    reply: oneshot::Sender<Found>,
}

impl Mailbox {
    fn mail(&self) -> MutexGuard<'_, Mail> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Watcher {
    source: Box<dyn KeySource>,
    /// Who asked first is served first.
    waiting: Vec<Ask>,
    mailbox: Arc<Mailbox>,
    reporter: Arc<dyn Reporter>,
    cancel: Cancel,
}

impl Watcher {
    fn run(mut self) {
        while let Some(notes) = self.notes() {
            for note in notes {
                match note {
                    Note::Ask(ask) => self.waiting.push(ask),
                    Note::Done(identity) => self.source.done(&identity),
                    Note::Lost(identity) => self.source.lost(&identity),
                    Note::PowerCycle(identity) => self.source.power_cycle(&identity),
                }
            }
            self.waiting.retain(|ask| !ask.reply.is_closed());
            if !self.waiting.is_empty() {
                self.look();
            }
        }
    }

    /// What has been posted; waits for something while nobody waits for a key. `None` when all is over.
    fn notes(&self) -> Option<Vec<Note>> {
        let mut mail = self.mailbox.mail();
        while self.waiting.is_empty() && mail.notes.is_empty() && !mail.closed {
            mail = self
                .mailbox
                .news
                .wait(mail)
                .unwrap_or_else(PoisonError::into_inner);
        }
        (!mail.closed).then(|| std::mem::take(&mut mail.notes))
    }

    /// Watches until a key is there, something is posted, or somebody has waited long enough.
    fn look(&mut self) {
        let served: Vec<String> = self.mailbox.mail().reserved.keys().cloned().collect();
        let requests: Vec<KeyRequest> = self
            .waiting
            .iter()
            .map(|ask| match &ask.wanted {
                Wanted::Unused => KeyRequest::Another {
                    served: served.clone(),
                },
                Wanted::Same(serial) => KeyRequest::Same {
                    serial: serial.clone(),
                },
            })
            .collect();
        let mut signal = WatchSignal {
            deadline: self.waiting.iter().filter_map(|ask| ask.deadline).min(),
            waiting: &self.waiting,
            mailbox: &self.mailbox,
            reporter: self.reporter.as_ref(),
            cancel: &self.cancel,
        };
        match self.source.next_of(&requests, &mut signal) {
            Ok((index, key)) => self.hand_out(index, key),
            Err(CtapError::Cancelled) if self.cancel.is_raised() => {
                self.send_away(|_| true, || CtapError::Cancelled);
            }
            Err(CtapError::Cancelled) => {}
            Err(CtapError::DeadlineExceeded) => self.run_out(),
            Err(error) => {
                // One is enough to end the run; the others are stopped by that.
                let first = self.waiting.remove(0);
                let _ = first.reply.send(Err(error));
                self.send_away(|_| true, || CtapError::Cancelled);
            }
        }
    }

    fn hand_out(&mut self, index: usize, key: Box<dyn Authenticator>) {
        if index >= self.waiting.len() {
            return;
        }
        let ask = self.waiting.remove(index);
        if let Err(Ok(unclaimed)) = ask.reply.send(Ok(key)) {
            self.source.lost(unclaimed.identity());
        }
    }

    /// Sends away who has waited long enough; everybody, when the source itself has given up.
    fn run_out(&mut self) {
        let now = Instant::now();
        let is_over = |ask: &Ask| ask.deadline.is_some_and(|deadline| now >= deadline);
        let any = self.waiting.iter().any(is_over);
        self.send_away(|ask| !any || is_over(ask), || CtapError::DeadlineExceeded);
    }

    fn send_away(&mut self, whom: impl Fn(&Ask) -> bool, why: impl Fn() -> CtapError) {
        let (gone, waiting): (Vec<Ask>, Vec<Ask>) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(whom);
        self.waiting = waiting;
        for ask in gone {
            // A station that no longer listens needs no answer.
            let _ = ask.reply.send(Err(why()));
        }
    }
}

/// Interrupts the watching when there is something to see to, and tells of keys that are of no use.
struct WatchSignal<'a> {
    deadline: Option<Instant>,
    waiting: &'a [Ask],
    mailbox: &'a Mailbox,
    reporter: &'a dyn Reporter,
    cancel: &'a Cancel,
}

impl Signal for WatchSignal<'_> {
    fn keepalive(&mut self, _: Keepalive) {}

    fn cancelled(&self) -> bool {
        let mail = self.mailbox.mail();
        mail.closed || !mail.notes.is_empty() || self.cancel.is_raised()
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn passed_over(&mut self, device: &DeviceIdentity, why: PassedOver<'_>) {
        let Some(first) = self.waiting.first() else {
            return;
        };
        let serial = match why {
            PassedOver::NotWanted { serial } => serial.map(str::to_owned),
            _ => device.usb_serial.clone(),
        };
        let reason = match (why, &first.wanted) {
            (
                PassedOver::Unusable(
                    error @ CtapError::Transport(
                        TransportError::Open { .. } | TransportError::Busy(_),
                    ),
                ),
                _,
            ) => format!("{error}; `keywright-register doctor` says what to do"),
            (PassedOver::Unusable(error), _) => format!("{device}: {error}"),
            (PassedOver::NotWanted { .. }, Wanted::Same(wanted)) => {
                format!("key {wanted} must come back for this user; take this one out")
            }
            (
                PassedOver::NotWanted {
                    serial: Some(serial),
                },
                Wanted::Unused,
            ) => match self.mailbox.mail().reserved.get(serial) {
                Some(Some(user)) => format!("it is {user}'s already; take another one"),
                _ => "it was refused before; take another one".to_owned(),
            },
            _ => "it is not the key that is waited for".to_owned(),
        };
        self.reporter.report(Event::KeyRefused {
            user: first.user.clone(),
            serial,
            reason,
        });
    }
}

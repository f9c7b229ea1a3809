//! Waiting for a finger: told, bounded, and stopped for the key, too.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use keywright_ctap::{Error, Keepalive, NoSignal, Signal, StatusCode};

use super::{
    Check, DEVICE, KEYS,
    asking::{info, register, registration, unexpected, with_pin},
};
use crate::{
    device::{Habit, Touch},
    scene::{Client, Failure, Outcome, Scene, ensure, refused_with},
};

pub(super) const ROWS: &[Check] = &[
    Check::of("the caller hears that a touch is needed", KEYS, heard),
    Check::of(
        "a touch after three seconds is waited for",
        KEYS,
        late_touch,
    ),
    Check::of(
        "a touch after 70 seconds is waited for",
        DEVICE,
        very_late_touch,
    )
    .known("gives up after 500 keepalives with a status that the key never sent")
    .slow(),
    Check::of(
        "keepalives faster than one in 100 ms lose nothing",
        DEVICE,
        fast_keepalives,
    )
    .known("reads one in 100 ms: the answer is lost when 63 reports wait"),
    Check::of(
        "\"processing\" is not taken for \"touch me\"",
        DEVICE,
        processing,
    ),
    Check::of(
        "nobody touches it: the key gives up after half a minute",
        KEYS,
        nobody,
    )
    .slow(),
    Check::of(
        "cancelled while waiting for a touch: returns at once, the key stops waiting",
        KEYS,
        cancel,
    ),
    Check::of(
        "a selection is cancelled, the key stops waiting",
        KEYS,
        cancel_selection,
    ),
    Check::of(
        "after a cancellation the key serves",
        KEYS,
        serves_after_cancel,
    ),
    Check::of(
        "the deadline ends waiting for a touch, the key stops waiting",
        KEYS,
        deadline,
    ),
    Check::of(
        "the deadline ends endless keepalives",
        DEVICE,
        endless_keepalives,
    ),
    Check::of(
        "a deadline that has passed: nothing is sent",
        KEYS,
        passed_deadline,
    ),
    Check::of(
        "cancelled beforehand: nothing is sent",
        KEYS,
        cancelled_before,
    ),
];

#[derive(Default)]
struct Watcher {
    keepalives: Vec<Keepalive>,
    stop: Arc<AtomicBool>,
    deadline: Option<Instant>,
}

impl Watcher {
    fn until(limit: Duration) -> Self {
        Self {
            deadline: Some(Instant::now() + limit),
            ..Self::default()
        }
    }
}

impl Signal for Watcher {
    fn keepalive(&mut self, status: Keepalive) {
        self.keepalives.push(status);
    }

    fn cancelled(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}

fn heard(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::After(Duration::from_millis(700)))?;
    let pin = with_pin(&mut client)?;
    let mut watcher = Watcher::default();
    client.make_credential(&registration(b"ada"), Some(&pin), &mut watcher)?;
    ensure(
        watcher.keepalives.contains(&Keepalive::UserPresenceNeeded),
        "nothing was heard",
    )
}

fn late_touch(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::After(Duration::from_secs(3)))?;
    let pin = with_pin(&mut client)?;
    let begun = Instant::now();
    register(&mut client, b"ada", &pin)?;
    ensure(begun.elapsed() >= Duration::from_secs(3), "it was early")
}

fn very_late_touch(scene: &mut Scene<'_>) -> Outcome {
    keepalives(
        scene,
        Keepalive::UserPresenceNeeded,
        Duration::from_millis(95),
        Duration::from_secs(70),
    )
    .map(drop)
}

fn fast_keepalives(scene: &mut Scene<'_>) -> Outcome {
    keepalives(
        scene,
        Keepalive::UserPresenceNeeded,
        Duration::from_millis(10),
        Duration::from_secs(3),
    )
    .map(drop)
}

fn processing(scene: &mut Scene<'_>) -> Outcome {
    let heard = keepalives(
        scene,
        Keepalive::Processing,
        Duration::from_millis(100),
        Duration::from_millis(500),
    )?;
    ensure(
        !heard.is_empty() && heard.iter().all(|status| *status == Keepalive::Processing),
        "something else was heard",
    )
}

fn nobody(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::Never)?;
    let pin = with_pin(&mut client)?;
    let mut watcher = Watcher::until(Duration::from_secs(60));
    refused_with(
        client.make_credential(&registration(b"ada"), Some(&pin), &mut watcher),
        StatusCode::UserActionTimeout,
    )
}

/// Selects a device that sends keepalives before it answers. What was heard.
fn keepalives(
    scene: &mut Scene<'_>,
    status: Keepalive,
    every: Duration,
    last: Duration,
) -> Outcome<Vec<Keepalive>> {
    let mut client = scene.insert(Touch::AtOnce)?;
    scene.device()?.take_to(Habit::Keepalives {
        status,
        every,
        last,
    });
    let mut watcher = Watcher::until(last + Duration::from_secs(20));
    client.select(&mut watcher)?;
    Ok(watcher.keepalives)
}

/// Makes a credential on a key that nobody touches, and stops that from another thread.
fn stopped(
    scene: &mut Scene<'_>,
    ask: fn(&mut Client, &mut Watcher) -> keywright_ctap::Result<()>,
) -> Outcome<Client> {
    let mut client = scene.insert(Touch::Never)?;
    with_pin(&mut client)?;
    let mut watcher = Watcher::until(Duration::from_secs(20));
    let stop = watcher.stop.clone();
    let hand = thread::spawn(move || {
        thread::sleep(Duration::from_millis(800));
        stop.store(true, Ordering::SeqCst);
        Instant::now()
    });
    let outcome = ask(&mut client, &mut watcher);
    let returned = Instant::now();
    let stopped = hand
        .join()
        .map_err(|_| Failure::wrong("the hand is gone"))?;
    match outcome {
        Err(Error::Cancelled) => {}
        outcome => return Err(unexpected(outcome, "cancelled")),
    }
    ensure(returned >= stopped, "it did not wait")?;
    ensure(
        returned.duration_since(stopped) < Duration::from_millis(1500),
        "it took longer than 1.5 s to return",
    )?;
    waits_no_more(scene)?;
    Ok(client)
}

/// A key that has been told to stop says so right away.
fn waits_no_more(scene: &Scene<'_>) -> Outcome {
    let give_up = Instant::now() + Duration::from_millis(500);
    while scene.plugged()?.waits_for_touch() {
        if Instant::now() >= give_up {
            return Err(Failure::wrong("the key waits on"));
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn make(client: &mut Client, watcher: &mut Watcher) -> keywright_ctap::Result<()> {
    let pin = keywright_ctap::Pin::new(super::asking::PIN)?;
    client
        .make_credential(&registration(b"ada"), Some(&pin), watcher)
        .map(drop)
}

fn cancel(scene: &mut Scene<'_>) -> Outcome {
    stopped(scene, make).map(drop)
}

fn cancel_selection(scene: &mut Scene<'_>) -> Outcome {
    stopped(scene, |client, watcher| client.select(watcher)).map(drop)
}

fn serves_after_cancel(scene: &mut Scene<'_>) -> Outcome {
    let mut client = stopped(scene, make)?;
    let pin = keywright_ctap::Pin::new(super::asking::PIN)?;
    ensure(
        client.credentials(&pin, &mut NoSignal)?.is_empty(),
        "a credential was made",
    )?;
    ensure(
        info(&mut client)?.client_pin() == Some(true),
        "no PIN is set",
    )
}

fn deadline(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::Never)?;
    let pin = with_pin(&mut client)?;
    let mut watcher = Watcher::until(Duration::from_millis(900));
    let begun = Instant::now();
    match client.make_credential(&registration(b"ada"), Some(&pin), &mut watcher) {
        Err(Error::DeadlineExceeded) => {}
        outcome => return Err(unexpected(outcome, "the deadline")),
    }
    ensure(begun.elapsed() < Duration::from_millis(2500), "it was late")?;
    waits_no_more(scene)
}

fn endless_keepalives(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    scene.device()?.take_to(Habit::Keepalives {
        status: Keepalive::UserPresenceNeeded,
        every: Duration::from_millis(100),
        last: Duration::from_secs(3600),
    });
    let mut watcher = Watcher::until(Duration::from_secs(2));
    let begun = Instant::now();
    match client.select(&mut watcher) {
        Err(Error::DeadlineExceeded) => {}
        outcome => return Err(unexpected(outcome, "the deadline")),
    }
    ensure(begun.elapsed() < Duration::from_millis(3500), "it was late")
}

fn passed_deadline(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let before = scene.plugged()?.messages();
    match client.info(&mut Watcher::until(Duration::ZERO)) {
        Err(Error::DeadlineExceeded) => {}
        outcome => return Err(unexpected(outcome, "the deadline")),
    }
    ensure(scene.plugged()?.messages() == before, "something was sent")
}

fn cancelled_before(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let before = scene.plugged()?.messages();
    let mut watcher = Watcher::default();
    watcher.stop.store(true, Ordering::SeqCst);
    match client.info(&mut watcher) {
        Err(Error::Cancelled) => {}
        outcome => return Err(unexpected(outcome, "cancelled")),
    }
    ensure(scene.plugged()?.messages() == before, "something was sent")
}

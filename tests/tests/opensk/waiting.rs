//! Waiting for a touch: keepalives, cancellation, deadline, unplugging.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use keywright_conformance::device::Touch;
use keywright_ctap::{Authenticator, Error, Keepalive, NoSignal, Signal};

use super::{
    device::{Client, Key, pin},
    registration::{Registration, options, register},
};

#[derive(Default)]
struct Watcher {
    keepalives: Vec<Keepalive>,
    stop: Arc<AtomicBool>,
    deadline: Option<Instant>,
}

impl Signal for Watcher {
    fn keepalive(&mut self, status: Keepalive) {
        self.keepalives.push(status);
    }

    fn cancelled(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}

fn ready(key: &Key) -> (Client, Registration) {
    let mut client = key.plug_in();
    client.set_pin(&pin("123456"), &mut NoSignal).unwrap();
    let registration = Registration::of(options("adaa", ""), &mut client);
    (client, registration)
}

#[test]
fn the_caller_hears_that_a_touch_is_needed() {
    let key = Key::new();
    let (mut client, registration) = ready(&key);
    key.touched(Touch::After(Duration::from_millis(450)));
    let mut watcher = Watcher::default();
    let response = client
        .make_credential(&registration.request, Some(&pin("123456")), &mut watcher)
        .unwrap();
    registration.verify(&response, None);
    let told = &watcher.keepalives;
    assert!(!told.is_empty() && told.len() <= 6, "{told:?}");
    assert!(
        told.iter()
            .all(|status| *status == Keepalive::UserPresenceNeeded)
    );

    let mut watcher = Watcher::default();
    client.select(&mut watcher).unwrap();
    assert!(!watcher.keepalives.is_empty());
}

#[test]
fn cancelling_stops_the_key_and_leaves_it_usable() {
    let key = Key::new();
    let (mut client, registration) = ready(&key);
    key.touched(Touch::Never);
    let mut watcher = Watcher::default();
    let stop = watcher.stop.clone();
    let hand = thread::spawn(move || {
        thread::sleep(Duration::from_millis(300));
        stop.store(true, Ordering::Relaxed);
    });
    let started = Instant::now();
    let outcome = client.make_credential(&registration.request, Some(&pin("123456")), &mut watcher);
    assert!(matches!(outcome, Err(Error::Cancelled)), "{outcome:?}");
    // The key answers the cancellation at once.
    assert!(started.elapsed() < Duration::from_secs(2));
    assert!(!watcher.keepalives.is_empty());
    hand.join().unwrap();

    key.touched(Touch::AtOnce);
    register("bobb", &mut client, &pin("123456"));
    assert_eq!(
        client
            .credentials(&pin("123456"), &mut NoSignal)
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn a_deadline_stops_the_key_although_it_sends_keepalives() {
    let key = Key::new();
    let (mut client, registration) = ready(&key);
    key.touched(Touch::Never);
    let started = Instant::now();
    let mut watcher = Watcher {
        deadline: Some(started + Duration::from_millis(500)),
        ..Watcher::default()
    };
    let outcome = client.make_credential(&registration.request, Some(&pin("123456")), &mut watcher);
    assert!(
        matches!(outcome, Err(Error::DeadlineExceeded)),
        "{outcome:?}"
    );
    assert!(started.elapsed() < Duration::from_secs(2));
    assert_eq!(
        client.credentials(&pin("123456"), &mut NoSignal).unwrap(),
        []
    );
}

//! A directory of keys.

use std::{
    fs,
    time::{Duration, Instant},
};

use keywright_ctap::{
    Authenticator, Deadline, Error, Keepalive, KeyRequest, KeySource, NoSignal, Signal,
};
use keywright_virtual_key::{Error as KeyError, KeyOptions, VirtualKey, VirtualKeys};

use crate::{PIN, pin, request};

fn another(served: &[&str]) -> KeyRequest {
    KeyRequest::Another {
        served: served.iter().map(|serial| (*serial).to_owned()).collect(),
    }
}

fn serial(key: &mut Box<dyn Authenticator>) -> String {
    key.serial().unwrap().unwrap()
}

#[test]
fn an_unused_key_comes_before_a_new_one() {
    let directory = tempfile::tempdir().unwrap();
    let mut keys = VirtualKeys::new(directory.path().join("not/there/yet"));
    let mut first = keys.next_key(&another(&[]), &mut NoSignal).unwrap();
    let serial_number = serial(&mut first);
    assert_eq!(serial_number.len(), 8);
    assert!(
        directory
            .path()
            .join("not/there/yet")
            .join(&serial_number)
            .is_file()
    );
    // It is plugged in, so another one is another one.
    let mut second = keys.next_key(&another(&[]), &mut NoSignal).unwrap();
    assert_ne!(serial(&mut second), serial_number);
    // Given back and unused, it comes again; served or used, it does not.
    let identity = first.identity().clone();
    drop(first);
    keys.done(&identity);
    let mut again = keys.next_key(&another(&[]), &mut NoSignal).unwrap();
    assert_eq!(serial(&mut again), serial_number);
    again.set_pin(&pin(PIN), &mut NoSignal).unwrap();
    again
        .make_credential(&request(1), Some(&pin(PIN)), &mut NoSignal)
        .unwrap();
    drop(again);
    keys.done(&identity);
    let mut third = keys.next_key(&another(&[]), &mut NoSignal).unwrap();
    assert_ne!(serial(&mut third), serial_number);
    let identity = second.identity().clone();
    let second_serial = serial(&mut second);
    drop(second);
    keys.done(&identity);
    let mut fourth = keys
        .next_key(&another(&[&second_serial]), &mut NoSignal)
        .unwrap();
    assert_ne!(serial(&mut fourth), second_serial);
}

#[test]
fn foreign_files_are_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in [
        ("README.md", "hello"),
        ("00000001", "{}"),
        ("00000002", ""),
        (".hidden", "x"),
    ] {
        fs::write(directory.path().join(name), content).unwrap();
    }
    fs::create_dir(directory.path().join("00000003")).unwrap();
    let mut keys = VirtualKeys::new(directory.path());
    let mut key = keys.next_key(&another(&[]), &mut NoSignal).unwrap();
    assert!(!serial(&mut key).starts_with('0'));
    assert_eq!(
        fs::read_to_string(directory.path().join("00000001")).unwrap(),
        "{}"
    );
    assert_eq!(
        keys.describe(),
        format!("virtual:{}", directory.path().display())
    );
}

#[test]
fn one_key_is_not_in_two_places() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("12345678");
    let key = VirtualKey::create(&path, &KeyOptions::for_file(&path)).unwrap();
    assert!(matches!(
        VirtualKey::open(&path),
        Err(KeyError::InUse { .. })
    ));
    assert!(matches!(
        VirtualKey::create(&path, &KeyOptions::for_file(&path)),
        Err(KeyError::Exists { .. })
    ));
    let mut keys = VirtualKeys::new(directory.path());
    let mut other = keys.next_key(&another(&[]), &mut NoSignal).unwrap();
    assert_ne!(serial(&mut other), "12345678");
    let same = KeyRequest::Same {
        serial: "12345678".to_owned(),
    };
    let waited = keys.next_key(&same, &mut Deadline::after(Duration::from_millis(120)));
    assert!(matches!(waited, Err(Error::DeadlineExceeded)));
    drop(key);
    assert_eq!(
        serial(&mut keys.next_key(&same, &mut NoSignal).unwrap()),
        "12345678"
    );
}

#[cfg(unix)]
#[test]
fn the_file_is_its_owners_and_nothing_else_is_left() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let mut keys = VirtualKeys::new(directory.path());
    let mut key = keys.next_key(&another(&[]), &mut NoSignal).unwrap();
    key.set_pin(&pin(PIN), &mut NoSignal).unwrap();
    let names: Vec<_> = fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(names, [directory.path().join(serial(&mut key))]);
    assert_eq!(
        fs::metadata(&names[0]).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[test]
fn a_pulled_key_is_gone_until_it_is_plugged_in_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut keys = VirtualKeys::new(directory.path());
    let mut key = keys.next_key(&another(&[]), &mut NoSignal).unwrap();
    let serial_number = serial(&mut key);
    keys.faults().unplug_after(2);
    key.info(&mut NoSignal).unwrap();
    key.info(&mut NoSignal).unwrap();
    assert!(key.info(&mut NoSignal).unwrap_err().is_disconnected());
    assert!(key.info(&mut NoSignal).unwrap_err().is_disconnected());
    let mut back = keys
        .next_key(
            &KeyRequest::Same {
                serial: serial_number,
            },
            &mut NoSignal,
        )
        .unwrap();
    back.info(&mut NoSignal).unwrap();
    // What was opened before stays dead.
    assert!(key.info(&mut NoSignal).unwrap_err().is_disconnected());
}

#[test]
fn power_can_be_lost_when_the_credential_is_stored_and_nobody_knows() {
    let directory = tempfile::tempdir().unwrap();
    let mut keys = VirtualKeys::new(directory.path());
    let mut key = keys.next_key(&another(&[]), &mut NoSignal).unwrap();
    let serial_number = serial(&mut key);
    key.set_pin(&pin(PIN), &mut NoSignal).unwrap();
    keys.faults().lose_power_after_make_credential();
    let lost = key.make_credential(&request(1), Some(&pin(PIN)), &mut NoSignal);
    assert!(lost.unwrap_err().is_disconnected());
    let mut back = keys
        .next_key(
            &KeyRequest::Same {
                serial: serial_number,
            },
            &mut NoSignal,
        )
        .unwrap();
    let stored = back.credentials(&pin(PIN), &mut NoSignal).unwrap();
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0].user_name.as_deref(), Some("user1@example.com"));
}

#[test]
fn a_touch_takes_its_time_and_can_be_called_off() {
    struct Patient {
        keepalives: u32,
        stop_at: Option<u32>,
    }
    impl Signal for Patient {
        fn keepalive(&mut self, status: Keepalive) {
            assert_eq!(status, Keepalive::UserPresenceNeeded);
            self.keepalives += 1;
        }
        fn cancelled(&self) -> bool {
            self.stop_at.is_some_and(|limit| self.keepalives >= limit)
        }
        fn deadline(&self) -> Option<Instant> {
            None
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let mut keys = VirtualKeys::new(directory.path()).with_touch_delay(Duration::from_millis(250));
    let mut key = keys.next_key(&another(&[]), &mut NoSignal).unwrap();
    let mut patient = Patient {
        keepalives: 0,
        stop_at: None,
    };
    let begun = Instant::now();
    key.select(&mut patient).unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(250));
    assert!(
        (2..=4).contains(&patient.keepalives),
        "{}",
        patient.keepalives
    );
    let mut impatient = Patient {
        keepalives: 0,
        stop_at: Some(1),
    };
    assert!(matches!(key.select(&mut impatient), Err(Error::Cancelled)));
    assert!(matches!(
        key.select(&mut Deadline::after(Duration::from_millis(30))),
        Err(Error::DeadlineExceeded)
    ));
}

//! Several keys at once, coming and going in any order: every user gets one, and the serial number on record is that of
//! the key that holds the credential.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use keywright_ctap::NoSignal;
use keywright_provision::Event;
use keywright_tests::{Answers, Hub, Rehearsal, Tells, Tray};
use keywright_virtual_key::KeyOptions;
use serde_json::json;

fn random_pins() -> serde_json::Value {
    json!({"useRandomPIN": true})
}

/// Small, reproducible randomness (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % sides as u64).unwrap()
    }
}

/// One hand that keeps two keys in the hub: whenever one is finished it is swapped for a new one, in a socket and with
/// a way of telling its serial number that the dice choose; now and then the idle one is swapped, too.
struct Hand {
    hub: Hub,
    dice: Dice,
    sockets: u32,
}

impl Hand {
    fn plug_a_new_one(&mut self) {
        let serial = self.hub.make(&KeyOptions::default());
        let tells = [Tells::Usb, Tells::Vendor][self.dice.roll(2)];
        self.sockets += 1;
        // Devices are listed in the order of their paths.
        let path = format!("socket-{}-{}", self.dice.roll(10), self.sockets);
        self.hub.plug(&path, &serial, tells);
    }

    fn swap(&mut self, finished: &str) {
        self.plug_a_new_one();
        self.hub.pull(finished);
        if self.dice.roll(8) == 0 {
            let idle = self.hub.plugged_in();
            let one = idle[self.dice.roll(idle.len())].clone();
            self.hub.pull(&one);
            self.plug_a_new_one();
        }
    }
}

/// Every row's serial is the name of the key file that holds the row's credential, and its PIN opens that key.
fn assert_rows_tell_the_truth(rehearsal: &Rehearsal, rows: usize) {
    let tray = Tray::new(&rehearsal.path("keys"));
    let results = rehearsal.results();
    assert_eq!(results.len(), rows);
    let mut serials = HashMap::new();
    for row in &results {
        assert_eq!(row["status"], "registered", "{row:?}");
        let serial = &row["serialNumber"];
        assert_eq!(serials.insert(serial.clone(), &row["upn"]), None);
        let pin = keywright_ctap::Pin::new(row["PIN"].as_str()).unwrap();
        let held = tray
            .with(serial, |key| key.credentials(&pin, &mut NoSignal))
            .unwrap();
        let ids: Vec<String> = held
            .iter()
            .map(|one| keywright_webauthn::Base64Url::encode(&one.credential_id))
            .collect();
        assert_eq!(ids, [row["credentialId"].clone()], "{row:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_times_two_keys_in_any_order_the_serial_is_of_the_key_with_the_credential() {
    const TRIALS: usize = 1_000;
    let rehearsal = Rehearsal::new(TRIALS, random_pins()).await;
    rehearsal.collect().await.unwrap();
    let hub = rehearsal.hub();
    let seed = 0x6B65_7977_7269_6768;
    let mut hand = Hand {
        hub: hub.clone(),
        dice: Dice(seed),
        sockets: 0,
    };
    hand.plug_a_new_one();
    hand.plug_a_new_one();
    let hand = Mutex::new(hand);
    rehearsal.on_event(move |event| {
        if let Event::KeyFinished {
            serial: Some(serial),
            ..
        } = event
        {
            hand.lock().unwrap().swap(serial);
        }
    });
    let summary = rehearsal
        .register_with(hub.source(), Arc::new(Answers::default()))
        .await
        .unwrap();
    assert_eq!(
        (summary.done, summary.failed),
        (TRIALS as u64, 0),
        "seed {seed:#x}"
    );
    assert_rows_tell_the_truth(&rehearsal, TRIALS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn four_users_at_four_stations_take_little_longer_than_one() {
    let touch = Duration::from_secs(1);
    let mut took = Vec::new();
    for users in [1, 4] {
        let rehearsal = Rehearsal::new(users, random_pins()).await;
        rehearsal.collect().await.unwrap();
        let mut hub = rehearsal.hub();
        hub.touch = touch;
        for socket in 0..users {
            let serial = hub.make(&KeyOptions::default());
            hub.plug(&format!("socket-{socket}"), &serial, Tells::Usb);
        }
        let begun = Instant::now();
        let summary = rehearsal
            .register_as(hub.source(), Arc::new(Answers::default()), |settings| {
                settings.stations = 4;
            })
            .await
            .unwrap();
        took.push(begun.elapsed());
        assert_eq!(summary.done, users as u64);
        assert_rows_tell_the_truth(&rehearsal, users);
        let stations: Vec<u32> = rehearsal
            .events()
            .iter()
            .filter_map(|event| match event {
                Event::UserStarted { station, .. } => Some(*station),
                _ => None,
            })
            .collect();
        assert_eq!(stations, (1..=users as u32).collect::<Vec<_>>());
    }
    assert!(took[1] < 2 * took[0], "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_key_pulled_at_a_busy_station_loses_nothing_and_no_other_key_takes_its_place() {
    let rehearsal = Rehearsal::new(3, random_pins()).await;
    rehearsal.collect().await.unwrap();
    let mut hub = rehearsal.hub();
    hub.touch = Duration::from_millis(300);
    let serials: Vec<String> = (0..3).map(|_| hub.make(&KeyOptions::default())).collect();
    for (socket, serial) in serials.iter().enumerate() {
        hub.plug(&format!("socket-{socket}"), serial, Tells::Vendor);
    }
    let stranger = hub.make(&KeyOptions::default());
    // Pulled while it waits for its touch; a stranger takes its socket; then it comes back in another.
    let (pulled, once, hand) = (serials[1].clone(), Mutex::new(false), hub.clone());
    rehearsal.on_event(move |event| match event {
        Event::TouchNeeded {
            serial: Some(serial),
            ..
        } if *serial == pulled && !std::mem::replace(&mut *once.lock().unwrap(), true) => {
            hand.pull(&pulled);
            hand.plug("socket-1", &stranger, Tells::Vendor);
            let (hand, pulled) = (hand.clone(), pulled.clone());
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(900));
                hand.plug("socket-9", &pulled, Tells::Vendor);
            });
        }
        _ => {}
    });
    let summary = rehearsal
        .register_as(hub.source(), Arc::new(Answers::default()), |settings| {
            settings.stations = 3;
            settings.key_wait = Some(Duration::from_secs(10));
        })
        .await
        .unwrap();
    assert_eq!((summary.done, summary.failed), (3, 0));
    let events = rehearsal.events();
    let refused = events.iter().find_map(|event| match event {
        Event::KeyRefused { reason, .. } => Some(reason.as_str()),
        _ => None,
    });
    assert_eq!(
        refused,
        Some(
            format!(
                "key {} must come back for this user; take this one out",
                serials[1]
            )
            .as_str()
        ),
        "{events:?}"
    );
    assert_rows_tell_the_truth(&rehearsal, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_key_without_a_serial_number_is_not_served_among_several() {
    let rehearsal = Rehearsal::new(2, random_pins()).await;
    rehearsal.collect().await.unwrap();
    let hub = rehearsal.hub();
    let nameless = hub.make(&KeyOptions::default());
    hub.plug("socket-0", &nameless, Tells::Nothing);
    for socket in 1..3 {
        let serial = hub.make(&KeyOptions::default());
        hub.plug(&format!("socket-{socket}"), &serial, Tells::Usb);
    }
    let summary = rehearsal
        .register_as(hub.source(), Arc::new(Answers::default()), |settings| {
            settings.stations = 2;
        })
        .await
        .unwrap();
    assert_eq!((summary.done, summary.failed), (2, 0));
    let events = rehearsal.events();
    assert!(
        events.iter().any(
            |event| matches!(event, Event::KeyRefused { reason, .. } if reason.contains("--stations 1"))
        ),
        "{events:?}"
    );
    let info = Tray::new(&rehearsal.path("keys"))
        .with(&nameless, |key| key.info(&mut NoSignal))
        .unwrap();
    assert_eq!(info.client_pin(), Some(false), "nothing on it was changed");
}

//! Keys come and go.

use std::{
    thread,
    time::{Duration, Instant},
};

use keywright_ctap::{Error, NoSignal};

use super::{
    Check, KEYS,
    asking::{info, pin, register, registration, unexpected, with_pin},
};
use crate::{
    device::Touch,
    scene::{Failure, Outcome, Scene, ensure},
};

pub(super) const ROWS: &[Check] = &[
    Check::of(
        "pulled while it waits for a touch: said at once",
        KEYS,
        pulled_while_waiting,
    ),
    Check::of("pulled between two operations: said", KEYS, pulled_between),
    Check::of(
        "put in again, it serves, and has kept what it had",
        KEYS,
        back_again,
    ),
    Check::of("opened twice, both are served", KEYS, opened_twice),
];

fn pulled_while_waiting(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::Never)?;
    let pin = with_pin(&mut client)?;
    let plugged = scene.hand_over()?;
    let hand = thread::spawn(move || {
        thread::sleep(Duration::from_millis(700));
        plugged.pull();
        Instant::now()
    });
    let outcome = client.make_credential(&registration(b"ada"), Some(&pin), &mut NoSignal);
    let returned = Instant::now();
    let pulled = hand
        .join()
        .map_err(|_| Failure::wrong("the hand is gone"))?;
    match outcome {
        Err(error) if error.is_disconnected() => {}
        outcome => return Err(unexpected(outcome, "that the key was removed")),
    }
    ensure(
        returned.saturating_duration_since(pulled) < Duration::from_secs(1),
        "it took longer than a second to notice",
    )
}

fn pulled_between(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    info(&mut client)?;
    scene.unplug();
    match client.info(&mut NoSignal) {
        Err(error) if error.is_disconnected() => Ok(()),
        Err(Error::Transport(keywright_ctap::TransportError::Open { .. })) => Ok(()),
        outcome => Err(unexpected(outcome, "that the key was removed")),
    }
}

fn back_again(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::Never)?;
    let first = with_pin(&mut client)?;
    let plugged = scene.hand_over()?;
    let hand = thread::spawn(move || {
        thread::sleep(Duration::from_millis(500));
        plugged.pull();
    });
    let pulled = client.make_credential(&registration(b"ada"), Some(&first), &mut NoSignal);
    hand.join()
        .map_err(|_| Failure::wrong("the hand is gone"))?;
    drop(client);
    if pulled.is_ok() {
        return Err(Failure::wrong("a credential without a touch"));
    }
    let mut client = scene.insert(Touch::AtOnce)?;
    client.check_pin(&first, &mut NoSignal)?;
    register(&mut client, b"ada", &first).map(drop)
}

fn opened_twice(scene: &mut Scene<'_>) -> Outcome {
    let mut one = scene.insert(Touch::AtOnce)?;
    let mut other = scene.open()?;
    let pin = pin("583920")?;
    one.set_pin(&pin, &mut NoSignal)?;
    other.check_pin(&pin, &mut NoSignal)?;
    register(&mut one, b"ada", &pin)?;
    ensure(
        other.credentials(&pin, &mut NoSignal)?.len() == 1,
        "not one credential",
    )
}

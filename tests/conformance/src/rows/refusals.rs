//! What a key refuses arrives as what it is.

use std::time::{Duration, Instant};

use keywright_ctap::{
    ConfigChange, Error, NoSignal, StatusCode, TransportError, hid::HidErrorCode,
};
use keywright_virtual_key::{Behaviour, KeyOptions};

use super::{
    Check, DEVICE, KEYS, OURS,
    asking::{assertion, register, registration, unexpected, verified, with_pin},
};
use crate::{
    device::{Habit, Touch},
    scene::{Failure, Outcome, Scene, ensure, refused_with},
};

pub(super) const ROWS: &[Check] = &[
    Check::of("all 255 status codes arrive typed", DEVICE, every_status),
    Check::of(
        "status codes of makeCredential and of its token",
        DEVICE,
        whose_status,
    ),
    Check::of("all CTAPHID errors arrive typed", DEVICE, every_hid_error),
    Check::of("a key that is busy for a while is waited for", DEVICE, busy),
    Check::of(
        "a key that is busy for ever is given up",
        DEVICE,
        busy_for_ever,
    ),
    Check::of("a credential of the exclude list", KEYS, excluded),
    Check::of("no credential fits", KEYS, no_credentials),
    Check::of(
        "an RS256-only request is refused, not answered with another algorithm",
        KEYS,
        rs256,
    ),
    Check::of(
        "RS256 first, ES256 second makes an ES256 credential",
        KEYS,
        rs256_first,
    ),
    Check::of("a full key", OURS, full),
    Check::of("a reset that comes too late", OURS, late_reset),
    Check::of("a minimum PIN length that shrinks", KEYS, shrinking),
    Check::of(
        "a message longer than the key takes does not reach it",
        DEVICE,
        too_long,
    ),
];

fn every_status(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    for code in 1..=255 {
        scene.device()?.take_to(Habit::Refuses(code));
        refused_with(client.select(&mut NoSignal), code.into())?;
    }
    Ok(())
}

fn whose_status(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let pin = with_pin(&mut client)?;
    scene.device()?.take_to(Habit::Refuses(0xF3));
    let refused = client.make_credential(&registration(b"ada"), Some(&pin), &mut NoSignal);
    match &refused {
        Err(Error::Status { command, status })
            if *command == keywright_ctap::Command::ClientPin
                && *status == StatusCode::Other(0xF3) => {}
        _ => return Err(unexpected(refused, "a refused clientPIN")),
    }
    let mut unverified = registration(b"ada");
    unverified.user_verification = false;
    unverified.resident_key = false;
    drop(client);
    scene.device()?.take_to(Habit::Good);
    scene.take_key(&KeyOptions::default(), Behaviour::default());
    let mut client = scene.insert(Touch::AtOnce)?;
    scene.device()?.take_to(Habit::Refuses(0x28));
    let refused = client.make_credential(&unverified, None, &mut NoSignal);
    match &refused {
        Err(Error::Status { command, status })
            if *command == keywright_ctap::Command::MakeCredential
                && *status == StatusCode::KeyStoreFull =>
        {
            Ok(())
        }
        _ => Err(unexpected(refused, "a refused makeCredential")),
    }
}

fn every_hid_error(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    for code in [0x01, 0x02, 0x03, 0x04, 0x05, 0x0A, 0x0B, 0x7F, 0xF1] {
        scene.device()?.take_to(Habit::HidError(code));
        let outcome = client.select(&mut NoSignal);
        match outcome {
            Err(Error::Transport(TransportError::Hid(error)))
                if error == HidErrorCode::from(code) => {}
            outcome => return Err(unexpected(outcome, &format!("CTAPHID error 0x{code:02X}"))),
        }
    }
    Ok(())
}

fn busy(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let end = Instant::now() + Duration::from_millis(1200);
    scene.device()?.take_to(Habit::BusyUntil(end));
    client.info(&mut NoSignal)?;
    ensure(Instant::now() >= end, "it was not busy")
}

fn busy_for_ever(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let begun = Instant::now();
    scene
        .device()?
        .take_to(Habit::BusyUntil(begun + Duration::from_secs(3600)));
    match client.info(&mut NoSignal) {
        Err(Error::Transport(TransportError::Busy(_))) => {
            ensure(begun.elapsed() < Duration::from_secs(20), "late")
        }
        outcome => Err(unexpected(outcome, "busy")),
    }
}

fn excluded(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let pin = with_pin(&mut client)?;
    let made = register(&mut client, b"ada", &pin)?;
    let mut request = registration(b"bob");
    request.exclude_list = vec![made.credential_id];
    refused_with(
        client.make_credential(&request, Some(&pin), &mut NoSignal),
        StatusCode::CredentialExcluded,
    )
}

fn no_credentials(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let pin = with_pin(&mut client)?;
    for request in [assertion(&[]), assertion(&[&[7; 64]])] {
        refused_with(
            client.get_assertion(&request, Some(&pin), &mut NoSignal),
            StatusCode::NoCredentials,
        )?;
    }
    Ok(())
}

fn rs256(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let pin = with_pin(&mut client)?;
    let mut request = registration(b"ada");
    request.algorithms = vec![RS256];
    refused_with(
        client.make_credential(&request, Some(&pin), &mut NoSignal),
        StatusCode::UnsupportedAlgorithm,
    )?;
    ensure(
        client.credentials(&pin, &mut NoSignal)?.is_empty(),
        "a credential was made",
    )
}

fn rs256_first(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let pin = with_pin(&mut client)?;
    let mut request = registration(b"ada");
    request.algorithms = vec![RS256, ES256];
    let response = client.make_credential(&request, Some(&pin), &mut NoSignal)?;
    let made = verified(&request, &response)?;
    ensure(made.public_key.algorithm().0 == ES256, "another algorithm")
}

fn full(scene: &mut Scene<'_>) -> Outcome {
    scene.take_key(
        &KeyOptions {
            capacity: 1,
            ..KeyOptions::default()
        },
        Behaviour::default(),
    );
    let mut client = scene.insert(Touch::AtOnce)?;
    let pin = with_pin(&mut client)?;
    register(&mut client, b"ada", &pin)?;
    refused_with(
        client.make_credential(&registration(b"bob"), Some(&pin), &mut NoSignal),
        StatusCode::KeyStoreFull,
    )
}

fn late_reset(scene: &mut Scene<'_>) -> Outcome {
    scene.take_key(
        &KeyOptions::default(),
        Behaviour {
            reset_window: Some(Duration::ZERO),
        },
    );
    let mut client = scene.insert(Touch::AtOnce)?;
    refused_with(client.reset(&mut NoSignal), StatusCode::NotAllowed)
}

fn shrinking(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let pin = with_pin(&mut client)?;
    let minimum = |new_min| ConfigChange::SetMinPinLength {
        new_min: Some(new_min),
        rp_ids: Vec::new(),
        force_change: false,
    };
    client.configure(&minimum(6), Some(&pin), &mut NoSignal)?;
    refused_with(
        client.configure(&minimum(4), Some(&pin), &mut NoSignal),
        StatusCode::PinPolicyViolation,
    )
}

fn too_long(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let pin = with_pin(&mut client)?;
    let _ = scene.device()?.requests();
    let mut request = registration(b"ada");
    request.user_display_name = "x".repeat(8000);
    match client.make_credential(&request, Some(&pin), &mut NoSignal) {
        Err(Error::Limit { .. } | Error::Transport(TransportError::TooLong { .. })) => {}
        outcome => return Err(unexpected(outcome, "too long")),
    }
    let sent = scene.device()?.requests();
    if sent.iter().any(|request| request.first() == Some(&0x01)) {
        return Err(Failure::wrong("it was sent"));
    }
    Ok(())
}

const RS256: i64 = -257;
const ES256: i64 = -7;

//! PINs: both protocols, every length, and what becomes of wrong ones.

use keywright_ctap::{
    ConfigChange, Error, NoSignal, Pin, PinError, StatusCode,
    message::{Request, client_pin::SubCommand},
    pin_uv::Protocol,
};

use super::{
    Check, DEVICE, KEYS, OURS,
    asking::{PIN, info, pin, register, registration, unexpected, with_pin},
};
use crate::{
    device::Touch,
    scene::{Client, Failure, Outcome, Scene, ensure, refused_with},
};

pub(super) const ROWS: &[Check] = &[
    Check::of("a first PIN is set", KEYS, set),
    Check::of("a PIN is changed", KEYS, change),
    Check::of("PIN/UV auth protocol 1", KEYS, protocol_one),
    Check::of("PIN/UV auth protocol 2", KEYS, protocol_two),
    Check::of("the key's favourite protocol is used", DEVICE, favourite),
    Check::of("a PIN of 63 bytes", KEYS, longest),
    Check::of("a PIN of 64 bytes does not reach the key", KEYS, too_long),
    Check::of("a PIN of four emoji", KEYS, emoji),
    Check::of("tries are counted, and nothing is printed", KEYS, retries),
    Check::of("a wrong PIN costs one try", KEYS, wrong),
    Check::of(
        "three wrong PINs: taken out and put in again",
        KEYS,
        auth_blocked,
    ),
    Check::of("eight wrong PINs: blocked", KEYS, blocked),
    Check::of(
        "a PIN that is too short does not reach the key",
        KEYS,
        too_short,
    ),
    Check::of("a second first PIN is refused", KEYS, already_set),
    Check::of("no PIN where one is needed", KEYS, required),
    Check::of("a PIN where none is set", KEYS, not_set),
    Check::of("no token while a change is forced", KEYS, forced_change),
    Check::of(
        "a forced change is lifted by changing the PIN",
        OURS,
        forced_change_lifted,
    ),
];

fn set(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let pin = with_pin(&mut client)?;
    ensure(info(&mut client)?.client_pin() == Some(true), "none is set")?;
    Ok(client.check_pin(&pin, &mut NoSignal)?)
}

fn change(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let old = with_pin(&mut client)?;
    let new = pin("another one")?;
    client.change_pin(&old, &new, &mut NoSignal)?;
    client.check_pin(&new, &mut NoSignal)?;
    refused_with(
        client.change_pin(&old, &new, &mut NoSignal),
        StatusCode::PinInvalid,
    )
}

fn protocol_one(scene: &mut Scene<'_>) -> Outcome {
    with_protocol(scene, Protocol::One)
}

fn protocol_two(scene: &mut Scene<'_>) -> Outcome {
    with_protocol(scene, Protocol::Two)
}

fn with_protocol(scene: &mut Scene<'_>, protocol: Protocol) -> Outcome {
    scene.plug_in(Touch::AtOnce)?;
    let mut client = scene.open_with(Some(protocol))?;
    let old = pin("12345678")?;
    client.set_pin(&old, &mut NoSignal)?;
    let new = pin(PIN)?;
    client.change_pin(&old, &new, &mut NoSignal)?;
    register(&mut client, b"ada", &new)?;
    ensure(
        client.credentials(&new, &mut NoSignal)?.len() == 1,
        "not one credential",
    )?;
    client.configure(
        &ConfigChange::SetMinPinLength {
            new_min: Some(5),
            rp_ids: Vec::new(),
            force_change: false,
        },
        Some(&new),
        &mut NoSignal,
    )?;
    refused_with(
        client.check_pin(&old, &mut NoSignal),
        StatusCode::PinInvalid,
    )
}

fn favourite(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let favourite = info(&mut client)?.pin_uv_auth_protocols.first().copied();
    let _ = scene.device()?.requests();
    with_pin(&mut client)?;
    for bytes in scene.device()?.requests() {
        if let Ok(Request::ClientPin(sent)) = Request::decode(&bytes)
            && sent.sub_command == SubCommand::SetPin
        {
            return ensure(sent.pin_uv_auth_protocol == favourite, "another protocol");
        }
    }
    Err(Failure::wrong("the key has seen no setPIN"))
}

fn longest(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let long = pin(&"x".repeat(63))?;
    client.set_pin(&long, &mut NoSignal)?;
    client.check_pin(&long, &mut NoSignal)?;
    let other = pin(&"y".repeat(63))?;
    client.change_pin(&long, &other, &mut NoSignal)?;
    register(&mut client, b"ada", &other).map(drop)
}

fn too_long(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    with_pin(&mut client)?;
    match Pin::new("x".repeat(64)) {
        Err(PinError::TooLong { .. }) => {}
        _ => return Err(Failure::wrong("it is a PIN")),
    }
    ensure(
        client.pin_retries(&mut NoSignal)?.retries == 8,
        "it has cost a try",
    )
}

fn emoji(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let keys = pin("\u{1F511}\u{1F5DD}\u{1F510}\u{1F513}")?;
    client.set_pin(&keys, &mut NoSignal)?;
    register(&mut client, b"ada", &keys).map(drop)
}

fn retries(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    with_pin(&mut client)?;
    let left = client.pin_retries(&mut NoSignal)?;
    ensure(left.retries == 8, "not eight")?;
    ensure(!left.power_cycle_required, "a power cycle is wanted")
}

fn wrong(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let right = with_pin(&mut client)?;
    let wrong = pin("000000")?;
    refused_with(
        client.make_credential(&registration(b"ada"), Some(&wrong), &mut NoSignal),
        StatusCode::PinInvalid,
    )?;
    ensure(
        client.pin_retries(&mut NoSignal)?.retries == 7,
        "not seven are left",
    )?;
    client.check_pin(&right, &mut NoSignal)?;
    ensure(
        client.pin_retries(&mut NoSignal)?.retries == 8,
        "not all are back",
    )
}

fn auth_blocked(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let right = with_pin(&mut client)?;
    three_wrong(&mut client, StatusCode::PinAuthBlocked)?;
    refused_with(
        client.check_pin(&right, &mut NoSignal),
        StatusCode::PinAuthBlocked,
    )?;
    drop(client);
    let mut client = scene.insert(Touch::AtOnce)?;
    Ok(client.check_pin(&right, &mut NoSignal)?)
}

fn blocked(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let right = with_pin(&mut client)?;
    three_wrong(&mut client, StatusCode::PinAuthBlocked)?;
    for _ in 0..2 {
        drop(client);
        client = scene.insert(Touch::AtOnce)?;
        // The last of the eight is the second of its life.
        if client.pin_retries(&mut NoSignal)?.retries == 2 {
            let wrong = pin("000000")?;
            refused_with(
                client.check_pin(&wrong, &mut NoSignal),
                StatusCode::PinInvalid,
            )?;
            refused_with(
                client.check_pin(&wrong, &mut NoSignal),
                StatusCode::PinBlocked,
            )?;
        } else {
            three_wrong(&mut client, StatusCode::PinAuthBlocked)?;
        }
    }
    refused_with(
        client.check_pin(&right, &mut NoSignal),
        StatusCode::PinBlocked,
    )?;
    ensure(
        client.pin_retries(&mut NoSignal)?.retries == 0,
        "tries are left",
    )
}

fn three_wrong(client: &mut Client, last: StatusCode) -> Outcome {
    let wrong = pin("000000")?;
    for status in [StatusCode::PinInvalid, StatusCode::PinInvalid, last] {
        refused_with(client.check_pin(&wrong, &mut NoSignal), status)?;
    }
    Ok(())
}

fn too_short(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let long = pin("12345678")?;
    client.set_pin(&long, &mut NoSignal)?;
    client.configure(
        &ConfigChange::SetMinPinLength {
            new_min: Some(8),
            rp_ids: Vec::new(),
            force_change: false,
        },
        Some(&long),
        &mut NoSignal,
    )?;
    match client.change_pin(&long, &pin("1234567")?, &mut NoSignal) {
        Err(Error::Pin(PinError::TooShort { minimum: 8, .. })) => Ok(()),
        outcome => Err(unexpected(outcome, "too short")),
    }
}

fn already_set(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let pin = with_pin(&mut client)?;
    match client.set_pin(&pin, &mut NoSignal) {
        Err(Error::Pin(PinError::AlreadySet)) => Ok(()),
        outcome => Err(unexpected(outcome, "already set")),
    }
}

fn required(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    with_pin(&mut client)?;
    match client.make_credential(&registration(b"ada"), None, &mut NoSignal) {
        Err(Error::Pin(PinError::Required)) => Ok(()),
        outcome => Err(unexpected(outcome, "a PIN is required")),
    }
}

fn not_set(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let pin = pin(PIN)?;
    match client.change_pin(&pin, &pin, &mut NoSignal) {
        Err(Error::Pin(PinError::NotSet)) => {}
        outcome => return Err(unexpected(outcome, "no PIN is set")),
    }
    match client.make_credential(&registration(b"ada"), Some(&pin), &mut NoSignal) {
        Err(Error::Pin(PinError::NotSet)) => Ok(()),
        outcome => Err(unexpected(outcome, "no PIN is set")),
    }
}

fn force(client: &mut Client, pin: &Pin) -> Outcome {
    Ok(client.configure(
        &ConfigChange::SetMinPinLength {
            new_min: None,
            rp_ids: Vec::new(),
            force_change: true,
        },
        Some(pin),
        &mut NoSignal,
    )?)
}

fn forced_change(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let pin = with_pin(&mut client)?;
    force(&mut client, &pin)?;
    match client.make_credential(&registration(b"ada"), Some(&pin), &mut NoSignal) {
        // The specification says the first, and keys say the second, too.
        Err(error)
            if matches!(
                error.status(),
                Some(StatusCode::PinPolicyViolation | StatusCode::PinInvalid)
            ) =>
        {
            Ok(())
        }
        outcome => Err(unexpected(outcome, "a refusal")),
    }
}

fn forced_change_lifted(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let old = with_pin(&mut client)?;
    force(&mut client, &old)?;
    let new = pin("740195")?;
    client.change_pin(&old, &new, &mut NoSignal)?;
    register(&mut client, b"ada", &new).map(drop)
}

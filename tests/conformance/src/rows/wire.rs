//! A device that does not keep to CTAPHID or CTAP2, and other programs on the same device.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use keywright_ctap::{Deadline, Error, NoSignal, TransportError};

use super::{
    Check, DEVICE, KEYS,
    asking::{assertion, info, pin, registration, unexpected, verified, with_pin},
};
use crate::{
    device::{Habit, Touch},
    scene::{Failure, Outcome, Scene, ensure},
};

pub(super) const ROWS: &[Check] = &[
    Check::of(
        "an answer for another channel is ignored",
        DEVICE,
        strangers,
    )
    .known("takes the answer for its own; the adapter notices and reports an error"),
    Check::of(
        "a channel given to another program is ignored",
        DEVICE,
        channels_for_strangers,
    )
    .known("takes the answer for its own; the adapter notices and reports an error"),
    Check::of(
        "an answer to somebody else's CTAPHID_INIT is ignored",
        DEVICE,
        stale_init,
    )
    .known("gives up"),
    Check::of(
        "another program asks the key at the same time",
        KEYS,
        two_programs,
    )
    .known("takes answers for the other program as its own"),
    Check::of("a mute device is given up within seconds", DEVICE, mute),
    Check::of(
        "a device that falls silent is given up within seconds",
        DEVICE,
        silent,
    ),
    Check::of(
        "a device that falls silent: the deadline is kept",
        DEVICE,
        silent_until_deadline,
    ),
    Check::of(
        "an answer that breaks off is given up within seconds",
        DEVICE,
        truncated,
    ),
    Check::of(
        "an answer of 7609 bytes, the most there can be",
        DEVICE,
        longest_answer,
    )
    .known("reads 101 packets of 129, then gives up"),
    Check::of(
        "an answer of 5957 bytes in 101 packets",
        DEVICE,
        long_answer,
    ),
    Check::of(
        "an answer that claims 7610 bytes is an error, soon",
        DEVICE,
        oversize,
    ),
    Check::of(
        "an answer that claims 65535 bytes is an error, soon",
        DEVICE,
        giant,
    ),
    Check::of(
        "continuation packets out of order are an error",
        DEVICE,
        out_of_order,
    ),
    Check::of(
        "an answer to another command is an error",
        DEVICE,
        other_command,
    ),
    Check::of("answers that are not CBOR are errors", DEVICE, no_cbor),
    Check::of(
        "credentials that break off are errors",
        DEVICE,
        short_credentials,
    ),
    Check::of(
        "a key newer than the client serves, and nothing is printed",
        DEVICE,
        newer,
    )
    .known("prints what it does not know on standard output"),
    Check::of("a U2F key is said to be one", DEVICE, u2f),
];

fn misbehaves(scene: &mut Scene<'_>, habit: Habit) -> Outcome<Error> {
    let mut client = scene.insert(Touch::AtOnce)?;
    scene.device()?.take_to(habit);
    let begun = Instant::now();
    let outcome = client.info(&mut NoSignal);
    ensure(begun.elapsed() < SECONDS, "it took longer than 8 s")?;
    match outcome {
        Err(error) => Ok(error),
        Ok(_) => Err(Failure::wrong("success")),
    }
}

fn strangers(scene: &mut Scene<'_>) -> Outcome {
    among(scene, Habit::AnswersStrangers)
}

fn channels_for_strangers(scene: &mut Scene<'_>) -> Outcome {
    among(scene, Habit::OpensForStrangers)
}

fn among(scene: &mut Scene<'_>, habit: Habit) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    scene.device()?.take_to(habit);
    let pin = with_pin(&mut client)?;
    let request = registration(b"ada");
    let response = client.make_credential(&request, Some(&pin), &mut NoSignal)?;
    verified(&request, &response).map(drop)
}

fn stale_init(scene: &mut Scene<'_>) -> Outcome {
    scene.device()?.take_to(Habit::StaleInit);
    let mut client = scene.insert(Touch::AtOnce)?;
    info(&mut client).map(drop)
}

fn two_programs(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let mut other = scene.open_by_another_program()?;
    let over = Arc::new(AtomicBool::new(false));
    let told = over.clone();
    let program = thread::spawn(move || {
        let mut served = 0;
        while !told.load(Ordering::SeqCst) {
            served += usize::from(other.info(&mut NoSignal).is_ok());
        }
        served
    });
    let outcome: Outcome = (|| {
        let pin = with_pin(&mut client)?;
        for user in [b"ada", b"bob", b"eve"] {
            let request = registration(user);
            let response = client.make_credential(&request, Some(&pin), &mut NoSignal)?;
            let made = verified(&request, &response)?;
            // One at a time: getNextAssertion ends with the next command, whoever sends it.
            let request = assertion(&[&made.credential_id]);
            let signed = client.get_assertion(&request, Some(&pin), &mut NoSignal)?;
            ensure(signed.len() == 1, "not one assertion")?;
        }
        Ok::<(), Failure>(())
    })();
    over.store(true, Ordering::SeqCst);
    let served = program
        .join()
        .map_err(|_| Failure::wrong("the other program is gone"))?;
    outcome?;
    ensure(served > 0, "the other program was not served")
}

fn mute(scene: &mut Scene<'_>) -> Outcome {
    scene.device()?.take_to(Habit::Mute);
    scene.plug_in(Touch::AtOnce)?;
    let begun = Instant::now();
    let opened = scene.open_within(Duration::from_secs(60))?.map(drop);
    ensure(begun.elapsed() < SECONDS, "it took longer than 8 s")?;
    timed_out(opened)
}

fn silent(scene: &mut Scene<'_>) -> Outcome {
    let error = misbehaves(scene, Habit::Silent)?;
    timed_out(Err::<(), _>(error))
}

fn silent_until_deadline(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    scene.device()?.take_to(Habit::Silent);
    let begun = Instant::now();
    let outcome = client.info(&mut Deadline::after(Duration::from_secs(1)));
    ensure(begun.elapsed() < Duration::from_secs(3), "it was late")?;
    match outcome {
        Err(Error::DeadlineExceeded) => Ok(()),
        outcome => Err(unexpected(outcome, "the deadline")),
    }
}

fn truncated(scene: &mut Scene<'_>) -> Outcome {
    let error = misbehaves(scene, Habit::Truncates)?;
    timed_out(Err::<(), _>(error))
}

fn timed_out<T>(outcome: Result<T, Error>) -> Outcome {
    match outcome {
        Err(Error::Transport(TransportError::Timeout(_))) => Ok(()),
        outcome => Err(unexpected(outcome, "silence")),
    }
}

fn longest_answer(scene: &mut Scene<'_>) -> Outcome {
    answer_of(scene, 7609)
}

fn long_answer(scene: &mut Scene<'_>) -> Outcome {
    answer_of(scene, 5957)
}

fn answer_of(scene: &mut Scene<'_>, length: usize) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    scene.device()?.take_to(Habit::Long(length));
    let info = info(&mut client)?;
    ensure(info.supports_version("FIDO_2_1"), "FIDO_2_1 is missing")?;
    ensure(!info.algorithms.is_empty(), "algorithms are missing")
}

fn oversize(scene: &mut Scene<'_>) -> Outcome {
    misbehaves(scene, Habit::Claims(7610)).map(drop)
}

fn giant(scene: &mut Scene<'_>) -> Outcome {
    misbehaves(scene, Habit::Claims(65535)).map(drop)
}

fn out_of_order(scene: &mut Scene<'_>) -> Outcome {
    misbehaves(scene, Habit::OutOfOrder).map(drop)
}

fn other_command(scene: &mut Scene<'_>) -> Outcome {
    misbehaves(scene, Habit::OtherCommand).map(drop)
}

fn no_cbor(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let answers: [&[u8]; 8] = [
        &[],
        &[0x00, 0xFF],
        &[0x00, 0xA1],
        &[0x00, 0xA1, 0x01],
        &[0x00, 0x9B, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
        &[0x00, 0x5B, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
        &[0x00, 0xA1, 0x01, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81],
        &[0x00, 0x01],
    ];
    for answer in answers {
        scene.device()?.take_to(Habit::Says(answer.to_vec()));
        if client.set_pin(&pin("123456")?, &mut NoSignal).is_ok() {
            return Err(Failure::Wrong(format!("{answer:02x?} was taken")));
        }
    }
    Ok(())
}

/// `{1: "packed", 2: authData, 3: {}}` with authenticator data of every length up to what a credential has at least.
fn short_credentials(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let mut request = registration(b"ada");
    request.user_verification = false;
    request.resident_key = false;
    for length in [0, 1, 31, 32, 33, 36, 37, 52, 54, 60] {
        let mut answer = vec![0x00, 0xA3, 0x01, 0x66];
        answer.extend(b"packed");
        answer.extend([0x02, 0x58, length]);
        // Flags that promise everything, and a credential id of 65535 bytes.
        answer.extend(std::iter::repeat_n(0xFF, usize::from(length)));
        answer.extend([0x03, 0xA0]);
        scene.device()?.take_to(Habit::Says(answer));
        // What is missing in it is for the relying party's verification to find: no panic here, and nothing printed.
        if let Ok(response) = client.make_credential(&request, None, &mut NoSignal)
            && verified(&request, &response).is_ok()
        {
            return Err(Failure::wrong("it verifies"));
        }
    }
    Ok(())
}

fn newer(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    scene.device()?.take_to(Habit::Newer);
    let info = info(&mut client)?;
    ensure(info.supports_version("FIDO_2_1"), "FIDO_2_1 is missing")?;
    let pin = with_pin(&mut client)?;
    client.pin_retries(&mut NoSignal)?;
    let request = registration(b"ada");
    let response = client.make_credential(&request, Some(&pin), &mut NoSignal)?;
    verified(&request, &response)?;
    let listed = client.credentials(&pin, &mut NoSignal)?;
    ensure(listed.len() == 1, "not one credential")?;
    let signed = client.get_assertion(&assertion(&[]), Some(&pin), &mut NoSignal)?;
    ensure(signed.len() == 1, "not one assertion")
}

fn u2f(scene: &mut Scene<'_>) -> Outcome {
    scene.device()?.take_to(Habit::U2fOnly);
    scene.plug_in(Touch::AtOnce)?;
    match scene.open_within(SECONDS)?.map(drop) {
        Err(Error::Transport(TransportError::Unsupported(_))) => Ok(()),
        outcome => Err(unexpected(outcome, "a U2F key")),
    }
}

/// A silence of five seconds is waited for, and then it is over.
const SECONDS: Duration = Duration::from_secs(8);

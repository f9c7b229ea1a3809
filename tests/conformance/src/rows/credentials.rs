//! Credentials that are on a key: signing with them, listing and deleting them.

use keywright_ctap::{CredentialSlots, Error, HmacSecretSalts, NoSignal, StatusCode};

use super::{
    Check, KEYS,
    asking::{
        RP_ID, assertion, register, registration, unexpected, verified, verify_assertion, with_pin,
    },
};
use crate::{
    device::Touch,
    scene::{Failure, Outcome, Scene, ensure, refused_with},
};

pub(super) const ROWS: &[Check] = &[
    Check::of(
        "an exclude list longer than the key takes at once",
        KEYS,
        long_exclude_list,
    ),
    Check::of("an assertion verifies", KEYS, get_assertion),
    Check::of(
        "all assertions of several credentials",
        KEYS,
        several_assertions,
    ),
    Check::of(
        "hmac-secret gives the same secrets again",
        KEYS,
        hmac_secret,
    ),
    Check::of(
        "a credential is looked for without a touch",
        KEYS,
        preflight,
    ),
    Check::of("credentials are counted", KEYS, slots),
    Check::of("credentials are listed in full", KEYS, credentials),
    Check::of("an empty key has an empty list", KEYS, no_credentials),
    Check::of("a credential is deleted, and only that", KEYS, delete),
];

fn long_exclude_list(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let pin = with_pin(&mut client)?;
    let made = register(&mut client, b"ada", &pin)?;
    let mut request = registration(b"bob");
    request.exclude_list = (0..40).map(|number| vec![number; 64]).collect();
    request.exclude_list.push(made.credential_id);
    refused_with(
        client.make_credential(&request, Some(&pin), &mut NoSignal),
        StatusCode::CredentialExcluded,
    )?;
    request.exclude_list.pop();
    let response = client.make_credential(&request, Some(&pin), &mut NoSignal)?;
    verified(&request, &response).map(drop)
}

fn get_assertion(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let pin = with_pin(&mut client)?;
    let made = register(&mut client, b"ada", &pin)?;
    for request in [assertion(&[&made.credential_id]), assertion(&[])] {
        let signed = client.get_assertion(&request, Some(&pin), &mut NoSignal)?;
        ensure(signed.len() == 1, "not one assertion")?;
        signed
            .iter()
            .try_for_each(|one| verify_assertion(one, &made))?;
    }
    Ok(())
}

fn several_assertions(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let pin = with_pin(&mut client)?;
    let made = [b"ada", b"bob", b"eve"]
        .iter()
        .map(|user| register(&mut client, *user, &pin))
        .collect::<Outcome<Vec<_>>>()?;
    let signed = client.get_assertion(&assertion(&[]), Some(&pin), &mut NoSignal)?;
    ensure(signed.len() == 3, "not three assertions")?;
    for one in &made {
        let of_it = signed
            .iter()
            .find(|answer| answer.credential_id == one.credential_id)
            .ok_or_else(|| Failure::wrong("one credential has not signed"))?;
        verify_assertion(of_it, one)?;
        ensure(of_it.user.is_some(), "the user is not told")?;
    }
    Ok(())
}

fn hmac_secret(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let pin = with_pin(&mut client)?;
    let mut request = registration(b"ada");
    request.extensions.hmac_secret = true;
    let response = client.make_credential(&request, Some(&pin), &mut NoSignal)?;
    let made = verified(&request, &response)?;
    let mut secrets = |first: u8, second: u8| -> Outcome<_> {
        let mut request = assertion(&[&made.credential_id]);
        request.hmac_secret = Some(HmacSecretSalts {
            first: [first; 32],
            second: Some([second; 32]),
        });
        let mut signed = client.get_assertion(&request, Some(&pin), &mut NoSignal)?;
        Ok(signed.pop().map(|one| one.hmac_secrets).unwrap_or_default())
    };
    let (once, again) = (secrets(1, 2)?, secrets(2, 1)?);
    ensure(once.len() == 2 && again.len() == 2, "not two secrets")?;
    ensure(
        once.first() == again.last() && once.last() == again.first() && once.first() != once.last(),
        "other secrets",
    )
}

fn preflight(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let pin = with_pin(&mut client)?;
    let made = register(&mut client, b"ada", &pin)?;
    drop(client);
    // Nobody touches it from now on.
    let mut client = scene.insert(Touch::Never)?;
    let mut request = assertion(&[&made.credential_id]);
    request.user_presence = false;
    request.user_verification = false;
    let found = client.get_assertion(&request, None, &mut NoSignal)?;
    ensure(found.len() == 1, "it is not found")?;
    request.allow_list = vec![vec![9; 32]];
    refused_with(
        client.get_assertion(&request, None, &mut NoSignal),
        StatusCode::NoCredentials,
    )
}

fn slots(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let pin = with_pin(&mut client)?;
    let empty = client.credential_slots(&pin, &mut NoSignal)?;
    register(&mut client, b"ada", &pin)?;
    let one = client.credential_slots(&pin, &mut NoSignal)?;
    ensure(
        empty.existing == 0
            && one
                == CredentialSlots {
                    existing: 1,
                    remaining: empty.remaining - 1,
                },
        "miscounted",
    )
}

fn credentials(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let pin = with_pin(&mut client)?;
    let ada = register(&mut client, b"ada", &pin)?;
    let bob = register(&mut client, b"bob", &pin)?;
    let mut elsewhere = registration(b"eve");
    elsewhere.rp_id = "other.example".to_owned();
    client.make_credential(&elsewhere, Some(&pin), &mut NoSignal)?;

    let listed = client.credentials(&pin, &mut NoSignal)?;
    ensure(listed.len() == 3, "not three credentials")?;
    for (made, user) in [(ada, "ada"), (bob, "bob")] {
        let one = listed
            .iter()
            .find(|one| one.credential_id == made.credential_id)
            .ok_or_else(|| Failure::wrong("one credential is missing"))?;
        ensure(one.rp_id == RP_ID, "another relying party")?;
        ensure(one.user_id == user.as_bytes(), "another user")?;
        ensure(
            one.user_name == Some(format!("{user}@example.com")),
            "another user's name",
        )?;
        ensure(
            one.public_key_cbor == made.public_key.as_cbor(),
            "another public key",
        )?;
    }
    Ok(())
}

fn no_credentials(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let pin = with_pin(&mut client)?;
    ensure(
        client.credentials(&pin, &mut NoSignal)?.is_empty(),
        "there are some",
    )
}

fn delete(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let pin = with_pin(&mut client)?;
    let ada = register(&mut client, b"ada", &pin)?;
    let bob = register(&mut client, b"bob", &pin)?;
    client.delete_credential(&ada.credential_id, &pin, &mut NoSignal)?;
    let left = client.credentials(&pin, &mut NoSignal)?;
    let ids: Vec<&[u8]> = left
        .iter()
        .map(|one| one.credential_id.as_slice())
        .collect();
    ensure(
        ids == [bob.credential_id.as_slice()],
        "not the other one is left",
    )?;
    match client.delete_credential(&ada.credential_id, &pin, &mut NoSignal) {
        Err(Error::NoSuchCredential) => Ok(()),
        outcome => Err(unexpected(outcome, "no such credential")),
    }
}

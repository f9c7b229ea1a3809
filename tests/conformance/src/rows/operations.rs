//! What is done with a key and with new credentials.

use std::time::Duration;

use ciborium::Value;
use keywright_ctap::{ConfigChange, Error, MakeCredentialExtensions, NoSignal, message::Request};
use keywright_virtual_key::{Behaviour, Features, KeyOptions};
use keywright_webauthn::{AuthenticatorData, CoseAlgorithm};

use super::{
    Check, DEVICE, KEYS, OURS,
    asking::{
        PIN, assertion, info, pin, register, registration, unexpected, verified, verify_assertion,
        with_pin,
    },
};
use crate::{
    device::Touch,
    scene::{Failure, Outcome, Scene, ensure},
};

pub(super) const ROWS: &[Check] = &[
    Check::of("getInfo is told in full", KEYS, get_info),
    Check::of("the serial number is this device's", KEYS, serial),
    Check::of(
        "a YubiKey's serial number is the one it tells itself",
        OURS,
        vendor_serial,
    ),
    Check::of(
        "a credential verifies, attestation and all",
        KEYS,
        make_credential,
    ),
    Check::of(
        "the key is asked for exactly what was asked for",
        DEVICE,
        as_asked,
    )
    .known("the relying party's name does not reach the key"),
    Check::of("extensions of a credential", KEYS, extensions),
    Check::of("an EdDSA credential verifies", OURS, eddsa),
    Check::of(
        "a credential that is not discoverable",
        KEYS,
        not_discoverable,
    ),
    Check::of("an enterprise attestation", OURS, enterprise_attestation),
    Check::of(
        "minimum PIN length and forced change are set",
        KEYS,
        configure,
    ),
    Check::of("alwaysUv is toggled", KEYS, always_uv),
    Check::of("a reset leaves nothing", KEYS, reset),
    Check::of("a touch selects the key", KEYS, select),
    Check::of("the key winks", KEYS, wink),
    Check::of("a CTAP 2.0 key serves", OURS, ctap20),
];

fn get_info(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let info = info(&mut client)?;
    ensure(info.supports_version("FIDO_2_1"), "FIDO_2_1 is missing")?;
    ensure(info.client_pin() == Some(false), "clientPin is not false")?;
    ensure(
        info.pin_uv_auth_protocols.contains(&2),
        "PIN protocol 2 is missing",
    )?;
    // What CTAP 2.1 tells by presence alone is not told as zero.
    ensure(info.min_pin_length == Some(4), "minPINLength is not 4")?;
    ensure(info.uv_modality.is_none(), "uvModality is there")?;
    ensure(!info.algorithms.is_empty(), "algorithms are missing")
}

fn serial(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    ensure(
        client.serial()?.as_deref() == Some(scene.serial()),
        "another serial number",
    )
}

fn make_credential(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let pin = with_pin(&mut client)?;
    let request = registration(b"ada");
    let response = client.make_credential(&request, Some(&pin), &mut NoSignal)?;
    verified(&request, &response)?;
    ensure(response.fmt == "packed", "the format is not packed")?;
    ensure(
        response.raw.first() == Some(&0),
        "the raw answer is missing",
    )
}

fn vendor_serial(scene: &mut Scene<'_>) -> Outcome {
    scene.pretend(YUBICO);
    let mut client = scene.insert(Touch::AtOnce)?;
    let serial = client.serial()?.unwrap_or_default();
    ensure(
        !serial.is_empty() && serial != scene.serial(),
        "the serial number is USB's",
    )
}

fn as_asked(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let pin = with_pin(&mut client)?;
    let _ = scene.device()?.requests();
    let mut asked = registration(b"ada");
    asked.exclude_list = vec![vec![3; 32]];
    client.make_credential(&asked, Some(&pin), &mut NoSignal)?;
    for bytes in scene.device()?.requests() {
        let Ok(Request::MakeCredential(sent)) = Request::decode(&bytes) else {
            continue;
        };
        ensure(
            sent.client_data_hash == asked.client_data.hash(),
            "another hash",
        )?;
        ensure(sent.rp.id == asked.rp_id, "another relying party")?;
        ensure(sent.user.id == asked.user_id, "another user")?;
        ensure(
            sent.user.name.as_ref() == Some(&asked.user_name)
                && sent.user.display_name.as_ref() == Some(&asked.user_display_name),
            "another user's name",
        )?;
        ensure(sent.exclude_list.len() == 1, "another exclude list")?;
        ensure(sent.options.rk == Some(true), "not discoverable")?;
        ensure(sent.pin_uv_auth_param.is_some(), "not verified")?;
        return ensure(
            sent.rp.name.as_ref() == Some(&asked.rp_name),
            "the relying party's name is missing",
        );
    }
    Err(Failure::wrong("the key has seen no makeCredential"))
}

fn extensions(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let pin = with_pin(&mut client)?;
    let mut request = registration(b"ada");
    request.extensions = MakeCredentialExtensions {
        cred_protect: Some(3),
        hmac_secret: true,
        cred_blob: info(&mut client)?
            .supports_extension("credBlob")
            .then(|| b"blob".to_vec()),
        ..MakeCredentialExtensions::default()
    };
    let response = client.make_credential(&request, Some(&pin), &mut NoSignal)?;
    verified(&request, &response)?;
    let data = AuthenticatorData::parse(&response.auth_data)
        .map_err(|error| Failure::wrong(error.to_string()))?;
    let outputs = data.extensions.unwrap_or(Value::Null);
    let outputs = outputs.as_map().cloned().unwrap_or_default();
    let told = |name: &str| {
        let mut outputs = outputs.iter();
        outputs.find_map(|(key, value)| (key.as_text() == Some(name)).then(|| value.clone()))
    };
    ensure(
        told("credProtect") == Some(3.into()),
        "credProtect is not 3",
    )?;
    ensure(
        told("hmac-secret") == Some(true.into()),
        "hmac-secret is not there",
    )?;
    let listed = client.credentials(&pin, &mut NoSignal)?;
    ensure(
        listed.first().and_then(|one| one.cred_protect) == Some(3),
        "credProtect is not listed",
    )
}

fn eddsa(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let pin = with_pin(&mut client)?;
    let mut request = registration(b"ada");
    request.algorithms = vec![CoseAlgorithm::EDDSA.0, CoseAlgorithm::ES256.0];
    let response = client.make_credential(&request, Some(&pin), &mut NoSignal)?;
    let made = verified(&request, &response)?;
    ensure(
        made.public_key.algorithm() == CoseAlgorithm::EDDSA,
        "another algorithm",
    )
}

fn not_discoverable(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let pin = with_pin(&mut client)?;
    let mut request = registration(b"ada");
    request.resident_key = false;
    let response = client.make_credential(&request, Some(&pin), &mut NoSignal)?;
    let made = verified(&request, &response)?;
    ensure(
        client.credentials(&pin, &mut NoSignal)?.is_empty(),
        "it is discoverable",
    )?;
    let request = assertion(&[&made.credential_id]);
    let signed = client.get_assertion(&request, Some(&pin), &mut NoSignal)?;
    ensure(signed.len() == 1, "not one assertion")?;
    signed
        .iter()
        .try_for_each(|one| verify_assertion(one, &made))
}

fn enterprise_attestation(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let pin = with_pin(&mut client)?;
    client.configure(
        &ConfigChange::EnableEnterpriseAttestation,
        Some(&pin),
        &mut NoSignal,
    )?;
    let mut request = registration(b"ada");
    request.enterprise_attestation = Some(2);
    let response = client.make_credential(&request, Some(&pin), &mut NoSignal)?;
    verified(&request, &response)?;
    ensure(
        response.enterprise_attestation,
        "it is no enterprise attestation",
    )
}

fn configure(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let pin = with_pin(&mut client)?;
    let change = |new_min, force_change| ConfigChange::SetMinPinLength {
        new_min,
        rp_ids: Vec::new(),
        force_change,
    };
    client.configure(&change(Some(6), false), Some(&pin), &mut NoSignal)?;
    ensure(
        info(&mut client)?.minimum_pin_length() == 6,
        "the minimum is not 6",
    )?;
    client.configure(&change(None, true), Some(&pin), &mut NoSignal)?;
    ensure(
        info(&mut client)?.force_pin_change == Some(true),
        "no change is forced",
    )
}

fn always_uv(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let pin = with_pin(&mut client)?;
    let before = info(&mut client)?.option("alwaysUv");
    client.configure(&ConfigChange::ToggleAlwaysUv, Some(&pin), &mut NoSignal)?;
    let after = info(&mut client)?.option("alwaysUv");
    ensure(before.map(|on| !on) == after, "it is not toggled")
}

fn reset(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    let pin = with_pin(&mut client)?;
    register(&mut client, b"ada", &pin)?;
    drop(client);
    let mut client = scene.insert(Touch::AtOnce)?;
    client.reset(&mut NoSignal)?;
    ensure(
        info(&mut client)?.client_pin() == Some(false),
        "a PIN is left",
    )?;
    let pin = with_pin(&mut client)?;
    ensure(
        client.credentials(&pin, &mut NoSignal)?.is_empty(),
        "credentials are left",
    )
}

fn select(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::After(Duration::from_millis(300)))?;
    Ok(client.select(&mut NoSignal)?)
}

fn wink(scene: &mut Scene<'_>) -> Outcome {
    let mut client = scene.insert(Touch::AtOnce)?;
    Ok(client.wink(&mut NoSignal)?)
}

fn ctap20(scene: &mut Scene<'_>) -> Outcome {
    let features = Features {
        fido_2_1: false,
        ..Features::default()
    };
    scene.take_key(
        &KeyOptions {
            features,
            ..KeyOptions::default()
        },
        Behaviour::default(),
    );
    let mut client = scene.insert(Touch::AtOnce)?;
    let first = pin("12345678")?;
    client.set_pin(&first, &mut NoSignal)?;
    let second = pin(PIN)?;
    client.change_pin(&first, &second, &mut NoSignal)?;
    let made = register(&mut client, b"ada", &second)?;
    let request = assertion(&[&made.credential_id]);
    let signed = client.get_assertion(&request, Some(&second), &mut NoSignal)?;
    signed
        .iter()
        .try_for_each(|one| verify_assertion(one, &made))?;
    client.select(&mut NoSignal)?;
    match client.credentials(&second, &mut NoSignal) {
        Err(Error::Unsupported(_)) => Ok(()),
        outcome => Err(unexpected(outcome, "unsupported")),
    }
}

const YUBICO: u16 = 0x1050;

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;

fn hex<const N: usize>(text: &str) -> [u8; N] {
    let bytes: Vec<u8> = (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect();
    bytes.try_into().unwrap()
}

/// The vector python-fido2 has carried since CTAP 2.0 (tests/test_ctap2.py, `TestPinProtocolV1`).
#[test]
fn protocol_one_agrees_with_the_published_exchange() {
    let platform = KeyAgreement::from_secret(&hex(
        "7452E599FEE739D8A653F6A507343D12D382249108A651402520B72F24FE7684",
    ))
    .unwrap();
    let device = PublicKey::from_cose(&cose(
        hex("0501D5BC78DA9252560A26CB08FCC60CBE0B6D3B8E1D1FCEE514FAC0AF675168"),
        hex("D551B3ED46F665731F95B4532939C25D91DB7EB844BD96D4ABD4083785F8DF47"),
    ))
    .unwrap();
    assert_eq!(
        platform.public_key().to_cose(),
        cose(
            hex("44D78D7989B97E62EA993496C9EF6E8FD58B8B00715F9A89153DDD9C4657E47F"),
            hex("EC802EE7D22BD4E100F12E48537EB4E7E96ED3A47A0A3BD5F5EEAB65001664F9"),
        )
    );

    let secret = platform.decapsulate(Protocol::One, &device).unwrap();
    let Keys::One(key) = &secret.0 else {
        panic!("protocol one")
    };
    assert_eq!(
        *key.bytes(),
        hex("c42a039d548100dfba521e487debcbbb8b66bb7496f8b1862a7a395ed83e1a1c")
    );

    let token = secret
        .decrypt(&hex::<16>("7A9F98E31B77BE90F9C64D12E9635040"))
        .unwrap();
    assert_eq!(
        token.as_slice(),
        hex::<16>("aff12c6dcfbf9df52f7a09211e8865cd")
    );

    let pin_hash = Sha256::digest(b"1234");
    assert_eq!(
        secret.encrypt(&pin_hash[..16]).unwrap(),
        hex::<16>("afe8327ce416da8ee3d057589c2ce1a9")
    );
}

/// The vectors of OpenSK's `test_verify_pin_uv_auth_token_v1` and `_v2`.
#[test]
fn tokens_authenticate_as_published() {
    let whole: [u8; 32] = hex(
        "9c1cfe9dd7646a06b9a80f96ad50496894902053 0fa3d27a9ffdfa623693f784"
            .replace(' ', "")
            .as_str(),
    );
    for (protocol, expected) in [(Protocol::One, &whole[..16]), (Protocol::Two, &whole[..])] {
        let token = Token::new(protocol, &[0x91; 32]).unwrap();
        assert_eq!(token.authenticate(&[0xAA]), expected);
        assert_eq!(token.verify(&[0xAA], expected), Ok(()));
        assert_eq!(
            token.verify(&[0xBB], expected),
            Err(PinUvError::Authentication)
        );
        assert_eq!(
            token.verify(&[0xAA], &expected[..15]),
            Err(PinUvError::Authentication)
        );
        assert_eq!(token.verify(&[0xAA], &[]), Err(PinUvError::Authentication));
    }
}

#[test]
fn both_sides_have_the_same_secret() {
    for protocol in [Protocol::One, Protocol::Two] {
        let authenticator = KeyAgreement::generate().unwrap();
        let (platform_key, platform) = protocol.encapsulate(&authenticator.public_key()).unwrap();
        let key = authenticator.decapsulate(protocol, &platform_key).unwrap();
        let pin = [0x31; 64];
        let sent = platform.encrypt(&pin).unwrap();
        assert_eq!(sent.len(), if protocol == Protocol::One { 64 } else { 80 });
        assert_eq!(key.decrypt(&sent).unwrap().as_slice(), pin);
        key.verify(&sent, &platform.authenticate(&sent)).unwrap();
        assert_eq!(
            key.verify(&pin, &platform.authenticate(&sent)),
            Err(PinUvError::Authentication)
        );
    }
}

#[test]
fn protocol_two_never_encrypts_alike_twice() {
    let (_, secret) = Protocol::Two
        .encapsulate(&KeyAgreement::generate().unwrap().public_key())
        .unwrap();
    assert_ne!(
        secret.encrypt(&[0; 32]).unwrap(),
        secret.encrypt(&[0; 32]).unwrap()
    );
}

#[test]
fn lengths_are_checked() {
    let authenticator = KeyAgreement::generate().unwrap();
    for protocol in [Protocol::One, Protocol::Two] {
        let (_, secret) = protocol.encapsulate(&authenticator.public_key()).unwrap();
        assert!(matches!(
            secret.encrypt(&[0; 15]),
            Err(PinUvError::Length { length: 15, .. })
        ));
        assert!(matches!(
            secret.decrypt(&[0; 33]),
            Err(PinUvError::Length { .. })
        ));
        assert!(Token::new(protocol, &[0; 24]).is_err());
    }
    assert!(Token::new(Protocol::One, &[0; 16]).is_ok());
    assert!(Token::new(Protocol::Two, &[0; 16]).is_err());
}

#[test]
fn points_off_the_curve_are_refused() {
    assert_eq!(
        PublicKey::from_cose(&cose([1; 32], [1; 32])),
        Err(PinUvError::NotAPublicKey)
    );
    assert_eq!(
        PublicKey::from_cose(&ciborium::Value::Null),
        Err(PinUvError::NotAPublicKey)
    );
}

proptest! {
    #[test]
    fn decryption_takes_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let authenticator = KeyAgreement::from_secret(&[7; 32]).unwrap();
        for protocol in [Protocol::One, Protocol::Two] {
            let secret = authenticator.decapsulate(protocol, &authenticator.public_key()).unwrap();
            let _ = secret.decrypt(&bytes);
        }
    }
}

fn cose(x: [u8; 32], y: [u8; 32]) -> ciborium::Value {
    ciborium::Value::Map(vec![
        (1.into(), 2.into()),
        (3.into(), (-25).into()),
        ((-1).into(), 1.into()),
        ((-2).into(), ciborium::Value::Bytes(x.to_vec())),
        ((-3).into(), ciborium::Value::Bytes(y.to_vec())),
    ])
}

use proptest::prelude::*;

use super::*;

#[test]
fn keys_that_are_built_are_read() {
    let key = CoseKey::ec2(CoseAlgorithm::ES256, &[1; 32], &[2; 32]).unwrap();
    assert_eq!(
        key.parameters(),
        CoseKeyParameters::Ec2 {
            curve: 1,
            x: &[1; 32],
            y: &[2; 32]
        }
    );
    assert_eq!(CoseKey::from_cbor(key.as_cbor()).unwrap(), key);
    let key = CoseKey::okp(CoseAlgorithm::EDDSA, &[3; 32]).unwrap();
    assert_eq!(
        key.parameters(),
        CoseKeyParameters::Okp {
            curve: 6,
            x: &[3; 32]
        }
    );
    let key = CoseKey::rsa(CoseAlgorithm::RS256, &[0xff; 256], &[1, 0, 1]).unwrap();
    assert_eq!(
        key.parameters(),
        CoseKeyParameters::Rsa {
            n: &[0xff; 256],
            e: &[1, 0, 1]
        }
    );
}

#[test]
fn what_does_not_go_together_is_refused() {
    assert!(matches!(
        CoseKey::ec2(CoseAlgorithm::ES256, &[1; 31], &[2; 32]),
        Err(CoseKeyError::Length {
            what: "x",
            length: 31
        })
    ));
    assert!(matches!(
        CoseKey::ec2(CoseAlgorithm::RS256, &[1; 32], &[2; 32]),
        Err(CoseKeyError::Mismatch { .. })
    ));
    assert!(matches!(
        CoseKey::okp(CoseAlgorithm::ES256, &[1; 32]),
        Err(CoseKeyError::Mismatch { .. })
    ));
    assert!(matches!(
        CoseKey::rsa(CoseAlgorithm::RS256, &[0, 1], &[1, 0, 1]),
        Err(CoseKeyError::Length { what: "n", .. })
    ));
    // {1: 1, 2: h'', 3: -8, -1: 6, -2: 32 bytes}: a key identifier is an optional parameter.
    let mut with_kid = vec![
        0xa5, 0x01, 0x01, 0x02, 0x40, 0x03, 0x27, 0x20, 0x06, 0x21, 0x58, 0x20,
    ];
    with_kid.extend_from_slice(&[0; 32]);
    assert_eq!(
        CoseKey::from_cbor(&with_kid),
        Err(CoseKeyError::Superfluous(2))
    );
    assert_eq!(
        CoseKey::from_cbor(&[0xa1, 0x01, 0x02]),
        Err(CoseKeyError::Missing("alg (3)"))
    );
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let _ = CoseKey::from_cbor_prefix(&bytes);
    }

    #[test]
    fn no_mutation_panics(position in 0usize..77, byte: u8) {
        let mut encoded = CoseKey::ec2(CoseAlgorithm::ES256, &[1; 32], &[2; 32]).unwrap().as_cbor().to_vec();
        encoded[position] = byte;
        if let Ok(key) = CoseKey::from_cbor(&encoded) {
            prop_assert_eq!(key.as_cbor(), &encoded[..]);
        }
    }
}

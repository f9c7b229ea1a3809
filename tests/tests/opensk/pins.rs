//! PINs: set, changed, mistyped, blocked.

use keywright_ctap::{Authenticator, Command, Error, NoSignal, PinError, PinRetries, StatusCode};

use super::device::{Key, PROTOCOLS, pin};

#[track_caller]
fn refused<T: std::fmt::Debug>(outcome: Result<T, Error>) -> StatusCode {
    match outcome {
        Err(Error::Status {
            command: Command::ClientPin,
            status,
        }) => status,
        other => panic!("not refused by clientPIN: {other:?}"),
    }
}

#[test]
fn a_pin_is_set_and_changed_with_either_protocol() {
    for protocol in PROTOCOLS {
        let key = Key::new();
        let mut client = key.plug_in_with(protocol);
        assert_eq!(
            client.info(&mut NoSignal).unwrap().client_pin(),
            Some(false)
        );
        assert!(matches!(
            client.check_pin(&pin("1234"), &mut NoSignal),
            Err(Error::Pin(PinError::NotSet))
        ));
        assert!(matches!(
            client.change_pin(&pin("1234"), &pin("5678"), &mut NoSignal),
            Err(Error::Pin(PinError::NotSet))
        ));

        client.set_pin(&pin("žluťoučký"), &mut NoSignal).unwrap();
        assert_eq!(client.info(&mut NoSignal).unwrap().client_pin(), Some(true));
        assert!(matches!(
            client.set_pin(&pin("1234"), &mut NoSignal),
            Err(Error::Pin(PinError::AlreadySet))
        ));
        // The same PIN, typed on a machine that decomposes.
        client
            .check_pin(&pin("z\u{30C}lut\u{30C}ouc\u{30C}ky\u{301}"), &mut NoSignal)
            .unwrap();

        let longest = "9".repeat(63);
        client
            .change_pin(&pin("žluťoučký"), &pin(&longest), &mut NoSignal)
            .unwrap();
        assert_eq!(
            refused(client.check_pin(&pin("žluťoučký"), &mut NoSignal)),
            StatusCode::PinInvalid
        );
        client.check_pin(&pin(&longest), &mut NoSignal).unwrap();

        // It is on the key and not in the client.
        drop(client);
        key.plug_in_with(protocol)
            .check_pin(&pin(&longest), &mut NoSignal)
            .unwrap();
    }
}

#[test]
fn the_protocols_are_interchangeable() {
    let key = Key::new();
    let [one, two] = PROTOCOLS;
    key.plug_in_with(one)
        .set_pin(&pin("123456"), &mut NoSignal)
        .unwrap();
    key.plug_in_with(two)
        .change_pin(&pin("123456"), &pin("654321"), &mut NoSignal)
        .unwrap();
    key.plug_in_with(one)
        .check_pin(&pin("654321"), &mut NoSignal)
        .unwrap();
    key.plug_in()
        .check_pin(&pin("654321"), &mut NoSignal)
        .unwrap();
}

#[test]
fn wrong_pins_cost_attempts_until_the_pin_is_blocked() {
    for protocol in PROTOCOLS {
        let key = Key::new();
        let mut client = key.plug_in_with(protocol);
        client.set_pin(&pin("123456"), &mut NoSignal).unwrap();
        assert_eq!(client.pin_retries(&mut NoSignal).unwrap().retries, 8);
        assert_eq!(
            refused(client.check_pin(&pin("000000"), &mut NoSignal)),
            StatusCode::PinInvalid
        );
        assert_eq!(client.pin_retries(&mut NoSignal).unwrap().retries, 7);
        client.check_pin(&pin("123456"), &mut NoSignal).unwrap();
        assert_eq!(client.pin_retries(&mut NoSignal).unwrap().retries, 8);

        // Three wrong ones in a row: not even the right one counts before the key has been out.
        let wrong = |client: &mut dyn Authenticator| {
            refused(client.check_pin(&pin("000000"), &mut NoSignal))
        };
        assert_eq!(wrong(&mut client), StatusCode::PinInvalid);
        assert_eq!(wrong(&mut client), StatusCode::PinInvalid);
        assert_eq!(wrong(&mut client), StatusCode::PinAuthBlocked);
        assert_eq!(
            refused(client.check_pin(&pin("123456"), &mut NoSignal)),
            StatusCode::PinAuthBlocked
        );
        assert_eq!(
            client.pin_retries(&mut NoSignal).unwrap(),
            PinRetries {
                retries: 5,
                power_cycle_required: true
            }
        );

        drop(client);
        let mut client = key.plug_in_with(protocol);
        assert_eq!(
            client.pin_retries(&mut NoSignal).unwrap(),
            PinRetries {
                retries: 5,
                power_cycle_required: false
            }
        );
        assert_eq!(wrong(&mut client), StatusCode::PinInvalid);
        assert_eq!(wrong(&mut client), StatusCode::PinInvalid);
        assert_eq!(wrong(&mut client), StatusCode::PinAuthBlocked);
        drop(client);

        let mut client = key.plug_in_with(protocol);
        assert_eq!(wrong(&mut client), StatusCode::PinInvalid);
        assert_eq!(wrong(&mut client), StatusCode::PinBlocked);
        assert_eq!(client.pin_retries(&mut NoSignal).unwrap().retries, 0);
        drop(client);

        let mut client = key.plug_in_with(protocol);
        assert_eq!(
            refused(client.check_pin(&pin("123456"), &mut NoSignal)),
            StatusCode::PinBlocked
        );
        assert_eq!(
            refused(client.change_pin(&pin("123456"), &pin("654321"), &mut NoSignal)),
            StatusCode::PinBlocked
        );
    }
}

#[test]
fn a_protocol_the_key_does_not_have_is_not_forced_on_it() {
    let [one, _] = PROTOCOLS;
    let mut customization = opensk::api::customization::DEFAULT_CUSTOMIZATION;
    customization.allows_pin_protocol_v1 = false;
    let key = Key::with(customization);
    assert!(matches!(
        key.plug_in_with(one).set_pin(&pin("123456"), &mut NoSignal),
        Err(Error::Unsupported(_))
    ));
    key.plug_in()
        .set_pin(&pin("123456"), &mut NoSignal)
        .unwrap();
}

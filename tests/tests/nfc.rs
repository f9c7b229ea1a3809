//! Software keys on readers, in process: APDUs in both forms, and a whole registration.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use keywright_ctap::nfc::NfcTransport;
use keywright_ctap::{
    Authenticator, Bus, Ctap2, Deadline, DeviceIdentity, Error, HotPlug, Keepalive, NoSignal, Pin,
    Signal, StatusCode, TransportError, TransportKind,
};
use keywright_provision::Event;
use keywright_tests::{Answers, Rehearsal};
use keywright_virtual_key::{CardOptions, Faults, KeyOptions, VirtualCard, VirtualKey};
use serde_json::json;

/// One reader. The card on it is taken off and put back by whoever counts APDUs in `faults`.
#[derive(Clone)]
struct Reader {
    key: Arc<Mutex<VirtualKey>>,
    options: CardOptions,
    faults: Faults,
    sessions: Arc<Mutex<usize>>,
}

impl Reader {
    fn new(options: CardOptions) -> Self {
        let key = VirtualKey::in_memory(&KeyOptions::default()).unwrap();
        Self {
            key: Arc::new(Mutex::new(key)),
            options,
            faults: Faults::default(),
            sessions: Arc::default(),
        }
    }

    fn card(&self) -> VirtualCard {
        VirtualCard::sharing(Arc::clone(&self.key), self.options.clone())
            .with_faults(self.faults.clone())
    }

    fn serial(&self) -> String {
        self.key.lock().unwrap().serial().to_owned()
    }

    fn client(&self) -> Ctap2<NfcTransport<VirtualCard>> {
        Ctap2::new(NfcTransport::open(self.card(), identity(), &mut NoSignal).unwrap())
    }
}

fn identity() -> DeviceIdentity {
    DeviceIdentity {
        transport: TransportKind::Nfc,
        ..DeviceIdentity::virtual_key("reader 0", "NFC security key")
    }
}

impl Bus for Reader {
    fn devices(&mut self) -> Result<Vec<DeviceIdentity>, TransportError> {
        Ok(vec![identity()])
    }

    fn open(
        &mut self,
        device: &DeviceIdentity,
        signal: &mut dyn Signal,
    ) -> Result<Box<dyn Authenticator>, Error> {
        *self.sessions.lock().unwrap() += 1;
        let transport = NfcTransport::open(self.card(), device.clone(), signal)?;
        Ok(Box::new(Ctap2::new(transport)))
    }

    fn describe(&self) -> String {
        "NFC".to_owned()
    }
}

fn card_options(change: impl FnOnce(&mut CardOptions)) -> CardOptions {
    let mut options = CardOptions::default();
    change(&mut options);
    options
}

#[test]
fn both_forms_of_apdus_carry_long_messages() {
    for extended in [true, false] {
        let reader = Reader::new(card_options(|card| card.extended_apdus = extended));
        let mut key = reader.client();
        assert_eq!(key.transport_mut().extended(), extended);
        let pin = Pin::new("472951").unwrap();
        key.set_pin(&pin, &mut NoSignal).unwrap();
        // Two credentials with a list of one to exclude: several hundred bytes there and back.
        let mut request = request();
        let made = key
            .make_credential(&request, Some(&pin), &mut NoSignal)
            .unwrap();
        assert!(made.raw.len() > 256, "{} bytes", made.raw.len());
        request.user_id = vec![2; 64];
        request.rp_name = "x".repeat(300);
        key.make_credential(&request, Some(&pin), &mut NoSignal)
            .unwrap();
        let all = key.credentials(&pin, &mut NoSignal).unwrap();
        assert_eq!(all.len(), 2);
    }
}

fn request() -> keywright_ctap::MakeCredentialRequest {
    keywright_ctap::MakeCredentialRequest {
        client_data: [7; 32].into(),
        rp_id: "login.example.com".to_owned(),
        rp_name: "Example".to_owned(),
        user_id: vec![1; 64],
        user_name: "ada@example.com".to_owned(),
        user_display_name: "Ada".to_owned(),
        algorithms: vec![-7],
        exclude_list: Vec::new(),
        extensions: keywright_ctap::MakeCredentialExtensions::default(),
        resident_key: true,
        user_verification: true,
        enterprise_attestation: None,
        attestation_formats: Vec::new(),
    }
}

#[test]
fn a_finger_is_waited_for_and_the_wait_can_be_cancelled() {
    #[derive(Default)]
    struct Ear(Vec<Keepalive>, bool);
    impl Signal for Ear {
        fn keepalive(&mut self, status: Keepalive) {
            self.0.push(status);
        }
        fn cancelled(&self) -> bool {
            self.1 && self.0.contains(&Keepalive::UserPresenceNeeded)
        }
        fn deadline(&self) -> Option<Instant> {
            None
        }
    }
    let reader = Reader::new(card_options(|card| {
        card.touch_delay = Duration::from_millis(200);
    }));
    let mut key = reader.client();
    let mut ear = Ear::default();
    key.select(&mut ear).unwrap();
    assert!(
        ear.0.contains(&Keepalive::UserPresenceNeeded),
        "{:?}",
        ear.0
    );

    let mut key = Reader::new(card_options(|card| {
        card.touch_delay = Duration::from_secs(20);
    }))
    .client();
    let begun = Instant::now();
    let cancelled = key.select(&mut Ear(Vec::new(), true)).unwrap_err();
    assert!(matches!(cancelled, Error::Cancelled), "{cancelled}");
    let over = key
        .select(&mut Deadline::after(Duration::from_millis(200)))
        .unwrap_err();
    assert!(matches!(over, Error::DeadlineExceeded), "{over}");
    assert!(begun.elapsed() < Duration::from_secs(3));
    // It is still in order.
    assert_eq!(key.info(&mut NoSignal).unwrap().client_pin(), Some(false));
}

#[test]
fn refusals_keep_their_codes() {
    let reader = Reader::new(CardOptions::default());
    let mut key = reader.client();
    let wrong = Pin::new("9999").unwrap();
    key.set_pin(&Pin::new("472951").unwrap(), &mut NoSignal)
        .unwrap();
    let refused = key.check_pin(&wrong, &mut NoSignal).unwrap_err();
    assert_eq!(refused.status(), Some(StatusCode::PinInvalid));
}

#[test]
fn a_yubikeys_serial_number_is_told_over_nfc() {
    let yubikey = Reader::new(card_options(|card| card.yubikey = true));
    assert_eq!(yubikey.client().serial().unwrap(), Some(yubikey.serial()));
    let other = Reader::new(CardOptions::default());
    assert_eq!(other.client().serial().unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_registered_over_nfc_in_both_forms() {
    for extended in [true, false] {
        let overrides = json!({"useRandomPIN": true, "useCTAP21Features": true});
        let rehearsal = Rehearsal::new(1, overrides).await;
        rehearsal.collect().await.unwrap();
        let reader = Reader::new(card_options(|card| {
            card.extended_apdus = extended;
            card.yubikey = true;
        }));
        let summary = rehearsal
            .register_with(
                Box::new(HotPlug::new(reader.clone())),
                Arc::new(Answers::default()),
            )
            .await
            .unwrap();
        assert_eq!((summary.done, summary.failed), (1, 0));
        assert_eq!(rehearsal.tenant.method_count(), 1);
        assert_eq!(rehearsal.results()[0]["serialNumber"], reader.serial());
        assert_eq!(reader.key.lock().unwrap().credential_count(), 1);
    }
}

/// The key is lifted off the reader after each possible number of APDUs, and put back: one credential, one method, and
/// its PIN in the result file, wherever it happened.
#[tokio::test(flavor = "multi_thread")]
async fn lifting_the_key_at_any_moment_loses_nothing() {
    let mut lifted = 0;
    for after in (0..).step_by(3) {
        let rehearsal = Rehearsal::new(1, json!({"useRandomPIN": true})).await;
        rehearsal.collect().await.unwrap();
        let reader = Reader::new(card_options(|card| {
            card.extended_apdus = false;
            card.yubikey = true;
        }));
        reader.faults.unplug_after(after);
        let summary = rehearsal
            .register_with(
                Box::new(HotPlug::new(reader.clone())),
                Arc::new(Answers::default()),
            )
            .await
            .unwrap();
        let events = rehearsal.events();
        assert_eq!(summary.done, 1, "lifted after {after} APDUs: {events:?}");
        assert_eq!(rehearsal.tenant.method_count(), 1);
        assert_eq!(reader.key.lock().unwrap().credential_count(), 1);
        let row = &rehearsal.results()[0];
        assert_eq!(row["serialNumber"], reader.serial());
        let pin = Pin::new(row["PIN"].as_str()).unwrap();
        reader.faults.unplug_after(u32::MAX);
        reader.client().check_pin(&pin, &mut NoSignal).unwrap();
        if events
            .iter()
            .any(|event| matches!(event, Event::KeyLost { .. }))
        {
            lifted += 1;
        }
        if *reader.sessions.lock().unwrap() == 1 {
            // It was over before that many APDUs.
            break;
        }
    }
    assert!(lifted > 5, "lifted {lifted} times");
}

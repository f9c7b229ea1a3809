//! Keys that Windows lends, on any system: a stand-in for `webauthn.dll` with a software key behind it, which asks for
//! the PIN by itself as Windows does.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use keywright_ctap::{
    Authenticator, ClientData, Ctap2, Deadline, Error as CtapError, GetAssertionRequest, Keepalive,
    KeyRequest, KeySource as _, MakeCredentialExtensions, MakeCredentialRequest, NoSignal, Pin,
    Reach, Signal, StatusCode,
};
use keywright_provision::Error;
use keywright_tests::{Answers, Rehearsal};
use keywright_virtual_key::{KeyOptions, VirtualKey, VirtualTransport};
use keywright_windows_webauthn::{
    Assertion, Ceremony, HResult, Made, Platform, PlatformKey, Signing, WindowsKeys,
};
use serde_json::json;

const PIN: &str = "472951";

/// Windows with a key plugged in, and somebody who types its PIN.
struct Windows {
    key: Mutex<Ctap2<VirtualTransport>>,
    /// The next dialog is one that nobody answers.
    abandoned: AtomicBool,
    closed: AtomicBool,
    dialogs: AtomicUsize,
}

impl Windows {
    fn new() -> Arc<Self> {
        let options = KeyOptions {
            pin: Some(Pin::new(PIN).unwrap()),
            ..KeyOptions::default()
        };
        let key = VirtualKey::in_memory(&options).unwrap();
        Arc::new(Self {
            key: Mutex::new(Ctap2::new(VirtualTransport::new(key))),
            abandoned: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            dialogs: AtomicUsize::new(0),
        })
    }

    fn dialog<R>(
        &self,
        answered: impl FnOnce(&mut dyn Authenticator, &Pin) -> Result<R, CtapError>,
    ) -> Result<R, HResult> {
        self.dialogs.fetch_add(1, Ordering::SeqCst);
        if self.abandoned.load(Ordering::SeqCst) {
            let begun = Instant::now();
            while !self.closed.load(Ordering::SeqCst) {
                assert!(begun.elapsed() < Duration::from_secs(10), "never cancelled");
                thread::sleep(Duration::from_millis(5));
            }
            return Err(HResult::CANCELLED);
        }
        let pin = Pin::new(PIN).unwrap();
        answered(&mut *self.key.lock().unwrap(), &pin).map_err(|error| match error.status() {
            Some(StatusCode::CredentialExcluded) => HResult::NTE_EXISTS,
            Some(StatusCode::NoCredentials) => HResult::NTE_NOT_FOUND,
            Some(StatusCode::KeyStoreFull) => HResult::NTE_TOKEN_KEYSET_STORAGE_FULL,
            _ => HResult::E_UNEXPECTED,
        })
    }
}

impl Platform for Windows {
    fn cancellation_id(&self) -> Result<u128, HResult> {
        Ok(7)
    }

    fn make_credential(&self, ceremony: &Ceremony, _: u128) -> Result<Made, HResult> {
        let request = MakeCredentialRequest {
            client_data: ClientData::new(ceremony.client_data_json.clone()),
            rp_id: ceremony.rp_id.clone(),
            rp_name: ceremony.rp_name.clone(),
            user_id: ceremony.user_id.clone(),
            user_name: ceremony.user_name.clone(),
            user_display_name: ceremony.user_display_name.clone(),
            algorithms: ceremony
                .algorithms
                .iter()
                .map(|one| i64::from(*one))
                .collect(),
            exclude_list: ceremony.exclude_list.clone(),
            extensions: MakeCredentialExtensions {
                cred_protect: ceremony.cred_protect,
                hmac_secret: ceremony.hmac_secret,
                min_pin_length: ceremony.min_pin_length,
                ..MakeCredentialExtensions::default()
            },
            resident_key: ceremony.resident_key,
            user_verification: ceremony.user_verification,
            enterprise_attestation: None,
            attestation_formats: Vec::new(),
        };
        self.dialog(|key, pin| {
            let made = key.make_credential(&request, Some(pin), &mut NoSignal)?;
            Ok(Made {
                attestation_object: made.attestation_object(),
                enterprise_attestation: made.enterprise_attestation,
            })
        })
    }

    fn get_assertion(&self, signing: &Signing, _: u128) -> Result<Assertion, HResult> {
        let request = GetAssertionRequest {
            client_data: ClientData::new(signing.client_data_json.clone()),
            rp_id: signing.rp_id.clone(),
            allow_list: signing.allow_list.clone(),
            user_presence: true,
            user_verification: signing.user_verification,
            hmac_secret: None,
        };
        self.dialog(|key, pin| {
            let signed = key.get_assertion(&request, Some(pin), &mut NoSignal)?;
            let first = signed.into_iter().next().unwrap();
            Ok(Assertion {
                credential_id: first.credential_id,
                auth_data: first.auth_data,
                signature: first.signature,
                user_id: first.user.map(|user| user.id).unwrap_or_default(),
            })
        })
    }

    fn cancel(&self, cancellation: u128) {
        assert_eq!(cancellation, 7);
        self.closed.store(true, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_registered_and_windows_asks_for_the_pin() {
    let overrides = json!({"useRandomPIN": false, "useCTAP21Features": "ifSupported"});
    let rehearsal = Rehearsal::new(1, overrides).await;
    rehearsal.collect().await.unwrap();
    let windows = Windows::new();
    let operator = Arc::new(Answers::default());
    let summary = rehearsal
        .register_with(
            Box::new(WindowsKeys::over(windows.clone())),
            operator.clone(),
        )
        .await
        .unwrap();
    assert_eq!(
        (summary.done, summary.failed),
        (1, 0),
        "{:?}",
        rehearsal.events()
    );
    assert_eq!(rehearsal.tenant.method_count(), 1);
    let row = &rehearsal.results()[0];
    assert_eq!(
        (row["serialNumber"].as_str(), row["PIN"].as_str()),
        ("", "")
    );
    assert_eq!(row["status"], "registered");
    assert!(
        operator.asked.lock().unwrap().is_empty(),
        "nobody else asks"
    );
    assert_eq!(windows.dialogs.load(Ordering::SeqCst), 1);

    // The same file again: nothing is left to do.
    let again = rehearsal
        .register_with(Box::new(WindowsKeys::over(windows.clone())), operator)
        .await
        .unwrap();
    assert_eq!((again.done, again.already), (0, 1));
    assert_eq!(windows.dialogs.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_windows_does_not_let_be_done_is_refused_before_any_key_is_touched() {
    for (overrides, named) in [
        (json!({"useRandomPIN": true}), "`useRandomPIN`"),
        (json!({"useCTAP21Features": true}), "`useCTAP21Features`"),
    ] {
        let rehearsal = Rehearsal::new(1, overrides).await;
        rehearsal.collect().await.unwrap();
        let windows = Windows::new();
        let refused = rehearsal
            .register_with(
                Box::new(WindowsKeys::over(windows.clone())),
                Arc::new(Answers::default()),
            )
            .await
            .unwrap_err();
        assert!(matches!(refused, Error::OutOfReach { .. }), "{refused}");
        let said = refused.to_string();
        assert!(
            said.starts_with(named) && said.contains("administrator"),
            "{said}"
        );
        assert_eq!(windows.dialogs.load(Ordering::SeqCst), 0);
        assert_eq!(rehearsal.tenant.method_count(), 0);
    }
}

#[test]
fn a_dialog_is_closed_when_nobody_wants_to_wait_any_longer() {
    struct Impatient(bool);
    impl Signal for Impatient {
        fn keepalive(&mut self, status: Keepalive) {
            self.0 |= status == Keepalive::UserPresenceNeeded;
        }
        fn cancelled(&self) -> bool {
            self.0
        }
        fn deadline(&self) -> Option<Instant> {
            None
        }
    }
    let windows = Windows::new();
    windows.abandoned.store(true, Ordering::SeqCst);
    let mut key = PlatformKey::new(windows.clone());
    let cancelled = key
        .get_assertion(&signing(), None, &mut Impatient(false))
        .unwrap_err();
    assert!(matches!(cancelled, CtapError::Cancelled), "{cancelled}");
    assert!(windows.closed.swap(false, Ordering::SeqCst));

    let over = key
        .get_assertion(
            &signing(),
            None,
            &mut Deadline::after(Duration::from_millis(80)),
        )
        .unwrap_err();
    assert!(matches!(over, CtapError::DeadlineExceeded), "{over}");
    assert!(windows.closed.load(Ordering::SeqCst));
}

fn signing() -> GetAssertionRequest {
    GetAssertionRequest {
        client_data: ClientData::new("{}"),
        rp_id: "login.example.com".to_owned(),
        allow_list: Vec::new(),
        user_presence: true,
        user_verification: true,
        hmac_secret: None,
    }
}

#[test]
fn refusals_come_in_the_terms_of_ctap() {
    let mut key = PlatformKey::new(Windows::new());
    let none = key
        .get_assertion(&signing(), None, &mut NoSignal)
        .unwrap_err();
    assert_eq!(none.status(), Some(StatusCode::NoCredentials));
    let silent = GetAssertionRequest {
        user_presence: false,
        ..signing()
    };
    let unasked = key.get_assertion(&silent, None, &mut NoSignal).unwrap_err();
    assert!(matches!(unasked, CtapError::Unsupported(_)), "{unasked}");
    // Of the client data only the hash is known, and Windows wants to hash by itself.
    let hashed = GetAssertionRequest {
        client_data: [0; 32].into(),
        ..signing()
    };
    let hashed = key.get_assertion(&hashed, None, &mut NoSignal).unwrap_err();
    assert!(matches!(hashed, CtapError::Options(_)), "{hashed}");
    let reset = key.reset(&mut NoSignal).unwrap_err();
    assert!(
        reset.to_string().contains("run as administrator"),
        "{reset}"
    );
}

#[test]
fn no_key_is_ever_known_to_be_the_same() {
    let mut keys = WindowsKeys::over(Windows::new());
    assert_eq!(keys.reach(), Reach::Ceremonies);
    let same = KeyRequest::Same { serial: "1".into() };
    let another = KeyRequest::Another {
        served: vec!["1".into()],
    };
    let (index, mut key) = keys
        .next_of(&[same.clone(), another], &mut NoSignal)
        .unwrap();
    assert_eq!((index, key.serial().unwrap()), (1, None));
    let never = keys.next_key(&same, &mut Deadline::after(Duration::from_millis(50)));
    assert!(matches!(never, Err(CtapError::DeadlineExceeded)));
}

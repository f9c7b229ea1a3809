//! One user or two, a hub, an operator, and what they were told.

use std::fmt;
use std::sync::Arc;

use keywright_cli::words;
use keywright_ctap::{Authenticator, MakeCredentialRequest, NoSignal, Pin};
use keywright_provision::{Event, RegisterSettings, Summary};
use keywright_tests::{Answers, Hub, Rehearsal, Tells, Tray};
use keywright_virtual_key::KeyOptions;
use keywright_webauthn::PublicKeyCredentialCreationOptions;
use serde_json::{Value, json};

/// A row of the table.
#[derive(Clone)]
pub(crate) struct Mode {
    pub(crate) number: u32,
    pub(crate) what: &'static str,
    pub(crate) does: &'static str,
    pub(crate) reads: Vec<String>,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            number,
            what,
            does,
            reads,
        } = self;
        assert!(!reads.is_empty(), "nobody reads anything of mode {number}");
        let reads = reads.join("<br>").replace('|', "\\|");
        writeln!(f, "| {number} | {what} | {does} | {reads} |")
    }
}

pub(crate) struct Scene {
    pub(crate) rehearsal: Rehearsal,
    pub(crate) hub: Hub,
    number: u32,
    keys: std::cell::Cell<u32>,
}

impl Scene {
    /// A tenant with so many users, who have challenges; random PINs unless `overrides` say otherwise.
    pub(crate) async fn new(number: u32, users: usize, overrides: Value) -> Self {
        let mut config = json!({"useRandomPIN": true});
        for (key, value) in overrides.as_object().unwrap() {
            config[key] = value.clone();
        }
        let rehearsal = Rehearsal::new(users, config).await;
        rehearsal.collect().await.unwrap();
        Self {
            hub: rehearsal.hub(),
            rehearsal,
            number,
            keys: std::cell::Cell::new(0),
        }
    }

    /// Makes a key and plugs it in. Its serial number tells the failure mode and which key of it this is.
    pub(crate) fn key(&self, options: KeyOptions) -> String {
        let serial = self.spare(options);
        self.hub
            .plug(&format!("socket-{serial}"), &serial, Tells::Vendor);
        serial
    }

    /// Makes a key and leaves it on the table.
    pub(crate) fn spare(&self, options: KeyOptions) -> String {
        self.keys.set(self.keys.get() + 1);
        self.hub.make(&KeyOptions {
            serial: Some((10_000_000 + self.number * 1_000 + self.keys.get()).to_string()),
            ..options
        })
    }

    /// Works on a key that is not in use.
    pub(crate) fn with<R>(
        &self,
        serial: &str,
        work: impl FnOnce(&mut dyn Authenticator) -> R,
    ) -> R {
        Tray::new(&self.rehearsal.path("keys")).with(serial, work)
    }

    pub(crate) async fn register(&self, answers: &Arc<Answers>) -> Summary {
        self.register_as(answers, |_| {}).await
    }

    pub(crate) async fn register_as(
        &self,
        answers: &Arc<Answers>,
        change: impl FnOnce(&mut RegisterSettings),
    ) -> Summary {
        self.rehearsal
            .register_as(self.hub.source(), Arc::<Answers>::clone(answers), change)
            .await
            .unwrap()
    }

    /// What was read of the events that `pick` picks, since the last call.
    pub(crate) fn lines(&self, events: &[Event], pick: impl Fn(&Event) -> bool) -> Vec<String> {
        events
            .iter()
            .filter(|event| pick(event))
            .filter_map(words)
            .map(|text| self.plain(&text))
            .collect()
    }

    /// The questions that the operator was asked.
    pub(crate) fn questions(&self, answers: &Answers) -> Vec<String> {
        let pins = answers.asked.lock().unwrap();
        let others = answers.confirmations.lock().unwrap();
        let pins = pins.iter().map(ToString::to_string);
        let others = others.iter().map(ToString::to_string);
        pins.chain(others)
            .map(|question| {
                format!(
                    "? {}",
                    self.plain(question.trim_end().trim_end_matches(':'))
                )
            })
            .collect()
    }

    /// Without what is different each time.
    fn plain(&self, text: &str) -> String {
        text.replace(self.rehearsal.tenant.tenant_name(), "contoso.example")
    }
}

/// An operator with these answers.
pub(crate) fn operator(answers: Answers) -> Arc<Answers> {
    Arc::new(answers)
}

pub(crate) fn with_pin(pin: &str) -> KeyOptions {
    KeyOptions {
        pin: Some(Pin::new(pin).unwrap()),
        ..KeyOptions::default()
    }
}

/// Puts a credential of some other relying party on a key.
pub(crate) fn make_credential(key: &mut dyn Authenticator, rp_id: &str, pin: &str) {
    let options = json!({
        "challenge": "ZXlKaGJHY2lPaUpT",
        "rp": {"id": rp_id, "name": rp_id},
        "user": {"id": "AQID", "name": "x", "displayName": "x"},
        "pubKeyCredParams": [{"type": "public-key", "alg": -7}],
        "authenticatorSelection": {"requireResidentKey": true, "userVerification": "required"},
    });
    let options =
        PublicKeyCredentialCreationOptions::from_graph_json(&options.to_string()).unwrap();
    let info = key.info(&mut NoSignal).unwrap();
    let (request, _) = MakeCredentialRequest::from_options(&options, [7; 32], &info).unwrap();
    key.make_credential(&request, Some(&Pin::new(pin).unwrap()), &mut NoSignal)
        .unwrap();
}

/// Where in `events` the first one is that `pick` picks.
pub(crate) fn position(events: &[Event], pick: impl Fn(&Event) -> bool) -> usize {
    events.iter().position(pick).unwrap()
}

//! A million mutated answers.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use keywright_ctap::{
    Authenticator, ConfigChange, Ctap2, DeviceIdentity, GetAssertionRequest, NoSignal, Pin, Signal,
    Transport, TransportError,
};
use keywright_hostile_keys::{Caller, Counting, Random, operate, request};
use keywright_virtual_key::{AlwaysTouched, KeyOptions, VirtualKey};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ANSWERS: usize = 1_000_000;
const MOST_AT_ONCE: usize = 1_000_000;
/// What a machine under load adds to a deadline.
const SLACK: Duration = Duration::from_secs(2);

#[test]
fn a_million_mutated_answers() {
    let answers = record();
    let mut random = Random::seeded("answers");
    let pin = Pin::new("123456").unwrap();
    let mut identity = DeviceIdentity::virtual_key("hostile", "hostile");
    identity.vendor_id = 0x1050;
    let mut key = Ctap2::new(Mutant {
        answers,
        random: Random::clone(&random),
        given: 0,
        identity,
    });
    let mut operations = 0;
    let mut longest = Duration::ZERO;
    Counting::begin();
    while key.transport_mut().given < ANSWERS {
        let begun = Instant::now();
        // Elliptic curves take their time, and have tests of their own.
        let pin = random.once_in(300).then_some(&pin);
        operate(&mut key, &mut random, pin);
        longest = longest.max(begun.elapsed());
        operations += 1;
    }
    println!(
        "answers: {} in {operations} operations; at most {} bytes at once, {longest:?} for one operation",
        key.transport_mut().given,
        Counting::largest()
    );
    assert!(operations > 100_000);
    assert!(Counting::largest() < MOST_AT_ONCE);
    assert!(longest < Caller::PATIENCE + SLACK);
}

/// What a key that behaves answers to each request: command byte, and subcommand where there is one.
type Answers = BTreeMap<(u8, u8), Vec<Vec<u8>>>;

fn which(request: &[u8]) -> (u8, u8) {
    let command = request[0];
    // `{1: subcommand, …}` in authenticatorConfig and credentialManagement, `{1: protocol, 2: subcommand, …}` in
    // clientPIN.
    let sub = match command {
        0x06 => request.get(5),
        0x0A | 0x0D => request.get(3),
        _ => None,
    };
    (command, sub.copied().unwrap_or(0))
}

/// Every operation once, with a key that behaves.
fn record() -> Answers {
    let mut key = Ctap2::new(Recorder {
        key: VirtualKey::in_memory(&KeyOptions::default()).unwrap(),
        answers: Answers::new(),
        identity: DeviceIdentity::virtual_key("good", "good"),
    });
    let (pin, signal) = (Pin::new("12345678").unwrap(), &mut NoSignal);
    key.pin_retries(signal).unwrap();
    key.set_pin(&pin, signal).unwrap();
    key.change_pin(&pin, &pin, signal).unwrap();
    let mut second = request();
    second.user_id = vec![4, 5, 6];
    second.extensions.cred_protect = Some(2);
    for request in [request(), second] {
        key.make_credential(&request, Some(&pin), signal).unwrap();
    }
    key.get_assertion(
        &GetAssertionRequest {
            client_data: [7; 32].into(),
            rp_id: "example.com".to_owned(),
            allow_list: Vec::new(),
            user_presence: true,
            user_verification: true,
            hmac_secret: None,
        },
        Some(&pin),
        signal,
    )
    .unwrap();
    key.credential_slots(&pin, signal).unwrap();
    let made = key.credentials(&pin, signal).unwrap();
    key.delete_credential(&made[0].credential_id, &pin, signal)
        .unwrap();
    key.configure(&ConfigChange::ToggleAlwaysUv, Some(&pin), signal)
        .unwrap();
    key.select(signal).unwrap();
    key.reset(signal).unwrap();
    key.info(signal).unwrap();
    key.into_transport().answers
}

struct Recorder {
    key: VirtualKey,
    answers: Answers,
    identity: DeviceIdentity,
}

impl Transport for Recorder {
    fn transact(&mut self, request: &[u8], _: &mut dyn Signal) -> Result<Vec<u8>, TransportError> {
        let answer = self.key.process(request, &mut AlwaysTouched);
        self.answers
            .entry(which(request))
            .or_default()
            .push(answer.clone());
        Ok(answer)
    }

    fn vendor(&mut self, _: u8, _: &[u8], _: &mut dyn Signal) -> Result<Vec<u8>, TransportError> {
        Err(TransportError::Unsupported("vendor commands"))
    }

    fn wink(&mut self, _: &mut dyn Signal) -> Result<(), TransportError> {
        Ok(())
    }

    fn identity(&self) -> &DeviceIdentity {
        &self.identity
    }
}

/// Answers as a key that behaves would, almost.
struct Mutant {
    answers: Answers,
    random: Random,
    given: usize,
    identity: DeviceIdentity,
}

impl Transport for Mutant {
    fn transact(
        &mut self,
        request: &[u8],
        signal: &mut dyn Signal,
    ) -> Result<Vec<u8>, TransportError> {
        // As every transport: the deadline is its business.
        if signal.deadline().is_some_and(|end| Instant::now() >= end) {
            return Err(TransportError::DeadlineExceeded);
        }
        self.given += 1;
        let fitting = self.answers.get(&which(request));
        let random = &mut self.random;
        let mut answer = match fitting {
            Some(fitting) => fitting[random.below(fitting.len())].clone(),
            None => vec![0x00],
        };
        // So that operations get far, too, not every answer is mutated beyond recognition; but each is.
        for _ in 0..=random.below(3) {
            mutate(&mut answer, random);
        }
        Ok(answer)
    }

    fn vendor(&mut self, _: u8, _: &[u8], _: &mut dyn Signal) -> Result<Vec<u8>, TransportError> {
        self.given += 1;
        let mut answer = vec![0; self.random.below(64)];
        self.random.fill(&mut answer);
        Ok(answer)
    }

    fn wink(&mut self, _: &mut dyn Signal) -> Result<(), TransportError> {
        Ok(())
    }

    fn identity(&self) -> &DeviceIdentity {
        &self.identity
    }
}

fn mutate(answer: &mut Vec<u8>, random: &mut Random) {
    if answer.is_empty() {
        answer.push(random.byte());
        return;
    }
    let place = random.below(answer.len());
    match random.below(9) {
        0 => answer[place] ^= 1 << random.below(8),
        1 => answer[place] = random.byte(),
        2 => answer.truncate(place),
        3 => answer.insert(place, random.byte()),
        4 => drop(answer.remove(place)),
        // A length or a count that cannot be true.
        5 => {
            let head = [0x5B, 0x7B, 0x9B, 0xBB, 0x1B][random.below(5)];
            let mut lie = vec![head];
            lie.extend(random.bits().to_be_bytes());
            let end = (place + random.below(9)).min(answer.len());
            answer.splice(place..end, lie);
        }
        // An integer where something else was, or a greater one.
        6 => {
            let numbers = [0x18, 0x19, 0x1A, 0x1B, 0x20, 0x3B, 0xF6, 0xF7, 0xFB];
            answer[place] = numbers[random.below(numbers.len())];
        }
        // A part twice.
        7 => {
            let end = (place + random.below(40)).min(answer.len());
            let part = answer[place..end].to_vec();
            answer.splice(place..place, part);
        }
        // Nesting.
        _ => {
            let deep = random.below(300);
            answer.splice(place..place, std::iter::repeat_n(0x81, deep));
        }
    }
}

//! A million mutated answers.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use keywright_ctap::{
    Authenticator, AuthenticatorInfo, ConfigChange, Ctap2, DeviceIdentity, GetAssertionRequest,
    NoSignal, Pin, Signal, Transport, TransportError,
    message::{Request, client_pin, credential_management, get_assertion, make_credential},
};
use keywright_hostile_keys::{Caller, Counting, Random, operate, request};
use keywright_virtual_key::{AlwaysTouched, KeyOptions, VirtualKey};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ANSWERS: usize = 1_000_000;
const SHARES: usize = 8;
const MOST_AT_ONCE: usize = 1_000_000;
/// What a machine under load adds to a deadline.
const SLACK: Duration = Duration::from_secs(5);

#[test]
fn a_million_mutated_answers() {
    let answers = record();
    let random = Random::seeded("answers");
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Done::default());
    Counting::begin();
    // The same answers however many threads there are.
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let number @ ..SHARES = next.fetch_add(1, Ordering::Relaxed) {
                    let one = share(answers.clone(), random.share(number as u64));
                    done.lock().unwrap().add(&one);
                }
            });
        }
    });
    let done = done.into_inner().unwrap();
    println!(
        "answers: {} mutated in {} operations; at most {} bytes at once, {:?} for one operation",
        done.mutated,
        done.operations,
        Counting::largest(),
        done.longest,
    );
    assert!(done.mutated >= ANSWERS);
    assert!(Counting::largest() < MOST_AT_ONCE);
    assert!(done.longest < Caller::PATIENCE + SLACK);
}

#[derive(Default)]
struct Done {
    mutated: usize,
    operations: usize,
    longest: Duration,
}

impl Done {
    fn add(&mut self, other: &Self) {
        self.mutated += other.mutated;
        self.operations += other.operations;
        self.longest = self.longest.max(other.longest);
    }
}

fn share(answers: Answers, mut random: Random) -> Done {
    let pin = Pin::new("123456").unwrap();
    let mut identity = DeviceIdentity::virtual_key("hostile", "hostile");
    identity.vendor_id = 0x1050;
    let mut key = Ctap2::new(Mutant {
        answers,
        random: random.share(0),
        mutated: 0,
        identity,
    });
    let mut done = Done::default();
    while done.mutated < ANSWERS / SHARES {
        let begun = Instant::now();
        if random.once_in(3) {
            // Elliptic curves take their time, and have tests of their own.
            let pin = random.once_in(100).then_some(&pin);
            operate(&mut key, &mut random, pin);
        } else {
            read_one(&mut key, &mut random);
        }
        done.longest = done.longest.max(begun.elapsed());
        done.operations += 1;
        done.mutated = key.transport_mut().mutated;
    }
    done
}

/// One message and its answer, without the getInfo that most operations begin with.
fn read_one(key: &mut Ctap2<Mutant>, random: &mut Random) {
    let signal = &mut Caller::new(1);
    // What comes of it is not the point; that it comes back is.
    let _ = match random.below(5) {
        0 => key
            .call::<AuthenticatorInfo>(&Request::GetInfo, signal)
            .map(drop),
        1 => {
            let request = Request::MakeCredential(make_credential::Request::default());
            key.call::<make_credential::Response>(&request, signal)
                .map(drop)
        }
        2 => {
            let request = Request::GetAssertion(get_assertion::Request::default());
            key.call::<get_assertion::Response>(&request, signal)
                .map(drop)
        }
        3 => {
            let sub_commands = [
                client_pin::SubCommand::GetPinRetries,
                client_pin::SubCommand::GetKeyAgreement,
                client_pin::SubCommand::GetPinUvAuthTokenUsingPinWithPermissions,
            ];
            let sub_command = sub_commands[random.below(sub_commands.len())];
            let request = Request::ClientPin(client_pin::Request {
                pin_uv_auth_protocol: Some(2),
                ..client_pin::Request::new(sub_command)
            });
            key.call::<client_pin::Response>(&request, signal).map(drop)
        }
        _ => {
            let sub_commands = [
                credential_management::SubCommand::GetCredsMetadata,
                credential_management::SubCommand::EnumerateRpsBegin,
                credential_management::SubCommand::EnumerateCredentialsBegin,
            ];
            let sub_command = sub_commands[random.below(sub_commands.len())];
            let request =
                Request::CredentialManagement(credential_management::Request::new(sub_command));
            key.call::<credential_management::Response>(&request, signal)
                .map(drop)
        }
    };
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
    mutated: usize,
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
        let fitting = self.answers.get(&which(request));
        let random = &mut self.random;
        let mut answer = match fitting {
            Some(fitting) => fitting[random.below(fitting.len())].clone(),
            None => vec![0x00],
        };
        // What every operation begins with is often left alone, or none would get any further.
        let spared = match request.first() {
            Some(0x04) => random.once_in(10),
            Some(0x06) => random.once_in(2),
            _ => false,
        };
        if !spared {
            self.mutated += 1;
            for _ in 0..=random.below(3) {
                mutate(&mut answer, random);
            }
        }
        Ok(answer)
    }

    fn vendor(&mut self, _: u8, _: &[u8], _: &mut dyn Signal) -> Result<Vec<u8>, TransportError> {
        self.mutated += 1;
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

//! Software keys on the virtual readers of a real pcscd, which `tests/nfc/run` starts: the way a key on a reader goes
//! through the operating system.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use keywright_ctap::nfc::pcsc::NfcKeys;
use keywright_ctap::{
    Deadline, DeviceIdentity, Error, Keepalive, KeyRequest, KeySource as _, NoSignal, PassedOver,
    Pin, Signal, TransportKind,
};
use keywright_tests::Rehearsal;
use keywright_virtual_key::{CardOptions, Faults, KeyOptions, VirtualCard, VirtualKey};
use serde_json::json;

type SharedKey = Arc<Mutex<VirtualKey>>;

fn key() -> SharedKey {
    Arc::new(Mutex::new(
        VirtualKey::in_memory(&KeyOptions::default()).unwrap(),
    ))
}

fn yubikey(extended_apdus: bool) -> CardOptions {
    let mut options = CardOptions::default();
    options.yubikey = true;
    options.extended_apdus = extended_apdus;
    options
}

/// A card on a reader, until this is dropped or a fault takes it off.
struct OnReader {
    stream: TcpStream,
    server: Option<JoinHandle<()>>,
}

impl OnReader {
    fn put(slot: u16, key: &SharedKey, options: CardOptions, faults: &Faults) -> Self {
        let mut card = VirtualCard::sharing(Arc::clone(key), options).with_faults(faults.clone());
        Self::serve(slot, move |stream| {
            // The reader's end of the line.
            let _ = card.serve(stream);
        })
    }

    /// A card that is no security key: it has no application at all.
    fn put_other_card(slot: u16) -> Self {
        Self::serve(slot, |mut stream| {
            let mut length = [0; 2];
            while stream.read_exact(&mut length).is_ok() {
                let mut message = vec![0; u16::from_be_bytes(length).into()];
                stream.read_exact(&mut message).unwrap();
                let answer: &[u8] = match message.as_slice() {
                    [4] => &[0, 5, 0x3B, 0x80, 0x80, 0x01, 0x01],
                    [_] => continue,
                    _ => &[0, 2, 0x6A, 0x82],
                };
                stream.write_all(answer).unwrap();
            }
        })
    }

    fn serve(slot: u16, work: impl FnOnce(TcpStream) + Send + 'static) -> Self {
        let port: u16 = std::env::var("KEYWRIGHT_VPCD_PORT")
            .expect("tests/nfc/run sets this")
            .parse()
            .unwrap();
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port + slot)).unwrap();
        let line = stream.try_clone().unwrap();
        let server = thread::spawn(move || {
            let end = line.try_clone().unwrap();
            work(line);
            let _ = end.shutdown(std::net::Shutdown::Both);
        });
        Self {
            stream,
            server: Some(server),
        }
    }
}

impl Drop for OnReader {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
        self.server.take().unwrap().join().unwrap();
        // pcscd looks whether a card is there a few times a second.
        thread::sleep(Duration::from_millis(800));
    }
}

fn another() -> KeyRequest {
    KeyRequest::Another { served: Vec::new() }
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(10))
}

fn register(rehearsal: &Rehearsal, environment: &[(&str, &str)]) -> Output {
    Command::new(std::env::var_os("KEYWRIGHT_REGISTER").expect("tests/nfc/run sets this"))
        .args(["--keys", "nfc", "--json", "--yes", "--key-timeout", "20"])
        .args(["--in", "users.csv", "--out", "keys.csv"])
        .current_dir(rehearsal.directory.path())
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_registers_a_user_with_a_key_on_a_reader() {
    for extended in [true, false] {
        let rehearsal =
            Rehearsal::new(1, json!({"useRandomPIN": true, "useCTAP21Features": true})).await;
        rehearsal.collect().await.unwrap();
        let key = key();
        let _reader = OnReader::put(0, &key, yubikey(extended), &Faults::default());
        let run = register(&rehearsal, &[]);
        assert_eq!(run.status.code(), Some(0), "{run:?}");
        assert_eq!(rehearsal.tenant.method_count(), 1);
        let serial = key.lock().unwrap().serial().to_owned();
        assert_eq!(rehearsal.results()[0]["serialNumber"], serial);
        assert_eq!(key.lock().unwrap().credential_count(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_service_the_program_says_what_to_install() {
    let rehearsal = Rehearsal::new(1, json!({"useRandomPIN": true})).await;
    rehearsal.collect().await.unwrap();
    let run = register(&rehearsal, &[("PCSCLITE_CSOCK_NAME", "/nonexistent")]);
    assert_eq!(run.status.code(), Some(1), "{run:?}");
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(said.contains("apt-get install pcscd"), "{said}");
}

#[test]
fn the_doctor_sees_keys_on_readers_and_names_a_service_that_does_not_run() {
    let doctor = |environment: &[(&str, &str)]| {
        Command::new(std::env::var_os("KEYWRIGHT_REGISTER").expect("tests/nfc/run sets this"))
            .args(["doctor", "--keys", "nfc"])
            .envs(environment.iter().copied())
            .output()
            .unwrap()
    };
    let key = key();
    let reader = OnReader::put(0, &key, yubikey(true), &Faults::default());
    let deadline = Instant::now() + Duration::from_secs(5);
    while NfcKeys::new().unwrap().connected().unwrap().is_empty() {
        assert!(Instant::now() < deadline);
        thread::sleep(Duration::from_millis(100));
    }
    let seen = doctor(&[]);
    let said = String::from_utf8_lossy(&seen.stdout);
    assert_eq!(seen.status.code(), Some(0), "{said}");
    let serial = key.lock().unwrap().serial().to_owned();
    assert!(
        said.contains(&format!("serial {serial}: can be used")),
        "{said}"
    );
    assert!(said.contains("NFC: Keywright test reader"), "{said}");
    drop(reader);

    let silent = doctor(&[("PCSCLITE_CSOCK_NAME", "/nonexistent")]);
    let said = String::from_utf8_lossy(&silent.stdout);
    assert_eq!(silent.status.code(), Some(1), "{said}");
    assert!(said.contains("apt-get install pcscd"), "{said}");
}

#[test]
fn keys_come_and_go_and_other_cards_are_passed_over() {
    let mut keys = NfcKeys::new().unwrap();
    assert_eq!(keys.readers().unwrap().len(), 2);
    assert_eq!(keys.connected().unwrap(), []);

    let other = OnReader::put_other_card(0);
    thread::sleep(Duration::from_millis(800));
    let empty = keys.next_key(&another(), &mut Deadline::after(Duration::from_secs(2)));
    assert!(matches!(empty, Err(Error::DeadlineExceeded)));
    drop(other);

    let software_key = key();
    let hand = thread::spawn({
        let software_key = Arc::clone(&software_key);
        move || {
            thread::sleep(Duration::from_secs(1));
            OnReader::put(1, &software_key, yubikey(true), &Faults::default())
        }
    });
    let begun = Instant::now();
    let mut found = keys.next_key(&another(), &mut soon()).unwrap();
    assert!(begun.elapsed() > Duration::from_millis(900));
    let reader = hand.join().unwrap();
    let identity = found.identity().clone();
    assert_eq!(identity.transport, TransportKind::Nfc);
    assert_eq!(identity.product, "YubiKey");
    assert!(identity.path.contains("Keywright test reader"));
    let serial = software_key.lock().unwrap().serial().to_owned();
    assert_eq!(found.serial().unwrap().as_deref(), Some(serial.as_str()));

    drop(reader);
    assert_eq!(keys.connected().unwrap(), []);
    let gone = found.info(&mut NoSignal).unwrap_err();
    assert!(gone.is_disconnected(), "{gone}");

    // Back on the other reader, while the dead connection is still held.
    let _reader = OnReader::put(0, &software_key, yubikey(true), &Faults::default());
    let same = KeyRequest::Same { serial };
    let mut back = keys.next_key(&same, &mut soon()).unwrap();
    assert_ne!(back.identity().path, identity.path);
    back.info(&mut NoSignal).unwrap();
}

#[test]
fn a_key_that_leaves_in_the_midst_of_it_is_said_to_have_left() {
    let software_key = key();
    let faults = Faults::default();
    let reader = OnReader::put(0, &software_key, yubikey(false), &faults);
    let mut keys = NfcKeys::new().unwrap();
    let mut found = keys.next_key(&another(), &mut soon()).unwrap();
    found.serial().unwrap();
    // In the midst of the messages that setting a PIN takes.
    faults.unplug_after(2);
    let pin = Pin::new("472951").unwrap();
    let gone = found.set_pin(&pin, &mut NoSignal).unwrap_err();
    assert_eq!(gone.to_string(), "the key left the reader");
    drop(found);
    drop(reader);

    let _reader = OnReader::put(0, &software_key, yubikey(false), &faults);
    let mut back = keys.next_key(&another(), &mut soon()).unwrap();
    assert_eq!(back.info(&mut NoSignal).unwrap().client_pin(), Some(false));
    back.set_pin(&pin, &mut NoSignal).unwrap();
}

/// Hears which keys cannot be used, for five seconds.
struct Told(Vec<String>, Instant);

impl Default for Told {
    fn default() -> Self {
        Self(Vec::new(), Instant::now() + Duration::from_secs(5))
    }
}

impl Signal for Told {
    fn keepalive(&mut self, _: Keepalive) {}

    fn cancelled(&self) -> bool {
        false
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.1)
    }

    fn passed_over(&mut self, _: &DeviceIdentity, why: PassedOver<'_>) {
        self.0.push(format!("{why:?}"));
    }
}

/// Nobody else gets between two commands.
#[test]
fn a_key_in_use_is_not_to_be_had_by_another_program() {
    let _reader = OnReader::put(0, &key(), yubikey(true), &Faults::default());
    let mut ours = NfcKeys::new().unwrap();
    let mut theirs = NfcKeys::new().unwrap();
    // Both have looked at it before either takes it.
    let deadline = Instant::now() + Duration::from_secs(5);
    while ours.connected().unwrap().is_empty() || theirs.connected().unwrap().is_empty() {
        assert!(Instant::now() < deadline);
        thread::sleep(Duration::from_millis(100));
    }
    let held = ours.next_key(&another(), &mut soon()).unwrap();
    let mut told = Told::default();
    let refused = theirs.next_key(&another(), &mut told);
    assert!(matches!(refused, Err(Error::DeadlineExceeded)));
    assert!(
        told.0.concat().contains("another program uses the key"),
        "{:?}",
        told.0
    );
    drop(held);
    assert!(
        NfcKeys::new()
            .unwrap()
            .next_key(&another(), &mut soon())
            .is_ok()
    );
}

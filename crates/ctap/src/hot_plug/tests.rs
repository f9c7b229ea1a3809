use std::sync::{Arc, Mutex};

use super::*;
use crate::{Ctap2, Deadline, NoSignal, Transport, TransportKind};

/// What is plugged in, and what opening it does.
#[derive(Clone, Default)]
struct Sockets(Arc<Mutex<Vec<Socket>>>);

#[derive(Clone)]
struct Socket {
    path: &'static str,
    serial: Option<&'static str>,
    works: bool,
}

struct Plugged(DeviceIdentity);

impl Sockets {
    fn plug(&self, path: &'static str, serial: Option<&'static str>) {
        self.0.lock().unwrap().push(Socket {
            path,
            serial,
            works: true,
        });
    }

    fn plug_broken(&self, path: &'static str) {
        self.0.lock().unwrap().push(Socket {
            path,
            serial: None,
            works: false,
        });
    }

    fn pull(&self, path: &str) {
        self.0.lock().unwrap().retain(|socket| socket.path != path);
    }
}

impl Bus for Sockets {
    fn devices(&mut self) -> Result<Vec<DeviceIdentity>, TransportError> {
        Ok(self
            .0
            .lock()
            .unwrap()
            .iter()
            .map(|socket| DeviceIdentity {
                usb_serial: socket.serial.map(str::to_owned),
                transport: TransportKind::Usb,
                ..DeviceIdentity::virtual_key(socket.path, "test key")
            })
            .collect())
    }

    fn open(
        &mut self,
        device: &DeviceIdentity,
        _: &mut dyn Signal,
    ) -> Result<Box<dyn Authenticator>> {
        let sockets = self.0.lock().unwrap();
        let socket = sockets
            .iter()
            .find(|socket| socket.path == device.path)
            .ok_or(TransportError::Disconnected)?;
        if socket.works {
            Ok(Box::new(Ctap2::new(Plugged(device.clone()))))
        } else {
            Err(TransportError::Unsupported("broken").into())
        }
    }

    fn describe(&self) -> String {
        "sockets".into()
    }
}

impl Transport for Plugged {
    fn transact(&mut self, _: &[u8], _: &mut dyn Signal) -> Result<Vec<u8>, TransportError> {
        Err(TransportError::Disconnected)
    }

    fn vendor(&mut self, _: u8, _: &[u8], _: &mut dyn Signal) -> Result<Vec<u8>, TransportError> {
        Err(TransportError::Unsupported("no vendor commands"))
    }

    fn wink(&mut self, _: &mut dyn Signal) -> Result<(), TransportError> {
        Err(TransportError::Unsupported("no light"))
    }

    fn identity(&self) -> &DeviceIdentity {
        &self.0
    }
}

fn another(served: &[&str]) -> KeyRequest {
    KeyRequest::Another {
        served: served.iter().map(|serial| (*serial).to_owned()).collect(),
    }
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_millis(300))
}

#[test]
fn served_keys_are_passed_over_until_another_comes() {
    let sockets = Sockets::default();
    let mut keys = HotPlug::new(sockets.clone());
    sockets.plug("a", Some("1"));
    assert!(matches!(
        keys.next_key(&another(&["1"]), &mut soon()),
        Err(Error::DeadlineExceeded)
    ));

    let later = sockets.clone();
    let hand = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        later.plug("b", Some("2"));
    });
    let mut key = keys.next_key(&another(&["1"]), &mut NoSignal).unwrap();
    assert_eq!(key.serial().unwrap().as_deref(), Some("2"));
    hand.join().unwrap();
}

#[test]
fn a_key_is_not_handed_out_twice_at_a_time() {
    let sockets = Sockets::default();
    let mut keys = HotPlug::new(sockets.clone());
    sockets.plug("a", Some("1"));
    let key = keys.next_key(&another(&[]), &mut soon()).unwrap();
    assert!(matches!(
        keys.next_key(&another(&[]), &mut soon()),
        Err(Error::DeadlineExceeded)
    ));

    // Given back and not served, it is as good as any other.
    keys.done(key.identity());
    assert!(keys.next_key(&another(&[]), &mut soon()).is_ok());
}

#[test]
fn a_key_without_a_serial_is_known_by_its_place_until_it_is_pulled() {
    let sockets = Sockets::default();
    let mut keys = HotPlug::new(sockets.clone());
    sockets.plug("a", None);
    let key = keys.next_key(&another(&[]), &mut soon()).unwrap();
    keys.done(key.identity());
    assert!(matches!(
        keys.next_key(&another(&[]), &mut soon()),
        Err(Error::DeadlineExceeded)
    ));

    let swapped = sockets.clone();
    let hand = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        swapped.pull("a");
        thread::sleep(Duration::from_millis(600));
        swapped.plug("a", None);
    });
    assert!(keys.next_key(&another(&[]), &mut NoSignal).is_ok());
    hand.join().unwrap();
}

#[test]
fn the_same_key_is_recognised_wherever_it_comes_back() {
    let sockets = Sockets::default();
    let mut keys = HotPlug::new(sockets.clone());
    sockets.plug("a", Some("1"));
    sockets.plug("b", Some("2"));
    let same = KeyRequest::Same { serial: "2".into() };
    let held = keys.next_key(&same, &mut soon()).unwrap();
    assert_eq!(held.identity().path, "b");
    // Still held, and pulled and put back before anybody looked.
    assert_eq!(
        keys.next_key(&same, &mut soon()).unwrap().identity().path,
        "b"
    );

    sockets.pull("b");
    assert!(matches!(
        keys.next_key(&same, &mut soon()),
        Err(Error::DeadlineExceeded)
    ));
    sockets.plug("c", Some("2"));
    assert_eq!(
        keys.next_key(&same, &mut soon()).unwrap().identity().path,
        "c"
    );
}

#[test]
fn a_key_that_does_not_work_is_told_of_once_and_the_wait_goes_on() {
    let sockets = Sockets::default();
    let mut keys = HotPlug::new(sockets.clone());
    sockets.plug_broken("a");
    let mut ear = Ear::default();
    for _ in 0..2 {
        ear.until = Some(Instant::now() + Duration::from_millis(300));
        assert!(matches!(
            keys.next_key(&another(&[]), &mut ear),
            Err(Error::DeadlineExceeded)
        ));
    }
    assert_eq!(ear.heard, ["a: not possible with this key: broken"]);
    sockets.plug("b", None);
    assert_eq!(
        keys.next_key(&another(&[]), &mut soon())
            .unwrap()
            .identity()
            .path,
        "b"
    );
}

#[test]
fn each_key_goes_to_the_first_who_waits_for_it() {
    let sockets = Sockets::default();
    let mut keys = HotPlug::new(sockets.clone());
    let same = |serial: &str| KeyRequest::Same {
        serial: serial.to_owned(),
    };
    let wanted = [same("9"), another(&["1"]), same("1")];
    sockets.plug("a", Some("1"));
    sockets.plug("b", Some("2"));
    let (index, first) = keys.next_of(&wanted, &mut soon()).unwrap();
    assert_eq!((index, first.identity().path.as_str()), (2, "a"));
    let (index, second) = keys.next_of(&wanted[..2], &mut soon()).unwrap();
    assert_eq!((index, second.identity().path.as_str()), (1, "b"));

    // Another than the one that must come back is told of, and not handed out.
    sockets.plug("c", Some("3"));
    let mut ear = Ear {
        until: Some(Instant::now() + Duration::from_millis(600)),
        ..Ear::default()
    };
    assert!(matches!(
        keys.next_of(&[same("9")], &mut ear),
        Err(Error::DeadlineExceeded)
    ));
    assert_eq!(ear.heard, ["c: 3"]);
    // Unless somebody waits for any key.
    let (index, third) = keys
        .next_of(&[same("9"), another(&[])], &mut soon())
        .unwrap();
    assert_eq!((index, third.identity().path.as_str()), (1, "c"));
}

#[test]
fn a_lost_key_is_a_candidate_again() {
    let sockets = Sockets::default();
    let mut keys = HotPlug::new(sockets.clone());
    sockets.plug("a", None);
    let key = keys.next_key(&another(&[]), &mut soon()).unwrap();
    // Pulled and put back faster than anybody looks: only who held it knows.
    keys.lost(key.identity());
    assert!(keys.next_key(&another(&[]), &mut soon()).is_ok());
}

/// Hears of keys that are passed over.
#[derive(Default)]
struct Ear {
    until: Option<Instant>,
    heard: Vec<String>,
}

impl Signal for Ear {
    fn keepalive(&mut self, _: crate::Keepalive) {}

    fn cancelled(&self) -> bool {
        false
    }

    fn deadline(&self) -> Option<Instant> {
        self.until
    }

    fn passed_over(&mut self, device: &DeviceIdentity, why: PassedOver<'_>) {
        self.heard.push(match why {
            PassedOver::NotWanted { serial } => {
                format!("{}: {}", device.path, serial.unwrap_or("no serial"))
            }
            PassedOver::Unusable(error) => format!("{}: {error}", device.path),
        });
    }
}

//! The key as a CTAPHID device.

use std::{
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant},
};

use keywright_ctap::{
    Authenticator, Ctap2, Deadline, DeviceIdentity, Error, NoSignal, TransportError,
    hid::{
        BROADCAST, HidCommand, HidErrorCode, HidTransport, InitResponse, Message, Packet, PacketIo,
        Report,
    },
};
use keywright_virtual_key::{CtapHidDevice, KeyOptions, VirtualKey};

use crate::{PIN, pin, request};

/// One end of a wire.
struct End {
    to: Sender<Report>,
    from: Receiver<Report>,
}

impl PacketIo for End {
    fn write(&mut self, report: &Report) -> Result<(), TransportError> {
        self.to
            .send(*report)
            .map_err(|_| TransportError::Disconnected)
    }

    fn read(&mut self, timeout: Duration) -> Result<Option<Report>, TransportError> {
        match self.from.recv_timeout(timeout) {
            Ok(report) => Ok(Some(report)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(TransportError::Disconnected),
        }
    }
}

impl End {
    fn send(&mut self, channel: u32, command: HidCommand, payload: &[u8]) {
        for report in (Message {
            channel,
            command,
            payload: payload.to_vec(),
        })
        .packets()
        .unwrap()
        {
            self.write(&report).unwrap();
        }
    }

    /// The next message of one packet.
    fn receive(&mut self) -> (u32, HidCommand, Vec<u8>) {
        let report = self
            .read(Duration::from_secs(5))
            .unwrap()
            .expect("an answer");
        match Packet::parse(&report) {
            Packet::Initialization {
                channel,
                command,
                length,
                data,
            } => (channel, command, data[..usize::from(length)].to_vec()),
            Packet::Continuation { .. } => panic!("a continuation packet"),
        }
    }

    fn init(&mut self) -> u32 {
        self.send(BROADCAST, HidCommand::INIT, b"nonce123");
        let (channel, command, payload) = self.receive();
        assert_eq!((channel, command), (BROADCAST, HidCommand::INIT));
        let response = InitResponse::parse(&payload).unwrap();
        assert_eq!(&response.nonce, b"nonce123");
        response.channel
    }

    #[track_caller]
    fn expect_error(&mut self, channel: u32, error: HidErrorCode) {
        assert_eq!(
            self.receive(),
            (channel, HidCommand::ERROR, vec![error.into()])
        );
    }
}

fn device(touch_delay: Duration) -> End {
    device_with(&KeyOptions::default(), move |device| {
        device.with_touch_delay(touch_delay)
    })
}

fn device_with(
    options: &KeyOptions,
    prepare: impl FnOnce(CtapHidDevice<End>) -> CtapHidDevice<End> + Send + 'static,
) -> End {
    let (to_device, from_platform) = mpsc::channel();
    let (to_platform, from_device) = mpsc::channel();
    let io = End {
        to: to_platform,
        from: from_platform,
    };
    let key = VirtualKey::in_memory(options).unwrap();
    thread::spawn(move || prepare(CtapHidDevice::new(key, io)).run());
    End {
        to: to_device,
        from: from_device,
    }
}

#[test]
fn our_client_registers_over_ctaphid() {
    let identity = DeviceIdentity::virtual_key("wire", "Virtual Key");
    let transport =
        HidTransport::open(device(Duration::from_millis(150)), identity, &mut NoSignal).unwrap();
    let mut client = Ctap2::new(transport);
    client.set_pin(&pin(PIN), &mut NoSignal).unwrap();
    client
        .make_credential(&request(1), Some(&pin(PIN)), &mut NoSignal)
        .unwrap();
    assert_eq!(
        client.credentials(&pin(PIN), &mut NoSignal).unwrap().len(),
        1
    );
    client.wink(&mut NoSignal).unwrap();
    let late = client.select(&mut Deadline::after(Duration::from_millis(30)));
    assert!(matches!(late, Err(Error::DeadlineExceeded)), "{late:?}");
    client.select(&mut NoSignal).unwrap();
}

#[test]
fn a_yubikey_tells_its_serial_number_by_a_vendor_command() {
    for (serial, told) in [
        ("19876543", Some("19876543")),
        // What no YubiKey can say; USB has none either.
        ("A1", None),
    ] {
        let options = KeyOptions {
            serial: Some(serial.to_owned()),
            ..KeyOptions::default()
        };
        let mut identity = DeviceIdentity::virtual_key("wire", "YubiKey");
        identity.vendor_id = 0x1050;
        let wire = device_with(&options, CtapHidDevice::as_yubikey);
        let transport = HidTransport::open(wire, identity, &mut NoSignal).unwrap();
        let mut client = Ctap2::new(transport);
        assert_eq!(client.serial().unwrap().as_deref(), told);
    }
}

#[test]
fn channels_are_allocated_and_strangers_refused() {
    let mut wire = device(Duration::ZERO);
    let first = wire.init();
    let second = wire.init();
    assert_ne!(first, second);
    // Bringing a channel back in step keeps it.
    wire.send(first, HidCommand::INIT, b"nonce456");
    let (channel, _, payload) = wire.receive();
    assert_eq!(
        (channel, InitResponse::parse(&payload).unwrap().channel),
        (first, first)
    );
    for stranger in [0, 0x1234_5678, BROADCAST] {
        wire.send(stranger, HidCommand::PING, b"");
        wire.expect_error(stranger, HidErrorCode::InvalidChannel);
    }
    wire.send(0x1234_5678, HidCommand::INIT, b"nonce123");
    wire.expect_error(0x1234_5678, HidErrorCode::InvalidChannel);
    wire.send(BROADCAST, HidCommand::INIT, b"short");
    wire.expect_error(BROADCAST, HidErrorCode::InvalidLength);
}

#[test]
fn messages_come_back_whole_or_are_refused() {
    let mut wire = device(Duration::ZERO);
    let channel = wire.init();
    wire.send(channel, HidCommand::PING, b"hello");
    assert_eq!(
        wire.receive(),
        (channel, HidCommand::PING, b"hello".to_vec())
    );
    wire.send(channel, HidCommand::WINK, b"");
    assert_eq!(wire.receive(), (channel, HidCommand::WINK, Vec::new()));
    for command in [HidCommand::MSG, HidCommand::LOCK, HidCommand(0x42)] {
        wire.send(channel, command, b"");
        wire.expect_error(channel, HidErrorCode::InvalidCommand);
    }
    wire.send(channel, HidCommand::CBOR, b"");
    wire.expect_error(channel, HidErrorCode::InvalidLength);
    // Nothing is in progress, so there is nothing to cancel and nothing to say.
    wire.send(channel, HidCommand::CANCEL, b"");
    wire.send(channel, HidCommand::PING, b"still there");
    assert_eq!(wire.receive().2, b"still there");
}

#[test]
fn packets_out_of_order_end_the_message() {
    let mut wire = device(Duration::ZERO);
    let (channel, other) = (wire.init(), wire.init());
    let packets = Message {
        channel,
        command: HidCommand::PING,
        payload: vec![1; 200],
    }
    .packets()
    .unwrap();
    wire.write(&packets[0]).unwrap();
    wire.write(&packets[2]).unwrap();
    wire.expect_error(channel, HidErrorCode::InvalidSequence);
    wire.write(&packets[0]).unwrap();
    // Somebody else has to wait, and what is left of the message still counts.
    wire.send(other, HidCommand::PING, b"");
    wire.expect_error(other, HidErrorCode::ChannelBusy);
    wire.write(&packets[0]).unwrap();
    wire.expect_error(channel, HidErrorCode::InvalidSequence);
    let begun = Instant::now();
    wire.write(&packets[0]).unwrap();
    wire.expect_error(channel, HidErrorCode::MessageTimeout);
    assert!(begun.elapsed() >= Duration::from_millis(450));
}

#[test]
fn waiting_for_a_touch_can_be_cancelled_and_keeps_others_out() {
    let mut wire = device(Duration::from_secs(20));
    let (channel, other) = (wire.init(), wire.init());
    let keepalive = (channel, HidCommand::KEEPALIVE, vec![2]);
    wire.send(channel, HidCommand::CBOR, &[0x0b]);
    assert_eq!(wire.receive(), keepalive);
    wire.send(other, HidCommand::CBOR, &[0x04]);
    let refused = std::iter::from_fn(|| Some(wire.receive()))
        .find(|message| *message != keepalive)
        .unwrap();
    assert_eq!(
        refused,
        (
            other,
            HidCommand::ERROR,
            vec![HidErrorCode::ChannelBusy.into()]
        )
    );
    // Only whoever asked can call it off.
    wire.send(other, HidCommand::CANCEL, b"");
    wire.send(channel, HidCommand::CANCEL, b"");
    let answer = std::iter::from_fn(|| Some(wire.receive()))
        .find(|message| *message != keepalive)
        .unwrap();
    assert_eq!(answer, (channel, HidCommand::CBOR, vec![0x2d]));
    // CTAPHID_INIT on the channel aborts, too, and is the only answer then.
    wire.send(channel, HidCommand::CBOR, &[0x0b]);
    wire.send(channel, HidCommand::INIT, b"nonce789");
    let answer = std::iter::from_fn(|| Some(wire.receive()))
        .find(|message| *message != keepalive)
        .unwrap();
    assert_eq!((answer.0, answer.1), (channel, HidCommand::INIT));
    wire.send(channel, HidCommand::PING, b"");
    assert_eq!(wire.receive().1, HidCommand::PING);
}

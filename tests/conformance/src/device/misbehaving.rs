//! A device that does what no key should, in one respect at a time, and is a software key otherwise.

use std::{
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use keywright_ctap::{
    Keepalive, TransportError,
    hid::{
        Assembler, BROADCAST, Capabilities, HidCommand, InitResponse, Message, Packet, PacketIo,
        REPORT_SIZE, Report,
    },
};
use keywright_virtual_key::{AlwaysTouched, Behaviour, KeyOptions, VirtualKey};

use super::{Firmware, Key, Touch, Wire, lock};

/// What is wrong with the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Habit {
    /// Nothing.
    Good,
    /// Answers nothing at all, not even CTAPHID_INIT.
    Mute,
    /// Opens channels, and answers no CTAP2 message.
    Silent,
    /// Sends the first packet of an answer, and never the rest.
    Truncates,
    /// Sends keepalives of this status for that long, so often, before it answers.
    Keepalives {
        /// What it says it does.
        status: Keepalive,
        /// Between two.
        every: Duration,
        /// From the message to its answer.
        last: Duration,
    },
    /// Before its answer, the same message is answered on a channel of somebody else, with CTAP2_ERR_NO_CREDENTIALS.
    AnswersStrangers,
    /// Before its answer, somebody else is given a channel.
    OpensForStrangers,
    /// Before it answers CTAPHID_INIT, it answers one with another nonce.
    StaleInit,
    /// Every CTAP2 message but getInfo is answered with this status.
    Refuses(u8),
    /// Every CTAP2 message but getInfo is answered with this CTAPHID error.
    HidError(u8),
    /// Says CTAP1_ERR_CHANNEL_BUSY until then.
    BusyUntil(Instant),
    /// Swaps two continuation packets.
    OutOfOrder,
    /// Says that its answer has so many bytes, and goes on until it has sent them.
    Claims(u16),
    /// Answers with another command's number.
    OtherCommand,
    /// Answers every CTAP2 message but getInfo with these bytes.
    Says(Vec<u8>),
    /// Adds to the map of every answer what a standard to come might define.
    Newer,
    /// Makes getInfo that many bytes long.
    Long(usize),
    /// Speaks U2F only.
    U2fOnly,
}

/// A software key with a habit, which can be changed while it is plugged in.
pub struct Misbehaving {
    habit: Arc<Mutex<Habit>>,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
    key: super::SoftwareKey,
}

impl Misbehaving {
    /// A new key, which behaves for now.
    pub fn new(options: &KeyOptions) -> Self {
        Self {
            habit: Arc::new(Mutex::new(Habit::Good)),
            requests: Arc::default(),
            key: super::SoftwareKey::new(options, Behaviour::default()),
        }
    }

    /// From now on it is like that.
    pub fn take_to(&self, habit: Habit) {
        *lock(&self.habit) = habit;
    }

    /// The CTAP2 messages it was sent since this was last asked.
    pub fn requests(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut lock(&self.requests))
    }
}

impl Key for Misbehaving {
    fn power_up(&self, _: Touch) -> Box<dyn Firmware> {
        Box::new(Running {
            key: self.key.unlock(),
            habit: self.habit.clone(),
            requests: self.requests.clone(),
            channels: 0,
        })
    }
}

struct Running {
    key: VirtualKey,
    habit: Arc<Mutex<Habit>>,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
    channels: u32,
}

impl Firmware for Running {
    fn run(mut self: Box<Self>, mut wire: Wire) {
        // What ends it is its being unplugged.
        while self.step(&mut wire).is_ok() {}
    }
}

impl Running {
    fn step(&mut self, wire: &mut Wire) -> Result<(), TransportError> {
        let Some(message) = receive(wire)? else {
            return Ok(());
        };
        let habit = lock(&self.habit).clone();
        if habit == Habit::Mute {
            return Ok(());
        }
        match message.command {
            HidCommand::INIT => self.init(&message, &habit, wire),
            HidCommand::CBOR => {
                lock(&self.requests).push(message.payload.clone());
                self.cbor(message, &habit, wire)
            }
            HidCommand::CANCEL => Ok(()),
            HidCommand::WINK | HidCommand::PING => send(wire, &message),
            _ => refuse(wire, message.channel, INVALID_COMMAND),
        }
    }

    fn init(
        &mut self,
        message: &Message,
        habit: &Habit,
        wire: &mut Wire,
    ) -> Result<(), TransportError> {
        let Some(nonce) = message.payload.first_chunk() else {
            return Ok(());
        };
        let channel = if message.channel == BROADCAST {
            self.channels += 1;
            self.channels
        } else {
            message.channel
        };
        let mut answer = InitResponse {
            nonce: *nonce,
            channel,
            protocol_version: 2,
            device_version: [1, 0, 0],
            capabilities: match habit {
                Habit::U2fOnly => Capabilities(0),
                _ => Capabilities(Capabilities::WINK.0 | Capabilities::CBOR.0),
            },
        };
        let mut message = Message {
            channel: message.channel,
            command: HidCommand::INIT,
            payload: answer.encode(),
        };
        if *habit == Habit::StaleInit {
            answer.nonce = [0x55; 8];
            answer.channel = STRANGER;
            let own = std::mem::replace(&mut message.payload, answer.encode());
            send(wire, &message)?;
            message.payload = own;
        }
        send(wire, &message)
    }

    fn cbor(
        &mut self,
        message: Message,
        habit: &Habit,
        wire: &mut Wire,
    ) -> Result<(), TransportError> {
        let is_info = message.payload.first() == Some(&GET_INFO);
        let channel = message.channel;
        let mut answer = Message {
            payload: Vec::new(),
            ..message.clone()
        };
        match habit {
            Habit::Silent => return Ok(()),
            Habit::Refuses(status) if !is_info => answer.payload = vec![*status],
            Habit::Says(bytes) if !is_info => answer.payload.clone_from(bytes),
            Habit::HidError(code) if !is_info => return refuse(wire, channel, *code),
            Habit::BusyUntil(end) if Instant::now() < *end => {
                return refuse(wire, channel, CHANNEL_BUSY);
            }
            _ => {
                answer.payload = self.key.process(&message.payload, &mut AlwaysTouched);
            }
        }
        match habit {
            Habit::Keepalives {
                status,
                every,
                last,
            } if !is_info => {
                let cancelled = keep_alive(wire, channel, *status, *every, *last)?;
                answer.payload = cancelled.unwrap_or(answer.payload);
            }
            Habit::AnswersStrangers => send(
                wire,
                &Message {
                    channel: STRANGER,
                    command: HidCommand::CBOR,
                    payload: vec![NO_CREDENTIALS],
                },
            )?,
            Habit::OpensForStrangers => {
                let stranger = InitResponse {
                    nonce: [0x77; 8],
                    channel: STRANGER,
                    protocol_version: 2,
                    device_version: [1, 0, 0],
                    capabilities: Capabilities::CBOR,
                };
                send(
                    wire,
                    &Message {
                        channel: BROADCAST,
                        command: HidCommand::INIT,
                        payload: stranger.encode(),
                    },
                )?;
            }
            Habit::OtherCommand => answer.command = HidCommand::PING,
            Habit::Newer => add_members(&mut answer.payload),
            Habit::Long(length) if is_info => fill_up(&mut answer.payload, *length),
            _ => {}
        }
        match habit {
            Habit::Claims(length) => claim(wire, &answer, *length),
            Habit::Truncates => first_packet(wire, &answer),
            Habit::OutOfOrder => out_of_order(wire, &answer),
            _ => send(wire, &answer),
        }
    }
}

/// The next message, on whichever channel, as soon as all of it is there.
fn receive(wire: &mut Wire) -> Result<Option<Message>, TransportError> {
    let mut assembler = Assembler::new();
    loop {
        let Some(report) = wire.read(IDLE)? else {
            return Ok(None);
        };
        match assembler.push(&Packet::parse(&report)) {
            Ok(Some(message)) => return Ok(Some(message)),
            Ok(None) if assembler.is_assembling() => {}
            Ok(None) | Err(_) => return Ok(None),
        }
    }
}

fn send(wire: &mut Wire, message: &Message) -> Result<(), TransportError> {
    for (number, report) in message.packets()?.iter().enumerate() {
        // USB at full speed moves one report in a millisecond; nobody's buffer has to take more.
        if number > SHORT {
            thread::sleep(Duration::from_millis(1));
        }
        wire.write(report)?;
    }
    Ok(())
}

fn refuse(wire: &mut Wire, channel: u32, code: u8) -> Result<(), TransportError> {
    send(
        wire,
        &Message {
            channel,
            command: HidCommand::ERROR,
            payload: vec![code],
        },
    )
}

/// What there is to answer if it was cancelled.
fn keep_alive(
    wire: &mut Wire,
    channel: u32,
    status: Keepalive,
    every: Duration,
    last: Duration,
) -> Result<Option<Vec<u8>>, TransportError> {
    let end = Instant::now() + last;
    while Instant::now() < end {
        send(
            wire,
            &Message {
                channel,
                command: HidCommand::KEEPALIVE,
                payload: vec![status.into()],
            },
        )?;
        let next = Instant::now() + every;
        while let left = next.saturating_duration_since(Instant::now())
            && !left.is_zero()
        {
            if let Some(report) = wire.read(left)?
                && Packet::parse(&report).channel() == channel
                && let Packet::Initialization {
                    command: HidCommand::CANCEL,
                    ..
                } = Packet::parse(&report)
            {
                return Ok(Some(vec![KEEPALIVE_CANCEL]));
            }
        }
    }
    Ok(None)
}

fn first_packet(wire: &mut Wire, answer: &Message) -> Result<(), TransportError> {
    match answer.packets()?.first() {
        Some(report) => wire.write(report),
        None => Ok(()),
    }
}

fn out_of_order(wire: &mut Wire, answer: &Message) -> Result<(), TransportError> {
    let mut packets = answer.packets()?;
    if let [_, second, third, ..] = packets.as_mut_slice() {
        std::mem::swap(second, third);
    }
    packets.iter().try_for_each(|report| wire.write(report))
}

/// An answer with a length in its head that it may not have, and packets as long as their numbers last.
fn claim(wire: &mut Wire, answer: &Message, length: u16) -> Result<(), TransportError> {
    let packets = answer.packets()?;
    let Some(mut head) = packets.first().copied() else {
        return Ok(());
    };
    let [_, _, _, _, _, high, low, ..] = &mut head;
    [*high, *low] = length.to_be_bytes();
    wire.write(&head)?;
    for sequence in 0..=127 {
        let mut report: Report = [0; REPORT_SIZE];
        let [c0, c1, c2, c3, number, ..] = &mut report;
        [*c0, *c1, *c2, *c3] = answer.channel.to_be_bytes();
        *number = sequence;
        wire.write(&report)?;
        // Nobody's buffer should overflow because of it.
        thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// Two members with keys above all others, so that the map stays canonical; it has less than 22 members before.
fn add_members(answer: &mut Vec<u8>) {
    if let Some(head @ 0xA0..=0xB5) = answer.get_mut(1) {
        *head += 2;
        answer.extend([0x18, 0x70, 0x63, b'n', b'e', b'w', 0x18, 0x71, 0xF5]);
    }
}

/// One member more, encIdentifier (0x19), of as many bytes as make the answer that long.
fn fill_up(answer: &mut Vec<u8>, length: usize) {
    if let Some(head @ 0xA0..=0xB6) = answer.get_mut(1) {
        *head += 1;
        answer.extend([0x18, 0x19, 0x59]);
        let filling = u16::try_from(length.saturating_sub(answer.len() + 2)).unwrap_or(u16::MAX);
        answer.extend(filling.to_be_bytes());
        answer.resize(length, 0x2A);
    }
}

/// Reports that every system keeps for a program that is busy.
const SHORT: usize = 20;
/// A channel that was never given to anybody.
const STRANGER: u32 = 0x5EED_5EED;
const GET_INFO: u8 = 0x04;
const KEEPALIVE_CANCEL: u8 = 0x2D;
const NO_CREDENTIALS: u8 = 0x2E;
const INVALID_COMMAND: u8 = 0x01;
const CHANNEL_BUSY: u8 = 0x06;
const IDLE: Duration = Duration::from_millis(500);

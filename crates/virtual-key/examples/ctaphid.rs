//! A software key that speaks raw CTAPHID: 64-byte reports on stdin and stdout.
//!
//! `cargo run -p keywright-virtual-key --example ctaphid -- [--state FILE] [--touch-ms N]`
//!
//! `--state FILE` is the key's file, made when it is not there; a new key takes the file's name as
//! its serial number when that can be one. Without it, the key is gone with the program.
//! `--touch-ms N`: a touch takes N milliseconds instead of none.

use std::{
    error::Error,
    io::{self, Read as _, Write as _},
    path::PathBuf,
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
};

use keywright_ctap::{
    TransportError,
    hid::{PacketIo, REPORT_SIZE, Report},
};
use keywright_virtual_key::{CtapHidDevice, KeyOptions, VirtualKey};

fn main() -> Result<(), Box<dyn Error>> {
    let mut state: Option<PathBuf> = None;
    let mut touch_delay = Duration::ZERO;
    let mut arguments = std::env::args_os().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--state") => state = Some(arguments.next().ok_or("--state needs a file")?.into()),
            Some("--touch-ms") => {
                let text = arguments.next().ok_or("--touch-ms needs a number")?;
                touch_delay = Duration::from_millis(text.to_string_lossy().parse()?);
            }
            _ => return Err(format!("unknown argument {}", argument.display()).into()),
        }
    }
    let key = match state {
        None => VirtualKey::in_memory(&KeyOptions::default())?,
        Some(path) if path.exists() => VirtualKey::open(&path)?,
        Some(path) => VirtualKey::create(&path, &KeyOptions::for_file(&path))?,
    };
    CtapHidDevice::new(key, Pipes::open())
        .with_touch_delay(touch_delay)
        .run()?;
    Ok(())
}

/// Reports from stdin, which a thread of its own waits for, and to stdout.
struct Pipes {
    reports: Receiver<Report>,
}

impl Pipes {
    fn open() -> Self {
        let (sender, reports) = mpsc::channel();
        thread::spawn(move || {
            let mut stdin = io::stdin().lock();
            let mut report = [0; REPORT_SIZE];
            while stdin.read_exact(&mut report).is_ok() && sender.send(report).is_ok() {}
        });
        Self { reports }
    }
}

impl PacketIo for Pipes {
    fn write(&mut self, report: &Report) -> Result<(), TransportError> {
        let mut stdout = io::stdout().lock();
        stdout
            .write_all(report)
            .and_then(|()| stdout.flush())
            .map_err(|_| TransportError::Disconnected)
    }

    fn read(&mut self, timeout: Duration) -> Result<Option<Report>, TransportError> {
        match self.reports.recv_timeout(timeout) {
            Ok(report) => Ok(Some(report)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(TransportError::Disconnected),
        }
    }
}

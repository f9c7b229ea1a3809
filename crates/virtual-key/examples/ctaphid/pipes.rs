//! Reports on stdin and stdout.

use std::{
    io::{self, Read as _, Write as _},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
};

use keywright_ctap::{
    TransportError,
    hid::{PacketIo, REPORT_SIZE, Report},
};

/// Reports from stdin, which a thread of its own waits for, and to stdout.
pub(crate) struct Pipes {
    reports: Receiver<Report>,
}

impl Pipes {
    pub(crate) fn open() -> Self {
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

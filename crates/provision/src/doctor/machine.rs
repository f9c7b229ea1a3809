//! What there is to know about the machine.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// The machine that keys are plugged into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Machine {
    /// What it runs.
    pub system: OperatingSystem,
    /// Linux: the first udev rule found that gives people access to security keys.
    pub udev_rule: Option<PathBuf>,
    /// Windows: whether this process has administrator rights. `None` where that is not known or does not matter.
    pub elevated: Option<bool>,
}

/// An operating system, as far as access to keys differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OperatingSystem {
    /// Linux: `/dev/hidraw*` with permissions from udev.
    Linux,
    /// Windows: security keys are for administrators and for the system's own WebAuthn API.
    Windows,
    /// macOS: programs need the permission "Input Monitoring".
    MacOs,
    /// Something else.
    Other,
}

impl Machine {
    /// This one.
    #[must_use]
    pub fn this() -> Self {
        let system = if cfg!(target_os = "linux") {
            OperatingSystem::Linux
        } else if cfg!(windows) {
            OperatingSystem::Windows
        } else if cfg!(target_os = "macos") {
            OperatingSystem::MacOs
        } else {
            OperatingSystem::Other
        };
        Self {
            udev_rule: (system == OperatingSystem::Linux)
                .then(|| udev_rule(&RULE_DIRECTORIES))
                .flatten(),
            ..Self::of(system)
        }
    }

    /// One of which nothing else is known.
    #[must_use]
    pub fn of(system: OperatingSystem) -> Self {
        Self {
            system,
            udev_rule: None,
            elevated: None,
        }
    }

    /// What opening the device at `path` would fail with. Asked only of devices that could not be opened: the transport
    /// has the operating system's words, and this its code.
    pub(super) fn opening(&self, path: &str) -> Option<io::ErrorKind> {
        if self.system != OperatingSystem::Linux || !path.starts_with("/dev/") {
            return None;
        }
        fs::File::options()
            .read(true)
            .write(true)
            .open(path)
            .err()
            .map(|error| error.kind())
    }
}

/// The first rule that gives somebody the devices that systemd says are FIDO tokens.
fn udev_rule(directories: &[&str]) -> Option<PathBuf> {
    directories.iter().find_map(|directory| {
        let mut rules: Vec<_> = fs::read_dir(directory)
            .ok()?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|end| end == "rules"))
            .collect();
        rules.sort_unstable();
        rules.into_iter().find(|path| gives_access(path))
    })
}

fn gives_access(rule: &Path) -> bool {
    fs::read_to_string(rule).is_ok_and(|text| {
        text.lines().any(|line| {
            let line = line.trim_start();
            !line.starts_with('#')
                && (line.contains("ID_FIDO_TOKEN") || line.contains("ID_SECURITY_TOKEN"))
                && (line.contains("uaccess") || line.contains("GROUP"))
        })
    })
}

/// In the order in which udev prefers them.
const RULE_DIRECTORIES: [&str; 3] = [
    "/etc/udev/rules.d",
    "/run/udev/rules.d",
    "/usr/lib/udev/rules.d",
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

    use super::*;

    #[test]
    fn a_rule_counts_when_it_gives_access() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_str().unwrap();
        let write = |name: &str, text: &str| {
            fs::write(directory.path().join(name), text).unwrap();
        };
        // systemd's own, which marks keys and gives them to nobody.
        write(
            "60-fido-id.rules",
            "SUBSYSTEM==\"hidraw\", IMPORT{program}=\"fido_id\"\n",
        );
        write(
            "61-off.rules",
            "# ENV{ID_FIDO_TOKEN}==\"1\", TAG+=\"uaccess\"\n",
        );
        write(
            "99-note.txt",
            "ENV{ID_FIDO_TOKEN}==\"1\", TAG+=\"uaccess\"\n",
        );
        assert_eq!(udev_rule(&[path]), None);
        write(
            "70-keywright.rules",
            include_str!("../../../../packaging/70-keywright.rules"),
        );
        assert_eq!(
            udev_rule(&["/nonexistent", path]),
            Some(directory.path().join("70-keywright.rules"))
        );
    }
}

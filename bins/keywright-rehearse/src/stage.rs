//! The directory a rehearsal plays in.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use keywright_provision::batch::replace_private;
use keywright_rehearsal_tenant::RehearsalTenant;
use secrecy::ExposeSecret as _;
use serde_json::json;

/// The files of one rehearsal.
pub(crate) struct Stage {
    directory: PathBuf,
}

impl Stage {
    /// Makes `directory` ready; the files of an earlier rehearsal are moved to a subdirectory, never deleted.
    pub(crate) fn prepare(directory: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let stage = Self {
            directory: directory.to_path_buf(),
        };
        let leftovers: Vec<PathBuf> = NAMES
            .iter()
            .map(|name| directory.join(name))
            .filter(|path| path.exists())
            .collect();
        if !leftovers.is_empty() {
            let previous = stage.next_previous()?;
            for path in leftovers {
                if let Some(name) = path.file_name() {
                    std::fs::rename(&path, previous.join(name))?;
                }
            }
        }
        Ok(stage)
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.directory.join("configs.json")
    }

    pub(crate) fn challenges(&self) -> PathBuf {
        self.directory.join("registrationUsers.csv")
    }

    pub(crate) fn results(&self) -> PathBuf {
        self.directory.join("registeredKeys.csv")
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.directory.join("keywright-ledger.db")
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.directory.join("keys")
    }

    /// The scripts' configuration, and where the tenant is.
    pub(crate) fn write_config(&self, tenant: &RehearsalTenant) -> io::Result<()> {
        let config = json!({
            "tenantName": tenant.tenant_name(),
            "client_id": tenant.client_id(),
            "client_secret": tenant.client_secret().expose_secret(),
            "usersInScopeGroup": tenant.group_name(),
            "challengeTimeoutInMinutes": 60,
            "deleteExistingUserFIDOCredentials": false,
            "useRandomPIN": true,
            "useCTAP21Features": true,
            "authority": tenant.base_url(),
            "graphEndpoint": tenant.base_url(),
        });
        replace_private(&self.config(), |out| {
            serde_json::to_writer_pretty(&mut *out, &config)?;
            out.write_all(b"\n")
        })
    }

    fn next_previous(&self) -> io::Result<PathBuf> {
        let mut number = 1;
        loop {
            let path = self.directory.join(format!("previous-{number}"));
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(path),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        }
    }
}

const NAMES: [&str; 8] = [
    "configs.json",
    "registrationUsers.csv",
    "registrationUsers.csv.previous",
    "registeredKeys.csv",
    "keywright-ledger.db",
    "keywright-ledger.db-wal",
    "keywright-ledger.db-shm",
    "keys",
];

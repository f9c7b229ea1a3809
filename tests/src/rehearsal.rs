//! A simulated tenant and both pipelines in one process.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use keywright_ctap::KeySource;
use keywright_provision::batch::SqliteLedger;
use keywright_provision::{
    Cancel, CollectSettings, Config, EntraProvider, Error, Event, Operator, Parties,
    RegisterSettings, Summary, collect, register,
};
use keywright_rehearsal_tenant::{RehearsalTenant, TenantConfig};
use keywright_virtual_key::VirtualKeys;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::desk::{Answers, Tray};
use crate::hub::Hub;

/// Everything that one rehearsal consists of.
pub struct Rehearsal {
    /// The simulated tenant.
    pub tenant: RehearsalTenant,
    /// Where all files are.
    pub directory: tempfile::TempDir,
    /// Changes to `configs.json`.
    pub overrides: Value,
    events: Arc<Mutex<Vec<Event>>>,
    hand: Mutex<Option<Hand>>,
}

/// What a test does when something happens, before anything else does.
type Hand = Arc<dyn Fn(&Event) + Send + Sync>;

impl Rehearsal {
    /// A tenant with `users` users; `overrides` goes over the scripts' configuration.
    pub async fn new(users: usize, overrides: Value) -> Self {
        let config = TenantConfig {
            users,
            ..TenantConfig::default()
        };
        Self::with(config, overrides).await
    }

    /// A tenant of one's own making.
    pub async fn with(config: TenantConfig, overrides: Value) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let rehearsal = Self {
            tenant: RehearsalTenant::start(config, address).await.unwrap(),
            directory: tempfile::tempdir().unwrap(),
            overrides,
            events: Arc::default(),
            hand: Mutex::default(),
        };
        rehearsal.write_config();
        rehearsal
    }

    /// A file of this rehearsal.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes `configs.json`, exactly as the scripts ship it, plus endpoints and overrides.
    pub fn write_config(&self) {
        let mut config = json!({
            "tenantName": self.tenant.tenant_name(),
            "client_id": self.tenant.client_id(),
            "client_secret": self.tenant.client_secret().expose_secret(),
            "usersInScopeGroup": self.tenant.group_name(),
            "challengeTimeoutInMinutes": 60,
            "deleteExistingUserFIDOCredentials": false,
            "useRandomPIN": false,
            "useCTAP21Features": false,
            "authority": self.tenant.base_url(),
            "graphEndpoint": self.tenant.base_url(),
        });
        for (key, value) in self.overrides.as_object().unwrap() {
            config[key] = value.clone();
        }
        std::fs::write(self.path("configs.json"), config.to_string()).unwrap();
    }

    /// Step 1.
    pub async fn collect(&self) -> Result<Summary, Error> {
        self.collect_with(|_| {}).await
    }

    /// Step 1, with settings changed.
    pub async fn collect_with(
        &self,
        change: impl FnOnce(&mut CollectSettings),
    ) -> Result<Summary, Error> {
        let config = Config::read(&self.path("configs.json"))?;
        let provider = EntraProvider::new(&config, self.reporter()).map_err(Error::Provider)?;
        let mut settings = CollectSettings::new(&config, self.path("users.csv"));
        change(&mut settings);
        let reporter = self.reporter();
        let operator = Answers::default();
        collect(
            &provider,
            &settings,
            &operator,
            &*reporter,
            &Cancel::default(),
        )
        .await
    }

    /// Step 2 with the keys of `virtual:DIR`.
    pub async fn register(&self) -> Result<Summary, Error> {
        let keys = VirtualKeys::new(self.path("keys"));
        self.register_with(Box::new(keys), Arc::new(Answers::default()))
            .await
    }

    /// Step 2 with keys and answers of one's own.
    pub async fn register_with(
        &self,
        keys: Box<dyn KeySource>,
        operator: Arc<dyn Operator>,
    ) -> Result<Summary, Error> {
        self.register_as(keys, operator, |_| {}).await
    }

    /// The same, with settings changed.
    pub async fn register_as(
        &self,
        keys: Box<dyn KeySource>,
        operator: Arc<dyn Operator>,
        change: impl FnOnce(&mut RegisterSettings),
    ) -> Result<Summary, Error> {
        let config = Config::read(&self.path("configs.json"))?;
        let provider = EntraProvider::new(&config, self.reporter()).map_err(Error::Provider)?;
        let mut settings =
            RegisterSettings::new(&config, self.path("users.csv"), self.path("keys.csv"));
        settings.key_wait = Some(std::time::Duration::from_secs(2));
        change(&mut settings);
        let mut ledger = SqliteLedger::open(&self.path("ledger.db"))?;
        let parties = Parties {
            provider: &provider,
            keys,
            ledger: &mut ledger,
            operator,
            reporter: self.reporter(),
            cancel: Cancel::default(),
        };
        register(parties, &settings).await
    }

    /// Lets a hand act on every event of the runs to come, at the moment it happens.
    pub fn on_event(&self, hand: impl Fn(&Event) + Send + Sync + 'static) {
        *self.hand.lock().unwrap() = Some(Arc::new(hand));
    }

    /// A hub without keys in this rehearsal's directory.
    #[must_use]
    pub fn hub(&self) -> Hub {
        Hub::new(&self.path("keys"))
    }

    /// An empty tray in this rehearsal's directory.
    #[must_use]
    pub fn tray(&self) -> Tray {
        Tray::new(&self.path("keys"))
    }

    /// The result file's rows by column name.
    #[must_use]
    pub fn results(&self) -> Vec<std::collections::HashMap<String, String>> {
        crate::programs::rows(&self.path("keys.csv"))
    }

    /// What was reported since the last call.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        std::mem::take(&mut *self.events.lock().unwrap())
    }

    /// The code and message of the one user who failed since the last call of [`Self::events`].
    #[must_use]
    pub fn failure(&self) -> (String, String) {
        let failures: Vec<_> = self
            .events()
            .into_iter()
            .filter_map(|event| match event {
                Event::UserFailed { code, message, .. } => Some((code, message)),
                Event::RowRefused { message, .. } => Some(("row_refused".to_owned(), message)),
                _ => None,
            })
            .collect();
        assert_eq!(failures.len(), 1, "{failures:?}");
        failures[0].clone()
    }

    /// Where a key of `virtual:DIR` or of the tray lies.
    #[must_use]
    pub fn key_file(&self, serial: &str) -> PathBuf {
        Path::new(&self.path("keys")).join(serial)
    }

    fn reporter(&self) -> Arc<dyn keywright_provision::Reporter> {
        let events = Arc::clone(&self.events);
        let hand = self.hand.lock().unwrap().clone();
        Arc::new(move |event| {
            if let Some(hand) = &hand {
                hand(&event);
            }
            events.lock().unwrap().push(event);
        })
    }
}

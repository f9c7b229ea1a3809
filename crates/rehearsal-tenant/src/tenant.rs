//! The running tenant, and its handle.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::config::TenantConfig;
use crate::directory::{Directory, TenantUser};
use crate::fault::{Fault, Faults};
use crate::inspect::{Counters, RequestLog, RequestRecord};
use crate::models::{EXISTING_MODEL, Models};
use crate::registry::{RegisteredMethod, Registry, url_token_encode};
use crate::seal::Sealer;
use crate::server;
use crate::sign_in::Tokens;

/// A simulated Entra tenant that serves its token endpoint and Microsoft Graph on one loopback address.
///
/// It stops when it is dropped; [`shutdown`](Self::shutdown) also waits until it has.
pub struct RehearsalTenant {
    state: Arc<State>,
    address: SocketAddr,
    group_name: String,
    server: Mutex<Option<Server>>,
}

/// Why a tenant cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The tenant has no secrets worth the name and must not be reachable from elsewhere.
    #[error("a rehearsal tenant serves loopback addresses only, not {0}")]
    NotLoopback(SocketAddr),
    /// The address cannot be used.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The operating system gave no random bytes.
    #[error("no random bytes for the tenant's secrets")]
    Randomness,
}

impl RehearsalTenant {
    /// Starts a tenant on `address`; port 0 takes any free port. Needs a running tokio runtime.
    pub async fn start(config: TenantConfig, address: SocketAddr) -> Result<Self, StartError> {
        if !address.ip().is_loopback() {
            return Err(StartError::NotLoopback(address));
        }
        let listener = server::bind(address)
            .await
            .map_err(|source| StartError::Bind { address, source })?;
        let address = listener
            .local_addr()
            .map_err(|source| StartError::Bind { address, source })?;
        let state = Arc::new(State::new(&config, address)?);
        let tenant = Self {
            state,
            address,
            group_name: config.group_name,
            server: Mutex::new(None),
        };
        tenant.serve(listener);
        Ok(tenant)
    }

    /// Base URL of both the sign-in authority and Graph, for example `http://127.0.0.1:49152`.
    pub fn base_url(&self) -> &str {
        &self.state.base_url
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The tenant's domain, for example `rehearsal-1a2b3c.onmicrosoft.com`.
    pub fn tenant_name(&self) -> &str {
        &self.state.tenant_name
    }

    /// The tenant's directory id.
    pub fn tenant_id(&self) -> Uuid {
        self.state.tenant_id
    }

    /// The application's client id.
    pub fn client_id(&self) -> &str {
        &self.state.client_id
    }

    /// The application's client secret, made for this run.
    pub fn client_secret(&self) -> &SecretString {
        &self.state.client_secret
    }

    /// The group whose members get keys.
    pub fn group_name(&self) -> &str {
        &self.group_name
    }

    /// All users of the tenant: first those of the group in its order, then guests, then disabled ones.
    pub fn users(&self) -> &[TenantUser] {
        &self.state.directory.users
    }

    /// The users who have passkeys, with them, in the order of [`users`](Self::users).
    pub fn methods(&self) -> Vec<(TenantUser, Vec<RegisteredMethod>)> {
        let registry = self.state.registry();
        let mut all: Vec<_> = registry.all().collect();
        all.sort_by_key(|(user, _)| *user);
        all.into_iter()
            .filter_map(|(user, methods)| Some((self.users().get(user)?.clone(), methods.to_vec())))
            .collect()
    }

    /// The passkeys of a user, by object id or user principal name; none for somebody unknown.
    pub fn methods_of(&self, user: &str) -> Vec<RegisteredMethod> {
        let Some((index, _)) = self.state.directory.user(user) else {
            return Vec::new();
        };
        self.state.registry().of(index).to_vec()
    }

    /// How many passkeys there are.
    pub fn method_count(&self) -> usize {
        self.state.registry().count()
    }

    /// The latest requests (up to 100,000), oldest first, without anything secret.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.state
            .log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .to_vec()
    }

    /// How often what happened since the start.
    pub fn counters(&self) -> Counters {
        *self
            .state
            .counters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Turns a fault on, from the next request.
    pub fn set_fault(&self, fault: Fault) {
        self.state.faults().set(fault);
    }

    /// Turns all faults off.
    pub fn clear_faults(&self) {
        *self.state.faults() = Faults::default();
    }

    /// Makes all access tokens invalid; a new sign-in works.
    pub fn revoke_tokens(&self) {
        self.state.tokens.revoke_all();
    }

    /// Closes the port, so that connections are refused, until [`come_back`](Self::come_back). Nothing is forgotten.
    pub async fn go_down(&self) {
        let server = self.running().take();
        if let Some(server) = server {
            server.stop().await;
        }
    }

    /// Listens again on the same address.
    pub async fn come_back(&self) -> io::Result<()> {
        if self.running().is_none() {
            let listener = server::bind(self.address).await?;
            self.serve(listener);
        }
        Ok(())
    }

    /// Stops the tenant and waits until it has stopped.
    pub async fn shutdown(self) {
        self.go_down().await;
    }

    fn serve(&self, listener: tokio::net::TcpListener) {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server::run(
            listener,
            server::router(Arc::clone(&self.state)),
            stopped,
        ));
        *self.running() = Some(Server { stop, task });
    }

    fn running(&self) -> MutexGuard<'_, Option<Server>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for RehearsalTenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RehearsalTenant")
            .field("base_url", &self.base_url())
            .field("tenant_name", &self.tenant_name())
            .finish_non_exhaustive()
    }
}

/// The task that serves; it ends when the sender is dropped.
struct Server {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Server {
    async fn stop(mut self) {
        drop(self.stop);
        // The port is closed at once; a connection that is kept busy longer is not waited for.
        if tokio::time::timeout(GRACE, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

const GRACE: Duration = Duration::from_secs(2);

/// What the requests of a run share.
pub(crate) struct State {
    pub(crate) base_url: String,
    pub(crate) tenant_name: String,
    pub(crate) tenant_id: Uuid,
    pub(crate) client_id: String,
    pub(crate) client_secret: SecretString,
    pub(crate) directory: Directory,
    pub(crate) models: Models,
    pub(crate) sealer: Sealer,
    pub(crate) tokens: Tokens,
    pub(crate) page_size: usize,
    pub(crate) max_page_size: usize,
    registry: Mutex<Registry>,
    faults: Mutex<Faults>,
    counters: Mutex<Counters>,
    log: Mutex<RequestLog>,
}

impl State {
    fn new(config: &TenantConfig, address: SocketAddr) -> Result<Self, StartError> {
        let [a, b, c] = random::<3>()?;
        let tenant_name = format!("rehearsal-{a:02x}{b:02x}{c:02x}.onmicrosoft.com");
        let mut faults = Faults::default();
        config
            .faults
            .iter()
            .cloned()
            .for_each(|fault| faults.set(fault));
        let models = Models::new(&config.models);
        Ok(Self {
            base_url: format!("http://{address}"),
            directory: Directory::new(config, &tenant_name),
            registry: Mutex::new(existing_passkeys(config, &models)?),
            tenant_name,
            tenant_id: Uuid::new_v4(),
            client_id: Uuid::new_v4().to_string(),
            client_secret: URL_SAFE_NO_PAD.encode(random::<30>()?).into(),
            models,
            sealer: Sealer::new(&random::<32>()?),
            tokens: Tokens::new(config.token_life),
            page_size: config.page_size,
            max_page_size: config.max_page_size,
            faults: Mutex::new(faults),
            counters: Mutex::default(),
            log: Mutex::default(),
        })
    }

    pub(crate) fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn count(&self, change: impl FnOnce(&mut Counters)) {
        change(&mut self.counters.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn record(&self, record: RequestRecord) {
        self.count(|counters| counters.requests += 1);
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(record);
    }

    /// For `GET /rehearsal/state`: who has which passkeys, and the counters. Nothing secret is in it.
    pub(crate) fn report(&self) -> Value {
        let registry = self.registry();
        let users: Vec<Value> = self
            .directory
            .users
            .iter()
            .enumerate()
            .map(|(index, user)| {
                let methods: Vec<&str> = registry.of(index).iter().map(|method| method.id.as_str()).collect();
                json!({
                    "id": user.id, "userPrincipalName": user.user_principal_name, "displayName": user.display_name,
                    "accountEnabled": user.account_enabled, "guest": user.is_guest, "methods": methods
                })
            })
            .collect();
        let groups: Vec<Value> = self
            .directory
            .groups
            .iter()
            .map(|group| json!({"id": group.id, "displayName": group.display_name, "members": group.members.len()}))
            .collect();
        let counters = *self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        json!({
            "tenant": self.tenant_name,
            "userCount": users.len(),
            "methodCount": registry.count(),
            "counters": counters,
            "groups": groups,
            "users": users
        })
    }
}

/// Passkeys from before: credential ids of the lengths that key makers use, so that all padding digits occur.
fn existing_passkeys(config: &TenantConfig, models: &Models) -> Result<Registry, StartError> {
    let mut registry = Registry::default();
    let Ok(aaguid) = EXISTING_MODEL.parse() else {
        return Ok(registry);
    };
    for user in 0..config.existing_passkeys.min(config.users) {
        let length = LENGTHS.get(user % LENGTHS.len()).copied().unwrap_or(16);
        let credential_id: Vec<u8> = random::<64>()?.into_iter().take(length).collect();
        let method = RegisteredMethod {
            id: url_token_encode(&credential_id),
            credential_id,
            display_name: "Old key".to_owned(),
            created: Timestamp::from_second(1_700_000_000).unwrap_or_default(),
            aaguid,
            model: models.name(aaguid).map(str::to_owned),
            attestation_certificates: Vec::new(),
            attested: true,
            synced: false,
            public_key: Vec::new(),
        };
        // Random ids of 16 bytes and more do not collide.
        let _ = registry.add(user, method);
    }
    Ok(registry)
}

const LENGTHS: [usize; 5] = [48, 16, 32, 20, 64];

fn random<const N: usize>() -> Result<[u8; N], StartError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| StartError::Randomness)?;
    Ok(bytes)
}

//! The identity provider as the pipelines see it: no vendor, no wire.

mod entra;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use jiff::Timestamp;
use keywright_webauthn::PublicKeyCredentialCreationOptions;

pub use entra::EntraProvider;

/// A directory that hands out registration challenges for its users and takes credentials for them.
#[async_trait]
pub trait IdentityProvider: Send + Sync {
    /// The name under which the ledger keeps this directory's users; stable across runs.
    fn tenant(&self) -> &str;

    /// Makes sure that requests can be made at all, before anybody is asked to do anything.
    async fn sign_in(&self) -> Result<(), ProviderError>;

    /// Everybody in scope, in the directory's order, page by page.
    fn users(&self) -> BoxStream<'_, Result<Candidate, ProviderError>>;

    /// The keys a user has. `user` is an object id or, where that is not known, a user principal name; so everywhere.
    async fn registered_keys(&self, user: &str) -> Result<Vec<RegisteredKey>, ProviderError>;

    /// Options for one new key, with a challenge that lives `life_minutes` if the provider lets one choose.
    async fn creation_options(
        &self,
        user: &str,
        life_minutes: Option<u32>,
    ) -> Result<IssuedOptions, ProviderError>;

    /// Activates a credential. May be repeated with the same credential while its challenge lives.
    async fn register(
        &self,
        user: &str,
        credential: &NewCredential<'_>,
    ) -> Result<RegisteredKey, ProviderError>;

    /// Removes a key; one that is gone already is no error.
    async fn remove(&self, user: &str, key_id: &str) -> Result<(), ProviderError>;

    /// Whether `key` is the provider's name for the credential.
    fn is_same(&self, key: &RegisteredKey, credential_id: &[u8]) -> bool;

    /// The time by the provider's clock, which decides when a challenge is over.
    fn now(&self) -> Timestamp;

    /// Whether a challenge can outlive the time between the two steps. Where it cannot, step 2 fetches its own.
    fn challenges_keep(&self) -> bool;
}

/// Somebody, or something, in scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Candidate {
    /// A user.
    User(DirectoryUser),
    /// Not a user, or one that cannot be read; passed over with a word.
    Passed {
        /// Object id.
        id: String,
        /// Why.
        reason: String,
    },
}

/// A user of the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryUser {
    /// Object id.
    pub id: String,
    /// User principal name.
    pub upn: String,
    /// Whether the account may sign in, where the directory tells.
    pub enabled: Option<bool>,
    /// Whether this is a guest.
    pub guest: bool,
}

/// A key the provider has on record for a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredKey {
    /// The provider's id of it.
    pub id: String,
    /// The name shown to the user.
    pub label: String,
    /// The model as the provider names it.
    pub model: Option<String>,
    /// When it was registered.
    pub created: Option<Timestamp>,
}

/// Options as they were issued.
#[derive(Debug, Clone)]
pub struct IssuedOptions {
    /// The options.
    pub options: PublicKeyCredentialCreationOptions,
    /// The answer as it was sent, as JSON on one line.
    pub raw: String,
    /// When the challenge ceases to be accepted, by the provider's clock.
    pub expires: Timestamp,
}

/// A credential to be activated.
#[derive(Debug, Clone, Copy)]
pub struct NewCredential<'a> {
    /// The name to show to the user.
    pub label: &'a str,
    /// Credential id.
    pub credential_id: &'a [u8],
    /// Client data as it was signed over.
    pub client_data_json: &'a [u8],
    /// Attestation object.
    pub attestation_object: &'a [u8],
}

/// Why the provider did not do it. The message holds no secret.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ProviderError {
    /// For people: what happened and what to do.
    pub message: String,
    /// For programs: a stable word such as `group_not_found`, or the provider's own code.
    pub code: String,
    /// What it means for everybody else.
    pub reach: Reach,
    /// What is behind it.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// How far a failure reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reach {
    /// Every other request would fail in the same way.
    Everybody,
    /// This user, or this request.
    ThisUser,
    /// This user's registration may have taken effect nevertheless.
    OutcomeUnknown,
}

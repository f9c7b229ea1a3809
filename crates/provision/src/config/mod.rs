//! `configs.json`: the Python scripts' file as they ship it, and our optional keys.

mod read;

use std::path::{Path, PathBuf};

use keywright_graph::{Cloud, GraphConfig, GraphVersion};
use keywright_webauthn::{Aaguid, InvalidAaguid, ModelNames};
use secrecy::SecretString;
use url::Url;

use read::Members;

/// Everything the two steps are told.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file this came from.
    pub path: PathBuf,
    /// `tenantName`: a domain of the tenant, or its id.
    pub tenant_name: String,
    /// `client_id`: the application (client) id.
    pub client_id: String,
    /// `client_secret`, the file named by `clientSecretFile`, or the environment; absent when none of them says.
    pub client_secret: Option<SecretString>,
    /// `usersInScopeGroup`: the group's display name or object id.
    pub users_in_scope_group: String,
    /// `challengeTimeoutInMinutes`, 5 to 43,200.
    pub challenge_timeout_minutes: u32,
    /// `deleteExistingUserFIDOCredentials`.
    pub delete_existing: DeleteExisting,
    /// `useRandomPIN`.
    pub use_random_pin: bool,
    /// `useCTAP21Features`: minimum PIN length and forced PIN change.
    pub ctap21: Ctap21,
    /// `minimumPinLength`: what the key is told to demand, in code points, with `useCTAP21Features`.
    pub minimum_pin_length: u8,
    /// `randomPinLength`, in characters.
    pub random_pin_length: u8,
    /// `randomPinAlphabet`: digits only, or letters too.
    pub random_pin_alphabet: PinAlphabet,
    /// `graphVersion`.
    pub graph_version: GraphVersion,
    /// `cloud`, where it is given.
    pub cloud: Cloud,
    /// `authority`: the sign-in base URL without the tenant.
    pub authority: Url,
    /// `graphEndpoint`: the base URL without the version.
    pub graph_endpoint: Url,
    /// `includeDisabledUsers`: also users whose account is disabled.
    pub include_disabled_users: bool,
    /// `includeGuests`: also guests, whom Entra ID refuses today.
    pub include_guests: bool,
    /// `maxConcurrentRequests` of step 1.
    pub max_concurrent_requests: usize,
    /// `allowedRpIds`: the relying parties for which keys may be made.
    pub allowed_rp_ids: Vec<String>,
    /// `allowedAaguids`: the key models that may be used; all where it is not given.
    pub allowed_aaguids: Vec<Aaguid>,
    /// `deniedAaguids`: the key models that may not be used.
    pub denied_aaguids: Vec<Aaguid>,
    /// The names of key models: those of `metadataBlob`, a FIDO metadata BLOB's file, where it is given, and a table.
    pub models: ModelNames,
    /// `ledger`: the ledger's file, where it is given; relative to the configuration file.
    pub ledger: Option<PathBuf>,
}

/// What becomes of the keys that a user has already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteExisting {
    /// They stay.
    Never,
    /// They are deleted in step 1, before the new key exists: the scripts' meaning of `true`.
    Before,
    /// They are deleted in step 2, once the new key is registered.
    AfterRegistration,
}

/// Whether the key is told to demand a longer PIN and a new one at first use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ctap21 {
    /// It is not.
    Off,
    /// It is; a key that cannot is refused before anything on it is changed.
    Require,
    /// It is where the key can: what the scripts do.
    IfSupported,
}

/// What random PINs are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinAlphabet {
    /// 0 to 9.
    Digits,
    /// Digits and lower-case letters that cannot be mistaken for one another.
    Alphanumeric,
}

/// Why a configuration cannot be used. Every message is one line that names the file and the key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file could not be read.
    #[error("{}: cannot read the configuration: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file is not a JSON object.
    #[error("{}: this is not a JSON object: {detail}", path.display())]
    NotJson {
        /// The file.
        path: PathBuf,
        /// What the JSON reader said, with line and column.
        detail: String,
    },
    /// A key that means nothing to us.
    #[error("{}: unknown key `{key}`{}", path.display(), did_you_mean(nearest))]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// The known key it is most like.
        nearest: Option<&'static str>,
    },
    /// A key that is needed and not there, or empty.
    #[error("{}: the key `{key}` is missing{hint}", path.display())]
    MissingKey {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// What else would do.
        hint: &'static str,
    },
    /// A value of the wrong type.
    #[error("{}: the key `{key}` must be {expected}, not {found}", path.display())]
    WrongType {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// What it must be.
        expected: &'static str,
        /// What it is; never the value itself, which may be a secret.
        found: &'static str,
    },
    /// A value of the right type that cannot be meant.
    #[error("{}: the key `{key}` {problem}", path.display())]
    BadValue {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// What is wrong with it, as the end of a sentence.
        problem: String,
    },
}

impl Config {
    /// Reads `path`. `client_secret` from the environment variable [`CLIENT_SECRET_VARIABLE`] takes precedence.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_path_buf(),
            source,
        })?;
        let secret = std::env::var(CLIENT_SECRET_VARIABLE).ok();
        Self::parse(path, &text, secret.map(SecretString::from))
    }

    /// Reads the text of a file that lies at `path`; `secret` is what the environment says.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn parse(
        path: &Path,
        text: &str,
        secret: Option<SecretString>,
    ) -> Result<Self, ConfigError> {
        let members = Members::parse(path, text, &KNOWN_KEYS)?;
        let cloud = match members.string("cloud")? {
            None => Cloud::Global,
            Some(name) => name.parse().map_err(|_| {
                members.bad(
                    "cloud",
                    format!("is `{name}`; it must be `global`, `usgov`, `usgovdod` or `china`"),
                )
            })?,
        };
        let config = Self {
            path: path.to_path_buf(),
            tenant_name: members.needed("tenantName")?,
            client_id: members.needed("client_id")?,
            client_secret: client_secret(&members, path, secret)?,
            users_in_scope_group: members.needed("usersInScopeGroup")?,
            challenge_timeout_minutes: members
                .integer("challengeTimeoutInMinutes", 5..=43_200)?
                .unwrap_or(DEFAULT_CHALLENGE_TIMEOUT_MINUTES),
            delete_existing: delete_existing(&members)?,
            use_random_pin: members.boolean("useRandomPIN")?.unwrap_or(false),
            ctap21: ctap21(&members)?,
            minimum_pin_length: members.integer("minimumPinLength", 4..=63)?.unwrap_or(6),
            random_pin_length: members.integer("randomPinLength", 4..=63)?.unwrap_or(6),
            random_pin_alphabet: alphabet(&members)?,
            graph_version: graph_version(&members)?,
            authority: members
                .url("authority")?
                .unwrap_or_else(|| cloud.authority()),
            graph_endpoint: members
                .url("graphEndpoint")?
                .unwrap_or_else(|| cloud.graph_endpoint()),
            cloud,
            include_disabled_users: members.boolean("includeDisabledUsers")?.unwrap_or(false),
            include_guests: members.boolean("includeGuests")?.unwrap_or(false),
            max_concurrent_requests: members
                .integer("maxConcurrentRequests", 1..=256)?
                .unwrap_or(16),
            allowed_rp_ids: members
                .strings("allowedRpIds")?
                .unwrap_or_else(|| vec!["login.microsoft.com".to_owned()]),
            allowed_aaguids: aaguids(&members, "allowedAaguids")?,
            denied_aaguids: aaguids(&members, "deniedAaguids")?,
            models: models(&members, path)?,
            ledger: members
                .string("ledger")?
                .map(|ledger| beside(path, Path::new(&ledger))),
        };
        config.check_endpoints(&members)?;
        Ok(config)
    }

    /// The configuration as the Graph client takes it.
    #[must_use]
    pub fn graph(&self) -> GraphConfig {
        let mut graph = GraphConfig::new(&self.tenant_name, &self.client_id);
        graph.authority = self.authority.clone();
        graph.graph_endpoint = self.graph_endpoint.clone();
        graph.version = self.graph_version;
        graph.max_in_flight = self.max_concurrent_requests;
        graph
    }

    /// The tenant goes into a URL, and the scripts' file ships with a placeholder in braces there; plain http is for
    /// loopback addresses only.
    fn check_endpoints(&self, members: &Members<'_>) -> Result<(), ConfigError> {
        use keywright_graph::ConfigError as GraphError;
        let Err(error) = self.graph().check() else {
            return Ok(());
        };
        Err(match error {
            GraphError::Tenant(_) => members.bad(
                "tenantName",
                "must be a domain of your tenant such as contoso.onmicrosoft.com, or the tenant's id"
                    .to_owned(),
            ),
            GraphError::PlainHttp { setting, .. } => members.bad(
                setting,
                "uses plain http, which is allowed to a loopback address only; use https".to_owned(),
            ),
            GraphError::Endpoint {
                setting, problem, ..
            } => members.bad(setting, format!("cannot be used: {problem}")),
            other => members.bad("graphEndpoint", format!("cannot be used: {other}")),
        })
    }
}

/// The environment variable that may hold the client secret.
pub const CLIENT_SECRET_VARIABLE: &str = "KEYWRIGHT_CLIENT_SECRET";

fn client_secret(
    members: &Members<'_>,
    path: &Path,
    environment: Option<SecretString>,
) -> Result<Option<SecretString>, ConfigError> {
    let inline = members.string("client_secret")?.map(SecretString::from);
    let file = members.string("clientSecretFile")?;
    if let Some(secret) = environment {
        return Ok(Some(secret));
    }
    let Some(file) = file else {
        return Ok(inline);
    };
    if inline.is_some() {
        return Err(members.bad(
            "clientSecretFile",
            "stands beside `client_secret`; keep one of the two".to_owned(),
        ));
    }
    let file = beside(path, Path::new(&file));
    let text = std::fs::read_to_string(&file).map_err(|error| {
        members.bad(
            "clientSecretFile",
            format!("names {}, which cannot be read: {error}", file.display()),
        )
    })?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err(members.bad(
            "clientSecretFile",
            format!("names {}, which is empty", file.display()),
        ));
    }
    Ok(Some(SecretString::from(secret)))
}

fn delete_existing(members: &Members<'_>) -> Result<DeleteExisting, ConfigError> {
    let key = "deleteExistingUserFIDOCredentials";
    match members.boolean_or_word(key, "afterRegistration")? {
        None | Some(Ok(false)) => Ok(DeleteExisting::Never),
        Some(Ok(true)) => Ok(DeleteExisting::Before),
        Some(Err(())) => Ok(DeleteExisting::AfterRegistration),
    }
}

fn ctap21(members: &Members<'_>) -> Result<Ctap21, ConfigError> {
    match members.boolean_or_word("useCTAP21Features", "ifSupported")? {
        None | Some(Ok(false)) => Ok(Ctap21::Off),
        Some(Ok(true)) => Ok(Ctap21::Require),
        Some(Err(())) => Ok(Ctap21::IfSupported),
    }
}

fn alphabet(members: &Members<'_>) -> Result<PinAlphabet, ConfigError> {
    match members.string("randomPinAlphabet")?.as_deref() {
        None | Some("digits") => Ok(PinAlphabet::Digits),
        Some("alphanumeric") => Ok(PinAlphabet::Alphanumeric),
        Some(other) => Err(members.bad(
            "randomPinAlphabet",
            format!("is `{other}`; it must be `digits` or `alphanumeric`"),
        )),
    }
}

fn aaguids(members: &Members<'_>, key: &'static str) -> Result<Vec<Aaguid>, ConfigError> {
    members
        .strings(key)?
        .unwrap_or_default()
        .iter()
        .map(|text| {
            text.parse().map_err(|error: InvalidAaguid| {
                members.bad(key, format!("has a wrong entry: {error}"))
            })
        })
        .collect()
}

fn models(members: &Members<'_>, path: &Path) -> Result<ModelNames, ConfigError> {
    let names = ModelNames::default();
    let Some(file) = members.string("metadataBlob")? else {
        return Ok(names);
    };
    let file = beside(path, Path::new(&file));
    let unusable = |problem: String| {
        members.bad(
            "metadataBlob",
            format!("names {}, which cannot be used: {problem}", file.display()),
        )
    };
    let blob = std::fs::read_to_string(&file).map_err(|error| unusable(error.to_string()))?;
    names
        .with_metadata_blob(&blob)
        .map_err(|error| unusable(error.to_string()))
}

fn graph_version(members: &Members<'_>) -> Result<GraphVersion, ConfigError> {
    let Some(version) = members.string("graphVersion")? else {
        return Ok(GraphVersion::Beta);
    };
    version.parse().map_err(|_| {
        members.bad(
            "graphVersion",
            format!("is `{version}`; it must be `beta` or `v1.0`"),
        )
    })
}

fn beside(config: &Path, file: &Path) -> PathBuf {
    config.parent().unwrap_or(Path::new("")).join(file)
}

fn did_you_mean(nearest: &Option<&'static str>) -> String {
    nearest
        .map(|nearest| format!("; did you mean `{nearest}`?"))
        .unwrap_or_default()
}

/// Graph's own default, which is also the least.
const DEFAULT_CHALLENGE_TIMEOUT_MINUTES: u32 = 5;

const KNOWN_KEYS: [&str; 25] = [
    "tenantName",
    "client_id",
    "client_secret",
    "clientSecretFile",
    "usersInScopeGroup",
    "challengeTimeoutInMinutes",
    "deleteExistingUserFIDOCredentials",
    "useRandomPIN",
    "useCTAP21Features",
    "minimumPinLength",
    "randomPinLength",
    "randomPinAlphabet",
    "graphVersion",
    "cloud",
    "authority",
    "graphEndpoint",
    "includeDisabledUsers",
    "includeGuests",
    "maxConcurrentRequests",
    "allowedRpIds",
    "allowedAaguids",
    "deniedAaguids",
    "metadataBlob",
    "ledger",
    "$schema",
];

#[cfg(test)]
mod tests;

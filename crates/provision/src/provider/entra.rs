//! Entra ID through Microsoft Graph.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use jiff::Timestamp;
use keywright_graph::{
    ClientSecret, Error, Fido2Method, GraphClient, GraphEvent, GraphVersion, Member,
    NewFido2Method, Observer, TokenSource, method_ids_for,
};

use super::{
    Candidate, DirectoryUser, IdentityProvider, IssuedOptions, NewCredential, ProviderError, Reach,
    RegisteredKey,
};
use crate::config::{CLIENT_SECRET_VARIABLE, Config};
use crate::event::{Event, Reporter};

/// The users of one group of a tenant, and their passkeys.
pub struct EntraProvider {
    graph: GraphClient,
    tokens: Arc<dyn TokenSource>,
    tenant: String,
    group: String,
}

impl EntraProvider {
    /// Prepares a client; nothing is sent yet. `reporter` hears of pauses and repeated requests.
    ///
    /// # Errors
    /// A [`ProviderError`] when no way to sign in is configured, or an endpoint cannot be used.
    pub fn new(config: &Config, reporter: Arc<dyn Reporter>) -> Result<Self, ProviderError> {
        let Some(secret) = config.client_secret.clone() else {
            return Err(ProviderError {
                message: format!(
                    "{}: the key `client_secret` is missing; put the application's secret there, into the file that \
                     `clientSecretFile` names, or into the environment variable {CLIENT_SECRET_VARIABLE}",
                    config.path.display()
                ),
                code: "no_sign_in".to_owned(),
                reach: Reach::Everybody,
                source: None,
            });
        };
        let graph = config.graph();
        let mut sign_in = graph.clone();
        sign_in.retry.max_attempts = SIGN_IN_ATTEMPTS;
        let tokens: Arc<dyn TokenSource> =
            Arc::new(ClientSecret::new(&sign_in, secret).map_err(provider_error)?);
        Ok(Self {
            graph: GraphClient::new(graph, Arc::clone(&tokens))
                .map_err(provider_error)?
                .with_observer(observer(reporter)),
            tokens,
            tenant: config.tenant_name.to_lowercase(),
            group: config.users_in_scope_group.clone(),
        })
    }
}

#[async_trait]
impl IdentityProvider for EntraProvider {
    fn tenant(&self) -> &str {
        &self.tenant
    }

    async fn sign_in(&self) -> Result<(), ProviderError> {
        self.tokens
            .token(None)
            .await
            .map(drop)
            .map_err(provider_error)
    }

    fn users(&self) -> BoxStream<'_, Result<Candidate, ProviderError>> {
        stream::once(async {
            self.graph
                .group(&self.group)
                .await
                .map(|group| self.graph.members(&group.id))
        })
        .flat_map(|members| match members {
            Ok(members) => members.boxed(),
            Err(error) => stream::once(async { Err(error) }).boxed(),
        })
        .map(|member| member.map(candidate).map_err(in_scope_error))
        .boxed()
    }

    async fn registered_keys(&self, user: &str) -> Result<Vec<RegisteredKey>, ProviderError> {
        let methods = self
            .graph
            .fido2_methods(user)
            .await
            .map_err(provider_error)?;
        Ok(methods.into_iter().map(registered_key).collect())
    }

    async fn creation_options(
        &self,
        user: &str,
        life_minutes: Option<u32>,
    ) -> Result<IssuedOptions, ProviderError> {
        let issued = self
            .graph
            .creation_options(user, life_minutes)
            .await
            .map_err(provider_error)?;
        Ok(IssuedOptions {
            raw: on_one_line(issued.raw),
            options: issued.options,
            expires: issued.expires,
        })
    }

    async fn register(
        &self,
        user: &str,
        credential: &NewCredential<'_>,
    ) -> Result<RegisteredKey, ProviderError> {
        let method = NewFido2Method {
            display_name: credential.label.to_owned(),
            credential_id: credential.credential_id.to_vec(),
            client_data_json: credential.client_data_json.to_vec(),
            attestation_object: credential.attestation_object.to_vec(),
            client_extension_results: serde_json::Map::new(),
        };
        self.graph
            .register_fido2_method(user, &method)
            .await
            .map(registered_key)
            .map_err(provider_error)
    }

    async fn remove(&self, user: &str, key_id: &str) -> Result<(), ProviderError> {
        self.graph
            .delete_fido2_method(user, key_id)
            .await
            .map(drop)
            .map_err(provider_error)
    }

    fn is_same(&self, key: &RegisteredKey, credential_id: &[u8]) -> bool {
        method_ids_for(credential_id).contains(&key.id)
    }

    fn now(&self) -> Timestamp {
        self.graph.server_now()
    }

    fn challenges_keep(&self) -> bool {
        self.graph.config().version == GraphVersion::Beta
    }
}

fn observer(reporter: Arc<dyn Reporter>) -> Observer {
    Arc::new(move |event| match event {
        GraphEvent::Throttled { wait, .. } => reporter.report(Event::Throttled {
            wait_ms: milliseconds(*wait),
        }),
        GraphEvent::Retrying { wait, reason, .. } => reporter.report(Event::Retrying {
            wait_ms: milliseconds(*wait),
            reason: reason.clone(),
        }),
        _ => {}
    })
}

fn milliseconds(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}

fn candidate(member: Member) -> Candidate {
    match member {
        Member::User(user) => Candidate::User(DirectoryUser {
            guest: user.is_guest(),
            enabled: user.account_enabled,
            id: user.id,
            upn: user.user_principal_name,
        }),
        // Without the right to read users Graph tells no more than the id, which is all that the calls need.
        Member::Unreadable { id } => Candidate::User(DirectoryUser {
            upn: id.clone(),
            id,
            enabled: None,
            guest: false,
        }),
        Member::Other { id, odata_type } => Candidate::Passed {
            id,
            reason: format!(
                "it is no user but a {}",
                odata_type.rsplit('.').next().unwrap_or(&odata_type)
            ),
        },
        _ => Candidate::Passed {
            id: String::new(),
            reason: "it is of a kind this version does not know".to_owned(),
        },
    }
}

fn registered_key(method: Fido2Method) -> RegisteredKey {
    RegisteredKey {
        id: method.id,
        label: method.display_name.unwrap_or_default(),
        model: method.model.filter(|model| !model.is_empty()),
        created: method.created,
    }
}

/// Whatever goes wrong before there are users concerns all of them.
fn in_scope_error(error: Error) -> ProviderError {
    ProviderError {
        reach: Reach::Everybody,
        ..provider_error(error)
    }
}

fn provider_error(error: Error) -> ProviderError {
    let reach = if error.outcome_unknown() {
        Reach::OutcomeUnknown
    } else if error.is_tenant_wide() {
        Reach::Everybody
    } else {
        Reach::ThisUser
    };
    let code = match (&error, error.code()) {
        (_, Some(code)) => code.to_owned(),
        (Error::SignIn(_), _) => "sign_in_failed".to_owned(),
        (Error::GroupNotFound { .. }, _) => "group_not_found".to_owned(),
        (Error::GroupAmbiguous { .. }, _) => "group_ambiguous".to_owned(),
        (Error::Network(_), _) => "network".to_owned(),
        (Error::Config(_), _) => "configuration".to_owned(),
        _ => "unexpected_answer".to_owned(),
    };
    ProviderError {
        message: error.to_string(),
        code,
        reach,
        source: Some(Box::new(error)),
    }
}

/// A CSV cell without line breaks survives more tools than one with them.
fn on_one_line(raw: String) -> String {
    if !raw.contains(['\n', '\r']) {
        return raw;
    }
    let compact = serde_json::from_str::<serde_json::Value>(&raw).map(|value| value.to_string());
    compact.unwrap_or(raw)
}

/// Nobody is told of a sign-in that is tried again, so it is not tried for long.
const SIGN_IN_ATTEMPTS: u32 = 4;

//! Where the tenant is, and how hard to try.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use url::{Host, Url};

use crate::cloud::Cloud;

/// Everything that says which tenant of which cloud is meant and how patiently it is asked. Holds no secret.
///
/// It is checked by [`GraphClient::new`](crate::GraphClient::new) and [`ClientSecret::new`](crate::ClientSecret::new).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GraphConfig {
    /// Directory (tenant) id, or one of the tenant's verified domain names.
    pub tenant: String,
    /// Application (client) id of the app registration.
    pub client_id: String,
    /// Sign-in base URL without the tenant, for example `https://login.microsoftonline.com`.
    pub authority: Url,
    /// Graph base URL without the version, for example `https://graph.microsoft.com`.
    pub graph_endpoint: Url,
    /// Which of the two Graph contracts is used.
    pub version: GraphVersion,
    /// How many requests may be under way at once. While Graph throttles, fewer are.
    pub max_in_flight: usize,
    /// Time limit for establishing a connection.
    pub connect_timeout: Duration,
    /// Time limit for one request, from connecting to the last byte of the answer.
    pub request_timeout: Duration,
    /// When to give up on an operation that fails for passing reasons.
    pub retry: RetryPolicy,
}

impl GraphConfig {
    /// The global cloud, beta, with defaults fit for the published limits of Microsoft Graph.
    pub fn new(tenant: impl Into<String>, client_id: impl Into<String>) -> Self {
        Self {
            tenant: tenant.into(),
            client_id: client_id.into(),
            authority: Cloud::Global.authority(),
            graph_endpoint: Cloud::Global.graph_endpoint(),
            version: GraphVersion::default(),
            max_in_flight: 8,
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(60),
            retry: RetryPolicy::default(),
        }
    }

    /// The same, with the endpoints of `cloud`.
    #[must_use]
    pub fn with_cloud(mut self, cloud: Cloud) -> Self {
        self.authority = cloud.authority();
        self.graph_endpoint = cloud.graph_endpoint();
        self
    }

    /// The cloud whose Graph endpoint this is; `None` for an endpoint of one's own.
    pub fn cloud(&self) -> Option<Cloud> {
        Cloud::ALL
            .into_iter()
            .find(|cloud| cloud.graph_endpoint().origin() == self.graph_endpoint.origin())
    }

    /// Says what is wrong with the configuration, if anything is.
    pub fn check(&self) -> Result<(), ConfigError> {
        check_tenant(&self.tenant)?;
        if self.client_id.trim().is_empty() {
            return Err(ConfigError::EmptyClientId);
        }
        check_endpoint("authority", &self.authority)?;
        check_endpoint("graphEndpoint", &self.graph_endpoint)?;
        if self.max_in_flight == 0 {
            return Err(ConfigError::NothingInFlight);
        }
        Ok(())
    }
}

/// The two Graph contracts (they differ in more than the path).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum GraphVersion {
    /// Preview; a challenge can live 5 to 43,200 minutes, which the two-step flow needs.
    #[default]
    Beta,
    /// Generally available; a challenge always lives 5 minutes.
    V1,
}

impl GraphVersion {
    /// The path segment: `beta` or `v1.0`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Beta => "beta",
            Self::V1 => "v1.0",
        }
    }
}

impl fmt::Display for GraphVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for GraphVersion {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        match text {
            "beta" => Ok(Self::Beta),
            "v1.0" => Ok(Self::V1),
            _ => Err(ConfigError::UnknownVersion(text.to_owned())),
        }
    }
}

/// Bounds for repeating what failed for a passing reason (429, 502, 503, 504, network).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// Requests of one operation altogether, the first included.
    pub max_attempts: u32,
    /// No further attempt is made when it would start later than this after the first failure.
    ///
    /// A `Retry-After` beyond it ends the operation at once.
    pub max_elapsed: Duration,
    /// First wait when the server does not say how long to wait; doubles with every further attempt.
    pub base_delay: Duration,
    /// Longest such wait.
    pub max_delay: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 10,
            max_elapsed: Duration::from_secs(300),
            base_delay: Duration::from_millis(500),
            max_delay: Duration::from_secs(30),
        }
    }
}

/// What is wrong with a [`GraphConfig`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Not a directory id and not a domain name.
    #[error(
        "tenant {0:?} is neither a directory (tenant) id nor a domain name such as contoso.onmicrosoft.com"
    )]
    Tenant(String),
    /// No application id.
    #[error("the application (client) id is empty")]
    EmptyClientId,
    /// Plain HTTP would show the client secret or the token to the network.
    #[error(
        "{setting} {url} is plain http; only https is accepted, except to a loopback address such as http://127.0.0.1:8080"
    )]
    PlainHttp {
        /// `authority` or `graphEndpoint`.
        setting: &'static str,
        /// The URL, as configured.
        url: Url,
    },
    /// A URL that cannot be a base: user name, query or fragment in it, or another scheme.
    #[error("{setting} {host:?} cannot be used: {problem}")]
    Endpoint {
        /// `authority` or `graphEndpoint`.
        setting: &'static str,
        /// Its host.
        host: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// `max_in_flight` is 0.
    #[error("max_in_flight is 0; at least one request must be allowed")]
    NothingInFlight,
    /// Not `beta` and not `v1.0`.
    #[error("Graph version {0:?} is not known; use \"beta\" or \"v1.0\"")]
    UnknownVersion(String),
    /// Not the name of a cloud.
    #[error("cloud {0:?} is not known; use \"global\", \"usgov\", \"usgovdod\" or \"china\"")]
    UnknownCloud(String),
    /// The TLS set-up failed, for example because the system has no root certificates.
    #[error(
        "TLS could not be set up for {host}: {problem} (are the system's CA certificates installed?)"
    )]
    Tls {
        /// The host that was to be reached.
        host: String,
        /// What the TLS library says.
        problem: String,
    },
}

/// Whether `url` names this very machine by address (or as `localhost`), so that nothing leaves it.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        None => false,
    }
}

fn check_tenant(tenant: &str) -> Result<(), ConfigError> {
    let plausible = !tenant.is_empty()
        && tenant.len() <= 253
        && tenant
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
        && tenant.split('.').all(|label| !label.is_empty());
    if plausible {
        Ok(())
    } else {
        Err(ConfigError::Tenant(tenant.to_owned()))
    }
}

fn check_endpoint(setting: &'static str, url: &Url) -> Result<(), ConfigError> {
    let refuse = |problem| {
        Err(ConfigError::Endpoint {
            setting,
            host: url.host_str().unwrap_or_default().to_owned(),
            problem,
        })
    };
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("it holds a user name or password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return refuse("a base URL has no query and no fragment");
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(url) => Ok(()),
        "http" => Err(ConfigError::PlainHttp {
            setting,
            url: url.clone(),
        }),
        _ => refuse("its scheme is neither https nor http"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_only_to_loopback() {
        let with = |url: &str| {
            let mut config = GraphConfig::new("contoso.com", "app");
            config.authority = Url::parse(url).unwrap();
            config.check()
        };
        for url in [
            "http://127.0.0.1:1",
            "http://127.8.9.1",
            "http://[::1]:80",
            "http://localhost:9",
            "https://10.0.0.1",
        ] {
            assert_eq!(with(url), Ok(()), "{url}");
        }
        for url in [
            "http://login.microsoftonline.com",
            "http://10.0.0.1",
            "http://127.0.0.1.evil.test",
            "http://localhost.test",
        ] {
            assert!(
                matches!(
                    with(url),
                    Err(ConfigError::PlainHttp {
                        setting: "authority",
                        ..
                    })
                ),
                "{url}"
            );
        }
        for url in [
            "ftp://127.0.0.1",
            "https://a:b@login.test",
            "https://login.test/?x=1",
            "https://login.test/#x",
        ] {
            assert!(
                matches!(with(url), Err(ConfigError::Endpoint { .. })),
                "{url}"
            );
        }
    }

    #[test]
    fn a_tenant_cannot_smuggle_a_path() {
        for tenant in [
            "contoso.onmicrosoft.com",
            "0f8fad5b-d9cb-469f-a165-70867728950e",
            "common",
        ] {
            assert_eq!(GraphConfig::new(tenant, "app").check(), Ok(()));
        }
        for tenant in ["", "a/b", "..", "a..b", "contoso.com?x", "a b", "ä.de"] {
            assert_eq!(
                GraphConfig::new(tenant, "app").check(),
                Err(ConfigError::Tenant(tenant.into()))
            );
        }
    }

    #[test]
    fn other_settings_are_checked() {
        assert_eq!(
            GraphConfig::new("a.b", " ").check(),
            Err(ConfigError::EmptyClientId)
        );
        let mut config = GraphConfig::new("a.b", "app");
        config.max_in_flight = 0;
        assert_eq!(config.check(), Err(ConfigError::NothingInFlight));
        assert_eq!("v1.0".parse(), Ok(GraphVersion::V1));
        assert!("v2".parse::<GraphVersion>().is_err());
    }
}

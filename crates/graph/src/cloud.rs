//! The national clouds and their endpoints.

use std::fmt;
use std::str::FromStr;

use url::Url;

use crate::config::ConfigError;

/// A national cloud of Microsoft Entra.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Cloud {
    /// Worldwide, GCC included.
    #[default]
    Global,
    /// US Government L4 (GCC High).
    UsGov,
    /// US Government L5 (DoD).
    UsGovDod,
    /// China, operated by 21Vianet.
    China,
}

impl Cloud {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Global, Self::UsGov, Self::UsGovDod, Self::China];

    /// The name used in configuration files: `global`, `usgov`, `usgovdod` or `china`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::UsGov => "usgov",
            Self::UsGovDod => "usgovdod",
            Self::China => "china",
        }
    }

    /// Sign-in base URL, without the tenant.
    pub fn authority(self) -> Url {
        known_https(match self {
            Self::Global => "login.microsoftonline.com",
            Self::UsGov | Self::UsGovDod => "login.microsoftonline.us",
            Self::China => "login.chinacloudapi.cn",
        })
    }

    /// Graph base URL, without the version.
    pub fn graph_endpoint(self) -> Url {
        known_https(match self {
            Self::Global => "graph.microsoft.com",
            Self::UsGov => "graph.microsoft.us",
            Self::UsGovDod => "dod-graph.microsoft.us",
            Self::China => "microsoftgraph.chinacloudapi.cn",
        })
    }

    /// Whether Microsoft documents `creationOptions` as available in this cloud.
    ///
    /// Elsewhere the calls may fail with 404 or 405; a caller should say so before touching a key.
    pub fn supports_provisioning(self) -> bool {
        matches!(self, Self::Global)
    }
}

impl fmt::Display for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Cloud {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        Self::ALL
            .into_iter()
            .find(|cloud| cloud.as_str() == text)
            .ok_or_else(|| ConfigError::UnknownCloud(text.to_owned()))
    }
}

fn known_https(host: &'static str) -> Url {
    #[expect(
        clippy::expect_used,
        reason = "the hosts above are constants of this module, and a test visits them all"
    )]
    Url::parse(&format!("https://{host}")).expect("a host name makes a URL")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::GraphConfig;

    #[test]
    fn every_cloud_has_its_endpoints_and_its_name() {
        for cloud in Cloud::ALL {
            let config = GraphConfig::new("contoso.com", "app").with_cloud(cloud);
            assert_eq!(config.check(), Ok(()));
            assert_eq!(config.cloud(), Some(cloud));
            assert_eq!(cloud.to_string().parse(), Ok(cloud));
        }
        assert_eq!(
            Cloud::UsGovDod.graph_endpoint().as_str(),
            "https://dod-graph.microsoft.us/"
        );
        assert_eq!(
            Cloud::China.authority().as_str(),
            "https://login.chinacloudapi.cn/"
        );
        assert!(Cloud::Global.supports_provisioning());
        assert!(!Cloud::UsGov.supports_provisioning());
        assert_eq!(
            "mars".parse::<Cloud>(),
            Err(ConfigError::UnknownCloud("mars".into()))
        );
    }
}

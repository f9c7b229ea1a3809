//! The client: what all calls share.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use url::Url;

use crate::config::GraphConfig;
use crate::error::Result;
use crate::event::{GraphEvent, Observer};
use crate::pace::Gate;
use crate::token::TokenSource;
use crate::{transport, uri};

/// A client for the Graph calls this crate knows. Cheap to clone; all clones share connections, pace and token.
#[derive(Clone)]
pub struct GraphClient {
    pub(crate) inner: Arc<Inner>,
    observer: Option<Observer>,
}

pub(crate) struct Inner {
    pub(crate) config: GraphConfig,
    pub(crate) http: reqwest::Client,
    pub(crate) tokens: Arc<dyn TokenSource>,
    pub(crate) gate: Gate,
    /// Whether this tenant refused the documented form of `creationOptions` and took the older one.
    pub(crate) query_form: AtomicBool,
}

impl GraphClient {
    /// Prepares a client; nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) when the configuration cannot work, or TLS cannot be set up.
    pub fn new(config: GraphConfig, tokens: Arc<dyn TokenSource>) -> Result<Self> {
        config.check()?;
        let http = transport::client(&config.graph_endpoint, &config)?;
        let gate = Gate::new(config.max_in_flight);
        let query_form = AtomicBool::new(false);
        Ok(Self {
            inner: Arc::new(Inner {
                config,
                http,
                tokens,
                gate,
                query_form,
            }),
            observer: None,
        })
    }

    /// The same client, telling `observer` when it waits.
    #[must_use]
    pub fn with_observer(mut self, observer: Observer) -> Self {
        self.observer = Some(observer);
        self
    }

    /// The configuration.
    pub fn config(&self) -> &GraphConfig {
        &self.inner.config
    }

    pub(crate) fn tell(&self, event: &GraphEvent) {
        if let Some(observer) = &self.observer {
            observer(event);
        }
    }

    /// `{graph}/{version}/…`, with encoded segments.
    pub(crate) fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.inner.config.graph_endpoint.clone();
        uri::extend(&mut url, &[self.inner.config.version.as_str()]);
        uri::extend(&mut url, segments);
        url
    }
}

impl fmt::Debug for GraphClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphClient")
            .field("config", &self.inner.config)
            .finish_non_exhaustive()
    }
}

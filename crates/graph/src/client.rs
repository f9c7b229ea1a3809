//! The client: what all calls share.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use url::Url;

use crate::config::GraphConfig;
use crate::error::Result;
use crate::event::{GraphEvent, Observer};
use crate::pace::Gate;
use crate::token::TokenSource;
use crate::transport::Answer;
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
    /// How far the server's clock is ahead of the local one, in milliseconds, by the newest answer.
    clock_lead: AtomicI64,
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
                clock_lead: AtomicI64::new(0),
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

    /// The time by the server's clock, as far as answers so far have told it; it decides when a challenge is over.
    pub fn server_now(&self) -> Timestamp {
        let lead = SignedDuration::from_millis(self.inner.clock_lead.load(Ordering::Relaxed));
        Timestamp::now()
            .saturating_add(lead)
            .unwrap_or(Timestamp::MAX)
    }

    /// Sets the server's clock by an answer.
    pub(crate) fn set_clock(&self, answer: &Answer) {
        if let Some(server) = answer.date() {
            let lead = server.duration_since(answer.received).as_millis();
            // `Date` has whole seconds: what is less than that apart is not apart.
            let lead = i64::try_from(lead).unwrap_or(0);
            let lead = if lead.abs() < 1_500 { 0 } else { lead };
            self.inner.clock_lead.store(lead, Ordering::Relaxed);
        }
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

//! The tenant over the wire, seen with nothing but an HTTP client and a small authenticator.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

mod authenticator;
mod directory;
mod faults;
mod options;
mod register;
mod scale;
mod sign_in;

use keywright_rehearsal_tenant::{RehearsalTenant, TenantConfig};
use reqwest::{Client, RequestBuilder, StatusCode};
use secrecy::ExposeSecret;
use serde_json::Value;

/// A tenant and a client that has signed in.
struct Rehearsal {
    tenant: RehearsalTenant,
    http: Client,
    token: String,
}

impl Rehearsal {
    async fn start(config: TenantConfig) -> Self {
        let tenant = RehearsalTenant::start(config, "127.0.0.1:0".parse().unwrap())
            .await
            .unwrap();
        let http = Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .build()
            .unwrap();
        let mut rehearsal = Self {
            tenant,
            http,
            token: String::new(),
        };
        rehearsal.sign_in().await;
        rehearsal
    }

    async fn sign_in(&mut self) {
        let (status, body) = self.ask_for_token(&[]).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        self.token = body["access_token"].as_str().unwrap().to_owned();
    }

    /// The token endpoint's answer to a right request with `changes`; an empty value removes the parameter.
    async fn ask_for_token(&self, changes: &[(&str, &str)]) -> (StatusCode, Value) {
        let scope = format!("{}/.default", self.tenant.base_url());
        let mut form = std::collections::BTreeMap::from([
            ("grant_type", "client_credentials"),
            ("client_id", self.tenant.client_id()),
            ("client_secret", self.tenant.client_secret().expose_secret()),
            ("scope", &scope),
        ]);
        for (name, value) in changes {
            if value.is_empty() {
                form.remove(name)
            } else {
                form.insert(name, value)
            };
        }
        let url = format!(
            "{}/{}/oauth2/v2.0/token",
            self.tenant.base_url(),
            self.tenant.tenant_name()
        );
        answer(self.http.post(url).form(&form)).await
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.tenant.base_url())
    }

    fn request(&self, method: reqwest::Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, self.url(path))
            .bearer_auth(&self.token)
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        answer(self.request(reqwest::Method::GET, path)).await
    }

    async fn delete(&self, path: &str) -> (StatusCode, Value) {
        answer(self.request(reqwest::Method::DELETE, path)).await
    }

    async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        answer(self.request(reqwest::Method::POST, path).json(body)).await
    }

    /// Path of a user's methods on beta.
    fn methods_path(&self, user: usize) -> String {
        format!(
            "/beta/users/{}/authentication/fido2Methods",
            self.tenant.users()[user].id
        )
    }

    async fn options(&self, user: usize) -> Value {
        let path = format!(
            "{}/creationOptions(challengeTimeoutInMinutes=60)",
            self.methods_path(user)
        );
        let (status, body) = self.get(&path).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body
    }

    async fn group_id(&self, name: &str) -> String {
        let filter = format!("displayName eq '{}'", name.replace('\'', "''"));
        let request = self
            .request(reqwest::Method::GET, "/beta/groups")
            .query(&[("$filter", filter.as_str())]);
        let (_, body) = answer(request).await;
        body["value"][0]["id"].as_str().unwrap().to_owned()
    }
}

async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    let status = response.status();
    let text = response.text().await.unwrap();
    (
        status,
        if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).unwrap()
        },
    )
}

/// Code and message of Graph's envelope, after a look at the rest of it.
fn error(body: &Value) -> (&str, &str) {
    let inner = &body["error"]["innerError"];
    assert!(
        inner["request-id"].is_string()
            && inner["client-request-id"].is_string()
            && inner["date"].is_string(),
        "{body}"
    );
    (
        body["error"]["code"].as_str().unwrap(),
        body["error"]["message"].as_str().unwrap(),
    )
}

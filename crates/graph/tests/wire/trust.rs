//! TLS and proxies: what a loopback server needs, and what any other must have.

use std::process::Command;

use keywright_graph::{ConfigError, GraphClient};

use crate::*;

/// Run again by the test below, in a process whose environment names no certificates and a proxy that does not exist.
#[tokio::test]
#[ignore = "needs the environment that loopback_needs_neither_certificates_nor_the_proxy makes"]
async fn in_a_bare_environment() {
    let (server, client) = tenant().await;
    on("GET", &user_path(), user_answer()).mount(&server).await;
    client.user(USER).await.unwrap();

    if cfg!(target_os = "linux") {
        let tokens = ClientSecret::new(&config(&server), SECRET.into()).unwrap();
        let error = GraphClient::new(GraphConfig::new("contoso.test", "app"), Arc::new(tokens))
            .unwrap_err();
        let is_tls = matches!(&error, keywright_graph::Error::Config(ConfigError::Tls { host, .. }) if host == "graph.microsoft.com");
        assert!(is_tls, "{error:?}");
        assert!(
            error
                .to_string()
                .contains("are the system's CA certificates installed?"),
            "{error}"
        );
    }
}

#[test]
fn loopback_needs_neither_certificates_nor_the_proxy() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "trust::in_a_bare_environment", "--ignored"])
        .env("SSL_CERT_FILE", "/nonexistent/cert.pem")
        .env("SSL_CERT_DIR", "/nonexistent/certs")
        .env("HTTP_PROXY", "http://127.0.0.1:1")
        .env("http_proxy", "http://127.0.0.1:1")
        .env("ALL_PROXY", "http://127.0.0.1:1")
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn plain_http_is_refused_before_anything_is_sent() {
    let mut config = GraphConfig::new("contoso.test", "app");
    config.graph_endpoint = "http://graph.contoso.test".parse().unwrap();
    let error = ClientSecret::new(&config, SECRET.into()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("graphEndpoint http://graph.contoso.test/ is plain http"),
        "{error}"
    );
    assert_discreet(&error);
}

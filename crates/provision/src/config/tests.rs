use secrecy::ExposeSecret as _;

use super::*;

/// As the scripts ship it, with the blanks filled in.
const SCRIPTS: &str = r#"{
    "tenantName": "contoso.onmicrosoft.com",
    "client_id": "0d5b1f10-0000-0000-0000-000000000000",
    "client_secret": "s3cret",
    "usersInScopeGroup": "GroupName",
    "challengeTimeoutInMinutes": 60,
    "deleteExistingUserFIDOCredentials": false,        
    "useRandomPIN": false,
    "useCTAP21Features": false
}
"#;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(Path::new("configs.json"), text, None)
}

fn message(from: &str, to: &str) -> String {
    let text = SCRIPTS.replace(from, to);
    assert_ne!(text, SCRIPTS);
    let message = parse(&text).unwrap_err().to_string();
    assert!(
        !message.contains('\n') && !message.contains("s3cret"),
        "{message}"
    );
    message
}

#[test]
fn the_scripts_file_works_unchanged() {
    let config = parse(SCRIPTS).unwrap();
    assert_eq!(config.challenge_timeout_minutes, 60);
    assert_eq!(config.delete_existing, DeleteExisting::Never);
    assert_eq!(config.ctap21, Ctap21::Off);
    assert_eq!(
        config.authority.as_str(),
        "https://login.microsoftonline.com/"
    );
    assert_eq!(
        config.graph_endpoint.as_str(),
        "https://graph.microsoft.com/"
    );
    assert_eq!(config.graph_version, GraphVersion::Beta);
    assert_eq!(config.client_secret.unwrap().expose_secret(), "s3cret");
}

#[test]
fn an_unknown_key_names_the_nearest() {
    assert_eq!(
        message("useRandomPIN", "useRandomPin"),
        "configs.json: unknown key `useRandomPin`; did you mean `useRandomPIN`?"
    );
    assert_eq!(
        message("client_id", "clientId"),
        "configs.json: unknown key `clientId`; did you mean `client_id`?"
    );
    assert_eq!(
        message("\"useRandomPIN\"", "\"colour\""),
        "configs.json: unknown key `colour`; did you mean `cloud`?"
    );
}

#[test]
fn a_missing_key_is_named() {
    assert_eq!(
        message("\"tenantName\": \"contoso.onmicrosoft.com\",", ""),
        "configs.json: the key `tenantName` is missing"
    );
    assert_eq!(
        message("0d5b1f10-0000-0000-0000-000000000000", " "),
        "configs.json: the key `client_id` is missing"
    );
    assert!(
        parse(&SCRIPTS.replace("s3cret", ""))
            .unwrap()
            .client_secret
            .is_none()
    );
}

#[test]
fn a_wrong_type_is_named() {
    assert_eq!(
        message("\"useRandomPIN\": false", "\"useRandomPIN\": \"false\""),
        "configs.json: the key `useRandomPIN` must be true or false, not a string"
    );
    assert_eq!(
        message("60", "\"60\""),
        "configs.json: the key `challengeTimeoutInMinutes` must be a whole number, not a string"
    );
    assert_eq!(
        message("\"s3cret\"", "5"),
        "configs.json: the key `client_secret` must be a string, not a number"
    );
    assert_eq!(
        message("60", "4"),
        "configs.json: the key `challengeTimeoutInMinutes` is 4; it must be a whole number from 5 to 43200"
    );
    assert_eq!(
        message(
            "\"deleteExistingUserFIDOCredentials\": false",
            "\"deleteExistingUserFIDOCredentials\": \"later\""
        ),
        "configs.json: the key `deleteExistingUserFIDOCredentials` must be true, false or \"afterRegistration\""
    );
    assert!(
        message("contoso.onmicrosoft.com", "{tenantName}.onmicrosoft.com")
            .contains("`tenantName` must be a domain")
    );
    assert!(
        parse("[]")
            .unwrap_err()
            .to_string()
            .contains("not a JSON object: it holds a list")
    );
    assert!(
        parse("{")
            .unwrap_err()
            .to_string()
            .contains("line 1 column 1")
    );
}

#[test]
fn plain_http_is_for_loopback_only() {
    let with =
        |url: &str| parse(&SCRIPTS.replacen('{', &format!("{{ \"authority\": \"{url}\","), 1));
    assert!(with("http://127.0.0.1:8080").is_ok());
    assert!(with("http://localhost:8080/x").is_ok());
    let refused = with("http://login.example.com").unwrap_err().to_string();
    assert!(refused.contains("`authority` uses plain http"), "{refused}");
    assert!(with("http://127.0.0.1.example.com").is_err());
}

#[test]
fn the_environment_has_the_last_word_on_the_secret() {
    let config = Config::parse(
        Path::new("c.json"),
        SCRIPTS,
        Some("other".to_owned().into()),
    )
    .unwrap();
    assert_eq!(
        config.client_secret.as_ref().unwrap().expose_secret(),
        "other"
    );
    assert!(!format!("{config:?}").contains("other"));
}

#[test]
fn a_secret_file_is_read_and_its_absence_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("configs.json");
    std::fs::write(directory.path().join("secret"), "from-file\n").unwrap();
    let text = SCRIPTS.replace(
        "\"client_secret\": \"s3cret\"",
        "\"clientSecretFile\": \"secret\"",
    );
    let config = Config::parse(&path, &text, None).unwrap();
    assert_eq!(config.client_secret.unwrap().expose_secret(), "from-file");
    let text = text.replace("\"secret\"", "\"nowhere\"");
    let error = Config::parse(&path, &text, None).unwrap_err().to_string();
    assert!(error.contains("`clientSecretFile` names"), "{error}");
}

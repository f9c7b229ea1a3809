//! Sign-in errors of Microsoft Entra: `AADSTS` codes, each with what an administrator can do about it.

use std::fmt;

/// The token endpoint refused, or could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignInError {
    /// The number behind `AADSTS`, for example 7000215; `None` when the answer has none.
    pub code: Option<u32>,
    /// OAuth 2.0 error, for example `invalid_client`; empty when the answer is not an OAuth error.
    pub error: String,
    /// First line of what the endpoint says, without codes and ids.
    pub description: String,
    /// HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// Entra's id of the request, by which Microsoft support finds it.
    pub trace_id: Option<String>,
    /// The id that connects the requests of one sign-in.
    pub correlation_id: Option<String>,
}

impl SignInError {
    /// What to do about it, as a sentence, for the codes that are known.
    pub fn advice(&self) -> Option<&'static str> {
        self.code.and_then(advice)
    }

    /// Whether trying again later may help.
    pub fn is_transient(&self) -> bool {
        match self.code {
            Some(code) => TRANSIENT.contains(&code),
            None => self
                .status
                .is_none_or(|status| matches!(status, 429 | 500 | 502 | 503 | 504)),
        }
    }
}

impl fmt::Display for SignInError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sign-in failed: ")?;
        if let Some(advice) = self.advice() {
            write!(f, "{advice} ")?;
        }
        match (self.code, self.description.as_str()) {
            (Some(code), "") => write!(f, "(AADSTS{code})")?,
            (Some(code), description) => write!(f, "(AADSTS{code}: {description})")?,
            (None, description) => f.write_str(description)?,
        }
        if let Some(trace_id) = &self.trace_id {
            write!(f, " [trace id {trace_id}]")?;
        }
        Ok(())
    }
}

impl std::error::Error for SignInError {}

/// Splits `AADSTS7000215: Invalid client secret provided. …\r\nTrace ID: …` into the code and the sentence.
pub(crate) fn split_description(description: &str) -> (Option<u32>, String) {
    let first_line = description.lines().next().unwrap_or_default();
    let first_line = first_line
        .split(" Trace ID:")
        .next()
        .unwrap_or_default()
        .trim();
    let Some(rest) = first_line.strip_prefix("AADSTS") else {
        return (None, first_line.to_owned());
    };
    let digits = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (number, sentence) = rest.split_at(digits);
    (
        number.parse().ok(),
        sentence.trim_start_matches([':', ' ']).to_owned(),
    )
}

/// Codes of passing troubles of the service.
const TRANSIENT: [u32; 5] = [90055, 50033, 90006, 90024, 90033];

fn advice(code: u32) -> Option<&'static str> {
    Some(match code {
        700_016 | 700_011 => {
            "The tenant has no application with this client_id: check client_id, and that the app registration is in this tenant."
        }
        7_000_215 => {
            "The client secret is wrong: use the secret's value (not its id) from the app registration under Certificates & secrets."
        }
        7_000_222 => {
            "The client secret has expired: create a new one in the app registration under Certificates & secrets."
        }
        70_002 => "The client credentials are not valid: check client_id and the client secret.",
        700_027 => {
            "The certificate used to sign in is not registered with the application, or the signature is wrong: upload the certificate to the app registration."
        }
        700_024 | 500_133 => {
            "The client assertion is outside its time window: check this computer's clock and the assertion's life."
        }
        50_027 => "The token used to sign in is malformed: check how the client assertion is made.",
        700_025 => {
            "The application is a public client, which must not send a secret: register it as a confidential client (web) or turn off public client flows."
        }
        7_000_218 => {
            "The request has neither a client secret nor a client assertion: configure the client secret, or allow public client flows."
        }
        90_002 => {
            "The tenant was not found: check tenantName, and that the cloud is the right one (global, usgov, usgovdod, china)."
        }
        900_432 | 90_038 => {
            "The tenant belongs to another national cloud: set cloud (or authority and graphEndpoint) to the one it lives in."
        }
        65_001 => {
            "Nobody has consented to the application's permissions: an administrator must grant admin consent in the app registration under API permissions."
        }
        650_057 | 500_011 => {
            "The application may not ask for this resource: check graphEndpoint, and add Microsoft Graph under API permissions."
        }
        70_011 | 28_002 => {
            "The scope is not valid: graphEndpoint must be the Graph base URL of the tenant's cloud."
        }
        50_076 | 50_079 | 50_074 => {
            "Multi-factor authentication is required: this flow cannot do it, use an application credential that the policy allows."
        }
        53_000 | 53_001 | 53_003 | 50_097 | 50_131 => {
            "A Conditional Access policy blocks the sign-in: check the policies for workload identities, and from where the application may sign in."
        }
        50_105 => {
            "The application requires an assignment which is missing: assign it under Enterprise applications, Users and groups."
        }
        70_043 | 700_082 | 50_173 | 70_008 => {
            "The sign-in has expired or was revoked: sign in again."
        }
        70_016 | 70_018 | 70_019 => {
            "The sign-in with a device code was not completed in time: start again."
        }
        50_196 => {
            "Entra sees a client that asks for the same token in a loop: wait some minutes, and run one instance only."
        }
        90_055 | 50_033 | 90_006 | 90_024 | 90_033 => {
            "Entra has a passing problem: try again in some minutes."
        }
        50_020 => "The account belongs to another tenant: check tenantName.",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_and_the_sentence_are_told_apart() {
        assert_eq!(
            split_description(
                "AADSTS7000215: Invalid client secret provided. Ensure the secret.\r\nTrace ID: 1\r\nCorrelation ID: 2"
            ),
            (
                Some(7_000_215),
                "Invalid client secret provided. Ensure the secret.".to_owned()
            )
        );
        assert_eq!(
            split_description("AADSTS90002: Tenant. Trace ID: 1").1,
            "Tenant."
        );
        assert_eq!(split_description("no code"), (None, "no code".to_owned()));
        assert_eq!(
            split_description("AADSTS99999999999999: x"),
            (None, "x".to_owned())
        );
        assert_eq!(split_description(""), (None, String::new()));
    }

    #[test]
    fn every_transient_code_has_advice() {
        for code in TRANSIENT {
            assert!(
                advice(code).is_some_and(|text| text.contains("try again")),
                "{code}"
            );
        }
    }
}

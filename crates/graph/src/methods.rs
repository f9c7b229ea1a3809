//! `users/{id}/authentication/fido2Methods`: list, delete, options, register.

use std::sync::atomic::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::TryStreamExt;
use jiff::{SignedDuration, Timestamp};
use keywright_webauthn::PublicKeyCredentialCreationOptions;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::client::GraphClient;
use crate::config::GraphVersion;
use crate::error::{Error, Result};
use crate::send::{Call, Reply};
use crate::uri;

impl GraphClient {
    /// The passkeys of a user (object id or UPN).
    pub async fn fido2_methods(&self, user: &str) -> Result<Vec<Fido2Method>> {
        let url = self.user_url(user, METHODS)?;
        self.pages::<MethodResource>("list fido2Methods", url, false)
            .map_ok(Fido2Method::from)
            .try_collect()
            .await
    }

    /// Removes a passkey of a user. That it is already gone is no error, so this can be repeated.
    pub async fn delete_fido2_method(&self, user: &str, method: &str) -> Result<Deletion> {
        let mut url = self.user_url(user, METHODS)?;
        uri::extend(&mut url, &[uri::segment("method id", method)?]);
        match self
            .send(Call::new("delete fido2Method", Method::DELETE, url))
            .await
        {
            Ok(_) => Ok(Deletion::Deleted),
            Err(error) if error.is_not_found() => Ok(Deletion::AlreadyGone),
            Err(error) => Err(error),
        }
    }

    /// Asks for the options to make a credential for a user (object id or UPN).
    ///
    /// `life_minutes` is how long the challenge shall live, within [`CHALLENGE_LIFE_MINUTES`]; without it Graph decides
    /// (5 minutes). On v1.0 there is no choice, and the number is not sent. Either way [`IssuedOptions::expires`] says
    /// what Graph really granted.
    pub async fn creation_options(
        &self,
        user: &str,
        life_minutes: Option<u32>,
    ) -> Result<IssuedOptions> {
        let reply = match (self.inner.config.version, life_minutes) {
            (GraphVersion::V1, _) | (GraphVersion::Beta, None) => {
                self.ask_options(user, &Form::Plain).await?
            }
            (GraphVersion::Beta, Some(minutes)) => {
                if !CHALLENGE_LIFE_MINUTES.contains(&minutes) {
                    return Err(Error::ChallengeLife { minutes });
                }
                self.ask_options_living(user, minutes).await?
            }
        };
        IssuedOptions::from_reply(user, &reply)
    }

    /// The documented form is a function; tenants have been seen that know only the query parameter, and the other way
    /// round. The form that worked last is tried first.
    async fn ask_options_living(&self, user: &str, minutes: u32) -> Result<Reply> {
        let (function, query) = (Form::Function(minutes), Form::Query(minutes));
        let query_first = self.inner.query_form.load(Ordering::Relaxed);
        let (first, second) = if query_first {
            (&query, &function)
        } else {
            (&function, &query)
        };
        let refusal = match self.ask_options(user, first).await {
            Err(error) if is_unknown_form(&error) => error,
            outcome => return outcome,
        };
        match self.ask_options(user, second).await {
            Ok(reply) => {
                self.inner.query_form.store(!query_first, Ordering::Relaxed);
                Ok(reply)
            }
            // Neither form is at fault, then; the answer to the first says more.
            Err(error) if is_unknown_form(&error) => Err(refusal),
            Err(error) => Err(error),
        }
    }

    async fn ask_options(&self, user: &str, form: &Form) -> Result<Reply> {
        let mut url = self.user_url(user, METHODS)?;
        match form {
            Form::Plain => uri::extend(&mut url, &[CREATION_OPTIONS]),
            Form::Function(minutes) => {
                uri::extend(
                    &mut url,
                    &[&format!("{CREATION_OPTIONS}({LIFE_PARAMETER}={minutes})")],
                );
            }
            Form::Query(minutes) => {
                uri::extend(&mut url, &[CREATION_OPTIONS]);
                url.set_query(Some(&uri::query(&[(LIFE_PARAMETER, &minutes.to_string())])));
            }
        }
        self.send(Call::get("get creationOptions", url)).await
    }

    /// Registers a credential for a user (object id or UPN).
    ///
    /// The request is sent once, and again only when Graph certainly did nothing (401, 429, no connection). When
    /// [`Error::outcome_unknown`] says so, look for the credential with [`fido2_methods`](Self::fido2_methods) before
    /// sending the same again; the challenge stays usable while it lives.
    pub async fn register_fido2_method(
        &self,
        user: &str,
        new: &NewFido2Method,
    ) -> Result<Fido2Method> {
        let url = self.user_url(user, METHODS)?;
        let call = Call::new("register fido2Method", Method::POST, url).with_body(new.to_json());
        Ok(self.send(call).await?.json::<MethodResource>()?.into())
    }
}

/// A passkey (FIDO2 security key) that a user has: Graph's `fido2AuthenticationMethod`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fido2Method {
    /// Id of the method; for Entra the credential id in one of the forms of [`method_ids_for`].
    pub id: String,
    /// Name given at registration.
    pub display_name: Option<String>,
    /// When it was registered.
    pub created: Option<Timestamp>,
    /// AAGUID of the key's model, as a hyphenated GUID.
    pub aaguid: Option<String>,
    /// Name of the key's model, as far as Entra knows it.
    pub model: Option<String>,
    /// Thumbprints of the attestation certificates.
    pub attestation_certificates: Vec<String>,
    /// `attested` or `notAttested`.
    pub attestation_level: Option<String>,
    /// `deviceBound` or `synced`.
    pub passkey_type: Option<String>,
    /// When it was last used to sign in, where Graph tells.
    pub last_used: Option<Timestamp>,
}

/// What Graph's `creationOptions` answered.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct IssuedOptions {
    /// When the challenge ends (`challengeTimeoutDateTime`), by the server's clock.
    pub expires: Timestamp,
    /// The server's clock when it answered (`Date` header).
    pub server_time: Option<Timestamp>,
    /// The local clock when the answer arrived.
    pub received: Timestamp,
    /// The answer, as sent.
    pub raw: String,
    /// The options to make a credential with.
    pub options: PublicKeyCredentialCreationOptions,
}

impl IssuedOptions {
    fn from_reply(user: &str, reply: &Reply) -> Result<Self> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Envelope {
            challenge_timeout_date_time: Option<Timestamp>,
            value: Option<Wrapped>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Wrapped {
            challenge_timeout_date_time: Option<Timestamp>,
        }
        let envelope: Envelope = reply.json()?;
        let expires = envelope
            .challenge_timeout_date_time
            .or_else(|| {
                envelope
                    .value
                    .and_then(|value| value.challenge_timeout_date_time)
            })
            .ok_or_else(|| {
                reply.unexpected("creation options without challengeTimeoutDateTime".to_owned())
            })?;
        let raw = std::str::from_utf8(&reply.answer.body)
            .map_err(|problem| reply.unexpected(format!("text that is not UTF-8 ({problem})")))?
            .to_owned();
        let options =
            PublicKeyCredentialCreationOptions::from_graph_json(&raw).map_err(|source| {
                Error::Options {
                    user: user.to_owned(),
                    source,
                }
            })?;
        Ok(Self {
            expires,
            server_time: reply.answer.date(),
            received: reply.answer.received,
            raw,
            options,
        })
    }

    /// How long the challenge still lives when the local clock shows `now`; negative once it is over.
    ///
    /// The difference between the server's clock and the local one is taken out, so that a wrong local clock does no harm.
    pub fn remaining_at(&self, now: Timestamp) -> SignedDuration {
        let since = now.duration_since(self.received);
        self.expires
            .duration_since(self.server_time.unwrap_or(self.received))
            - since
    }
}

/// What is posted to register a credential.
#[derive(Debug, Clone, PartialEq)]
pub struct NewFido2Method {
    /// Name of the key, at most 30 UTF-16 code units.
    pub display_name: String,
    /// Credential id, as the key made it.
    pub credential_id: Vec<u8>,
    /// The client data that was hashed for the key, as UTF-8 JSON.
    pub client_data_json: Vec<u8>,
    /// The attestation object, as CBOR.
    pub attestation_object: Vec<u8>,
    /// The client extension outputs, as JSON.
    pub client_extension_results: Map<String, Value>,
}

impl NewFido2Method {
    /// The body as facts have it: no `@odata.type` (beta answers 400 to it), everything binary as base64url without padding.
    fn to_json(&self) -> Vec<u8> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Body<'a> {
            display_name: &'a str,
            public_key_credential: Credential<'a>,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Credential<'a> {
            id: String,
            response: Response,
            client_extension_results: &'a Map<String, Value>,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Response {
            #[serde(rename = "clientDataJSON")]
            client_data_json: String,
            attestation_object: String,
        }
        let body = Body {
            display_name: &self.display_name,
            public_key_credential: Credential {
                id: URL_SAFE_NO_PAD.encode(&self.credential_id),
                response: Response {
                    client_data_json: URL_SAFE_NO_PAD.encode(&self.client_data_json),
                    attestation_object: URL_SAFE_NO_PAD.encode(&self.attestation_object),
                },
                client_extension_results: &self.client_extension_results,
            },
        };
        // Strings and a JSON map always serialise; an empty body would be refused by Graph, not misread.
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

/// What became of a method that was to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// It was there and is gone now.
    Deleted,
    /// It (or the user) was not there any more.
    AlreadyGone,
}

/// How many minutes a challenge can live on beta (v1.0 has 5, always).
pub const CHALLENGE_LIFE_MINUTES: std::ops::RangeInclusive<u32> = 5..=43_200;

/// The ids under which Graph may list the credential `credential_id`: base64url, plain and in .NET's `UrlTokenEncode`
/// form, which ends with a digit that tells how many `=` were dropped.
pub fn method_ids_for(credential_id: &[u8]) -> [String; 2] {
    let plain = URL_SAFE_NO_PAD.encode(credential_id);
    let padding = (3 - credential_id.len() % 3) % 3;
    let with_digit = format!("{plain}{padding}");
    [plain, with_digit]
}

/// How the life of the challenge is told.
enum Form {
    Plain,
    Function(u32),
    Query(u32),
}

/// Whether Graph seems not to know the form of the request, rather than the user.
fn is_unknown_form(error: &Error) -> bool {
    let Error::Graph(failure) = error else {
        return false;
    };
    match failure.status {
        405 | 501 => true,
        404 => !failure
            .code
            .eq_ignore_ascii_case("Request_ResourceNotFound"),
        400 => failure
            .message
            .to_ascii_lowercase()
            .contains("resource not found for the segment"),
        _ => false,
    }
}

/// `fido2AuthenticationMethod` as it arrives.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MethodResource {
    id: String,
    display_name: Option<String>,
    created_date_time: Option<String>,
    aa_guid: Option<String>,
    model: Option<String>,
    attestation_certificates: Option<Vec<String>>,
    attestation_level: Option<String>,
    passkey_type: Option<String>,
    last_used_date_time: Option<String>,
}

impl From<MethodResource> for Fido2Method {
    fn from(resource: MethodResource) -> Self {
        // A time is for showing only: one that cannot be read must not hide the method.
        let time = |text: Option<String>| text.and_then(|text| text.parse().ok());
        Self {
            id: resource.id,
            display_name: resource.display_name,
            created: time(resource.created_date_time),
            aaguid: resource.aa_guid,
            model: resource.model,
            attestation_certificates: resource.attestation_certificates.unwrap_or_default(),
            attestation_level: resource.attestation_level,
            passkey_type: resource.passkey_type,
            last_used: time(resource.last_used_date_time),
        }
    }
}

const METHODS: &[&str] = &["authentication", "fido2Methods"];
const CREATION_OPTIONS: &str = "creationOptions";
const LIFE_PARAMETER: &str = "challengeTimeoutInMinutes";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn method_ids_end_with_the_number_of_dropped_padding_characters() {
        // Lengths seen at Entra: 16 bytes give a 2, 48 bytes a 0, 20 and 32 a 1.
        for (length, digit) in [(16, '2'), (48, '0'), (20, '1'), (32, '1')] {
            let [plain, with_digit] = method_ids_for(&vec![7; length]);
            assert_eq!(with_digit, format!("{plain}{digit}"), "{length} bytes");
        }
        // A sample of a real tenant.
        let id = URL_SAFE_NO_PAD.decode("Oy0dkr_kI6lp0loPvgEWqA").unwrap();
        assert_eq!(method_ids_for(&id)[1], "Oy0dkr_kI6lp0loPvgEWqA2");
    }

    #[test]
    fn remaining_life_does_not_depend_on_the_local_clock() {
        let options = PublicKeyCredentialCreationOptions::from_graph_json(include_str!(
            "../tests/data/options-beta.json"
        ))
        .unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let issued = IssuedOptions {
            expires: at("2026-11-22T10:05:00Z"),
            server_time: Some(at("2026-11-22T10:00:00Z")),
            received: at("2026-11-22T07:30:00Z"), // two and a half hours slow
            raw: String::new(),
            options,
        };
        assert_eq!(
            issued.remaining_at(at("2026-11-22T07:31:00Z")),
            SignedDuration::from_mins(4)
        );
        assert!(
            issued
                .remaining_at(at("2026-11-22T07:36:00Z"))
                .is_negative()
        );
    }
}

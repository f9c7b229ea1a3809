//! Making the credential: options that still live, client data of our own, and a check of what the key answers.

use jiff::SignedDuration;
use keywright_batch::{MadeCredential, Record, Stage, Step};
use keywright_ctap::{ClientData, MakeCredentialRequest, MakeCredentialResponse, Pin, StatusCode};
use keywright_webauthn::{
    Base64Url, CollectedClientData, PublicKeyCredentialCreationOptions, RegistrationExpectations,
    VerifiedRegistration, verify_registration,
};

use super::desk::Key;
use super::failure::{Failure, HOLDS_USER};
use super::turn::{Issued, Turn, label};
use crate::event::Event;

impl Turn<'_, '_> {
    /// Makes a credential and has it activated; when its challenge runs out in between, once more with a fresh one.
    pub(super) async fn make_and_activate(
        &mut self,
        key: &mut Key,
        record: &mut Record,
        pin: Option<&Pin>,
    ) -> Result<(), Failure> {
        let mut attempts = 0;
        loop {
            if record.stage != Stage::CredentialMade {
                self.make(key, record, pin).await?;
            }
            attempts += 1;
            match self.activate(record, Some((&mut *key, pin))).await {
                Ok(()) => return Ok(()),
                Err(Failure::User { code, .. })
                    if code == super::activate::CHALLENGE_OVER && attempts < 2 => {}
                Err(failure) => return Err(failure),
            }
        }
    }

    async fn make(
        &mut self,
        key: &mut Key,
        record: &mut Record,
        pin: Option<&Pin>,
    ) -> Result<(), Failure> {
        let issued = self.current_options().await?;
        let options = issued.options;
        let rp_id = self.allowed_rp_id(&options)?;
        let origin = format!("https://{rp_id}");
        let client_data =
            CollectedClientData::for_registration(options.challenge.as_bytes(), &origin).to_json();
        let asked_for = ClientData::new(client_data.clone());
        let (request, downgrades) =
            MakeCredentialRequest::from_options(&options, asked_for, &key.info)
                .map_err(|error| Failure::user("options_unsupported", error.to_string()))?;
        for downgrade in downgrades {
            self.report(Event::Warning {
                user: Some(self.user.clone()),
                message: downgrade.to_string(),
            });
        }
        let response = self.ask_key(key, &request, pin).await?;
        let attestation_object = response.attestation_object();
        let expected = RegistrationExpectations::from_options(&options, &origin);
        let verified = verify_registration(&client_data, &attestation_object, &expected);
        let verified = match verified {
            Ok(verified) => verified,
            Err(error) => {
                return Err(Failure::user(
                    "attestation_invalid",
                    format!(
                        "what the key answered does not verify, and was not sent anywhere: {error}"
                    ),
                ));
            }
        };
        // The key's word is one thing, its attested word another.
        self.check_model(verified.aaguid, &key.model)?;
        let made = MadeCredential {
            credential_id: verified.credential_id.clone(),
            client_data_json: client_data,
            attestation_object,
            expires: issued.expires,
            label: label(
                record,
                self.provider
                    .now()
                    .to_zoned(jiff::tz::TimeZone::system())
                    .date(),
            ),
        };
        *record = self.note(record, &Step::CredentialMade(&made))?;
        self.tell(key, &verified);
        self.sweep_orphans(key, &options, &verified, pin).await
    }

    async fn ask_key(
        &mut self,
        key: &mut Key,
        request: &MakeCredentialRequest,
        pin: Option<&Pin>,
    ) -> Result<MakeCredentialResponse, Failure> {
        let mut timeouts = 0;
        loop {
            let (request, pin) = (request.clone(), pin.cloned());
            let answer = self
                .desk
                .with(key, move |key, signal| {
                    key.make_credential(&request, pin.as_ref(), signal)
                })
                .await;
            let error = match answer {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            match error.status() {
                // Keys give up after some 30 s; the challenge lives on, so the operator gets another chance.
                Some(StatusCode::UserActionTimeout | StatusCode::ActionTimeout)
                    if timeouts < MAX_TOUCH_TIMEOUTS =>
                {
                    timeouts += 1;
                }
                Some(StatusCode::CredentialExcluded) => {
                    return Err(Failure::user(
                        HOLDS_USER,
                        "this key already holds a passkey of this user; delete that one at the provider and on the \
                         key, or take another key",
                    ));
                }
                Some(StatusCode::PinInvalid) => {
                    return Err(Failure::user(
                        "pin_wrong",
                        "the key does not take the PIN on record for it; it is another key, or its PIN was changed",
                    ));
                }
                _ => return Err(error.into()),
            }
        }
    }

    fn tell(&self, key: &Key, verified: &VerifiedRegistration) {
        if verified.aaguid != key.info.aaguid {
            self.report(Event::Warning {
                user: Some(self.user.clone()),
                message: format!(
                    "the key says it is of model {}, its credential says {}",
                    key.info.aaguid, verified.aaguid
                ),
            });
        }
        self.report(Event::CredentialMade {
            user: self.user.clone(),
            serial: key.serial.clone(),
            credential_id: Base64Url::encode(&verified.credential_id),
            attestation: verified.fmt.to_string(),
        });
    }

    /// A run that ended between makeCredential and the ledger left a credential that nobody registered. The key serves
    /// this user only, so every other credential of the same relying party and user handle on it is such a one.
    async fn sweep_orphans(
        &mut self,
        key: &mut Key,
        options: &PublicKeyCredentialCreationOptions,
        verified: &VerifiedRegistration,
        pin: Option<&Pin>,
    ) -> Result<(), Failure> {
        if !self.resumed || key.info.option("credMgmt") != Some(true) {
            return Ok(());
        }
        let Some(pin) = pin else {
            return Ok(());
        };
        let rp_id = options.rp_id().unwrap_or_default().to_owned();
        let handle = options.user.id.as_bytes().to_vec();
        let keep = verified.credential_id.clone();
        let pin = pin.clone();
        self.desk
            .with(key, move |key, signal| {
                for one in key.credentials(&pin, signal)? {
                    if one.rp_id == rp_id && one.user_id == handle && one.credential_id != keep {
                        key.delete_credential(&one.credential_id, &pin, signal)?;
                    }
                }
                Ok(())
            })
            .await?;
        Ok(())
    }

    /// Options whose challenge still lives long enough for a touch: the row's, or fresh ones.
    pub(super) async fn current_options(&mut self) -> Result<Issued, Failure> {
        let needed = SignedDuration::from_secs(MIN_LIFE_SECONDS);
        let lives = |issued: &Issued, now| issued.expires.duration_since(now) >= needed;
        if self.issued.is_none() && self.provider.challenges_keep() {
            self.issued = Some(from_row(self.row)?);
        }
        if let Some(issued) = &self.issued
            && lives(issued, self.provider.now())
        {
            return Ok(issued.clone());
        }
        let fresh = self
            .provider
            .creation_options(&self.provider_user(), Some(self.settings.life_minutes))
            .await
            .map_err(|error| match Failure::from(error) {
                Failure::User { message, .. } => Failure::user(
                    "challenge_expired",
                    format!(
                        "the challenge on line {} ended at {} and a fresh one was refused: {message}",
                        self.row.line, self.row.expires
                    ),
                ),
                other => other,
            })?;
        if fresh.options.user.id != self.row.user_handle {
            return Err(Failure::user(
                "user_changed",
                "the provider now knows this user by another handle than the file does; run keywright-challenges again",
            ));
        }
        self.report(Event::ChallengeRenewed {
            user: self.user.clone(),
            expires: fresh.expires,
        });
        let issued = Issued {
            options: fresh.options,
            expires: fresh.expires,
        };
        self.issued = Some(issued.clone());
        Ok(issued)
    }

    fn allowed_rp_id(
        &self,
        options: &PublicKeyCredentialCreationOptions,
    ) -> Result<String, Failure> {
        let rp_id = options.rp_id().unwrap_or_default();
        if self
            .settings
            .allowed_rp_ids
            .iter()
            .any(|allowed| allowed == rp_id)
        {
            return Ok(rp_id.to_owned());
        }
        Err(Failure::user(
            "rp_id_not_allowed",
            format!(
                "the options are for the relying party `{rp_id}`, which is not among `allowedRpIds`; add it there if it \
                 is yours"
            ),
        ))
    }
}

/// The options as the row has them; the scripts' rows leave out what never varied.
fn from_row(row: &keywright_batch::ChallengeRow) -> Result<Issued, Failure> {
    let json = match &row.creation_options {
        Some(json) => json.clone(),
        None => serde_json::json!({
            "challenge": row.challenge.to_string(),
            "attestation": "direct",
            "rp": { "id": row.rp_id, "name": "Microsoft" },
            "user": {
                "id": row.user_handle.to_string(),
                "displayName": row.display_name,
                "name": row.user_name,
            },
            "pubKeyCredParams": [
                { "type": "public-key", "alg": -7 },
                { "type": "public-key", "alg": -257 },
            ],
            "excludeCredentials": [],
            "authenticatorSelection": {
                "authenticatorAttachment": "cross-platform",
                "requireResidentKey": true,
                "userVerification": "required",
            },
            "extensions": {
                "hmacCreateSecret": true,
                "enforceCredentialProtectionPolicy": true,
                "credentialProtectionPolicy": "userVerificationOptional",
            },
        })
        .to_string(),
    };
    let options = PublicKeyCredentialCreationOptions::from_graph_json(&json)
        .map_err(|error| Failure::user("options_unreadable", error.to_string()))?;
    Ok(Issued {
        options,
        expires: row.expires,
    })
}

/// A challenge with less life than this is not worth a touch.
const MIN_LIFE_SECONDS: i64 = 60;

/// How often a touch may be missed.
const MAX_TOUCH_TIMEOUTS: u32 = 2;

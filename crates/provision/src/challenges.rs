//! Step 1: one registration challenge per user, in a file.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use futures_util::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use keywright_batch::{ChallengeReader, ChallengeRow, ChallengeWriter};

use crate::cancel::Cancel;
use crate::config::{Config, DeleteExisting};
use crate::error::Error;
use crate::event::{Event, Reporter, Summary};
use crate::operator::{Confirmation, Operator};
use crate::provider::{Candidate, DirectoryUser, IdentityProvider, ProviderError, Reach};

/// What step 1 is told beyond the provider.
#[derive(Debug, Clone)]
pub struct CollectSettings {
    /// Where the challenges go.
    pub out: PathBuf,
    /// How long each challenge shall live, in minutes.
    pub life_minutes: u32,
    /// Whether users' existing keys are deleted first.
    pub delete_existing: bool,
    /// Whether deleting needs no further question.
    pub confirmed: bool,
    /// Whether rows in `out` that can still be used are kept and only the others are fetched.
    pub resume: bool,
    /// Whether users whose account is disabled get a challenge.
    pub include_disabled: bool,
    /// Whether guests get a challenge.
    pub include_guests: bool,
    /// How many users are worked on at once.
    pub concurrency: usize,
}

impl CollectSettings {
    /// What the configuration says, for challenges that go to `out`.
    #[must_use]
    pub fn new(config: &Config, out: PathBuf) -> Self {
        Self {
            out,
            life_minutes: config.challenge_timeout_minutes,
            delete_existing: config.delete_existing == DeleteExisting::Before,
            confirmed: false,
            resume: false,
            include_disabled: config.include_disabled_users,
            include_guests: config.include_guests,
            concurrency: config.max_concurrent_requests,
        }
    }
}

/// Runs step 1. A user who fails is reported and never stops the others; rows leave in the directory's order as soon
/// as they are known, and memory does not grow with the group (but for the names that `resume` has to remember).
///
/// # Errors
/// [`Error::Provider`] when nothing can be done for anybody, [`Error::Batch`] when the file cannot be written,
/// [`Error::NotConfirmed`] when deleting was not agreed to.
pub async fn collect(
    provider: &dyn IdentityProvider,
    settings: &CollectSettings,
    operator: &dyn Operator,
    reporter: &dyn Reporter,
    cancel: &Cancel,
) -> Result<Summary, Error> {
    reporter.report(Event::RunStarted {
        step: "challenges",
        tenant: provider.tenant().to_owned(),
        users: None,
        stations: None,
    });
    if settings.delete_existing && !settings.confirmed {
        confirm_deletion(operator, provider.tenant())?;
    }
    provider.sign_in().await.map_err(Error::Provider)?;
    let summary = Collector {
        provider,
        settings,
        reporter,
    }
    .run(cancel)
    .await?;
    reporter.report(summary.event());
    Ok(summary)
}

fn confirm_deletion(operator: &dyn Operator, tenant: &str) -> Result<(), Error> {
    let question = Confirmation::DeleteExisting {
        tenant: tenant.to_owned(),
    };
    match operator.confirm(&question) {
        Some(true) => Ok(()),
        answer => Err(Error::NotConfirmed {
            asked: answer.is_some(),
        }),
    }
}

struct Collector<'a> {
    provider: &'a dyn IdentityProvider,
    settings: &'a CollectSettings,
    reporter: &'a dyn Reporter,
}

/// What became of one candidate.
enum Outcome {
    Row(Box<ChallengeRow>),
    Already,
    Skipped { user: String, reason: String },
    Failed { user: String, error: ProviderError },
}

impl Collector<'_> {
    async fn run(&self, cancel: &Cancel) -> Result<Summary, Error> {
        let mut summary = Summary::default();
        // Known to have users before a file of an earlier run is touched.
        let mut candidates = self.provider.users().peekable();
        if let Some(Err(_)) = std::pin::Pin::new(&mut candidates).peek().await {
            let error = candidates.next().await.and_then(Result::err);
            return Err(error.map_or(Error::NoUsers, Error::Provider));
        }
        let (mut out, kept) = self.open()?;
        let mut outcomes = candidates
            .map(|candidate| self.outcome(candidate, &kept))
            .buffered(self.settings.concurrency);
        loop {
            let next = tokio::select! {
                () = cancel.raised() => {
                    summary.interrupted = true;
                    break;
                }
                next = outcomes.next() => next,
            };
            match next {
                None => break,
                Some(outcome) => self.take(outcome?, &mut out, &mut summary)?,
            }
        }
        out.finish()?;
        if summary == Summary::default() {
            return Err(Error::NoUsers);
        }
        Ok(summary)
    }

    fn take(
        &self,
        outcome: Outcome,
        out: &mut ChallengeWriter,
        summary: &mut Summary,
    ) -> Result<(), Error> {
        match outcome {
            Outcome::Row(row) => {
                out.append(&row)?;
                summary.done += 1;
                self.reporter.report(Event::ChallengeIssued {
                    user: row.user_name,
                    expires: row.expires,
                });
            }
            Outcome::Already => summary.already += 1,
            Outcome::Skipped { user, reason } => {
                summary.skipped += 1;
                self.reporter.report(Event::UserSkipped { user, reason });
            }
            Outcome::Failed { user, error } => {
                summary.failed += 1;
                self.reporter.report(Event::UserFailed {
                    user,
                    code: error.code.clone(),
                    message: error.to_string(),
                });
            }
        }
        Ok(())
    }

    async fn outcome(
        &self,
        candidate: Result<Candidate, ProviderError>,
        kept: &HashSet<String>,
    ) -> Result<Outcome, Error> {
        let user = match candidate.map_err(Error::Provider)? {
            Candidate::User(user) => user,
            Candidate::Passed { id, reason } => {
                return Ok(Outcome::Skipped { user: id, reason });
            }
        };
        if let Some(reason) = self.out_of_scope(&user) {
            return Ok(Outcome::Skipped {
                user: user.upn,
                reason: reason.to_owned(),
            });
        }
        if kept.contains(&user.id) || kept.contains(&user.upn.to_lowercase()) {
            return Ok(Outcome::Already);
        }
        match self.challenge(&user).await {
            Ok(row) => Ok(Outcome::Row(Box::new(row))),
            Err(error) if error.reach == Reach::Everybody => Err(Error::Provider(error)),
            Err(error) => Ok(Outcome::Failed {
                user: user.upn,
                error,
            }),
        }
    }

    fn out_of_scope(&self, user: &DirectoryUser) -> Option<&'static str> {
        if user.guest && !self.settings.include_guests {
            Some("guests cannot have keys registered for them (set `includeGuests` to try)")
        } else if user.enabled == Some(false) && !self.settings.include_disabled {
            Some("the account is disabled (set `includeDisabledUsers` to include it)")
        } else {
            None
        }
    }

    async fn challenge(&self, user: &DirectoryUser) -> Result<ChallengeRow, ProviderError> {
        if self.settings.delete_existing {
            for key in self.provider.registered_keys(&user.id).await? {
                self.provider.remove(&user.id, &key.id).await?;
                self.reporter.report(Event::KeyRemoved {
                    user: user.upn.clone(),
                    method_id: key.id,
                    label: key.label,
                    created: key.created,
                });
            }
        }
        let issued = self
            .provider
            .creation_options(&user.id, Some(self.settings.life_minutes))
            .await?;
        let options = issued.options;
        Ok(ChallengeRow {
            line: 0,
            user_name: options.user.name,
            display_name: options.user.display_name,
            user_handle: options.user.id,
            challenge: options.challenge,
            expires: issued.expires,
            rp_id: options.rp.id.unwrap_or_default(),
            creation_options: Some(issued.raw),
            object_id: Some(user.id.clone()),
        })
    }

    /// The file to write to, and whom it already has a usable challenge for.
    fn open(&self) -> Result<(ChallengeWriter, HashSet<String>), Error> {
        let out = &self.settings.out;
        let previous = with_suffix(out, "previous");
        match std::fs::rename(out, &previous) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok((ChallengeWriter::create(out)?, HashSet::new()));
            }
            Err(source) => {
                return Err(Error::SetAside {
                    path: out.clone(),
                    source,
                });
            }
            Ok(()) => {}
        }
        let mut writer = ChallengeWriter::create(out)?;
        let kept = if self.settings.resume {
            self.keep_usable(&previous, &mut writer)?
        } else {
            HashSet::new()
        };
        Ok((writer, kept))
    }

    /// Copies the rows that will still be good for a while.
    fn keep_usable(
        &self,
        previous: &Path,
        writer: &mut ChallengeWriter,
    ) -> Result<HashSet<String>, Error> {
        let needed = usable_life(self.settings.life_minutes);
        let now: Timestamp = self.provider.now();
        let mut kept = HashSet::new();
        let mut reader = match ChallengeReader::open(previous) {
            Err(keywright_batch::Error::Empty { .. }) => return Ok(kept),
            reader => reader?,
        };
        while let Some(row) = reader.next_row()? {
            // A row that cannot be used is as good as absent: its user gets a new one.
            let Ok(row) = row else { continue };
            if row.expires.duration_since(now) >= needed {
                writer.append(&row)?;
                kept.insert(row.user_name.to_lowercase());
                kept.extend(row.object_id);
            }
        }
        Ok(kept)
    }
}

/// A challenge is kept by `resume` while half of its life is left, or an hour.
fn usable_life(life_minutes: u32) -> SignedDuration {
    SignedDuration::from_mins(i64::from(life_minutes).min(120) / 2)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".");
    name.push(suffix);
    path.with_file_name(name)
}

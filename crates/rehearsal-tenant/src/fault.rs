//! What can go wrong on request.

use std::collections::HashSet;
use std::time::Duration;

use jiff::SignedDuration;

/// A way in which the tenant misbehaves. Each kind replaces the one of its kind that was set before; users add up.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Every answer takes this much longer.
    Latency(Duration),
    /// The next `requests` Graph requests are answered 429.
    ThrottleFirst {
        /// How many.
        requests: u32,
        /// `Retry-After`, rounded up to seconds.
        retry_after: Duration,
    },
    /// Every `nth` Graph request is answered 429.
    ThrottleEvery {
        /// 1 means every request; 0 none.
        nth: u32,
        /// `Retry-After`, rounded up to seconds.
        retry_after: Duration,
    },
    /// Every Graph request is answered 429, until the faults are cleared.
    ThrottleAll {
        /// `Retry-After`, rounded up to seconds.
        retry_after: Duration,
    },
    /// The next `requests` Graph requests are answered 503, without `Retry-After`.
    Unavailable {
        /// How many.
        requests: u32,
    },
    /// The next `registrations` take effect, but the connection breaks before the answer is complete.
    LoseAnswers {
        /// How many.
        registrations: u32,
    },
    /// The server's clock is ahead by this (behind, if negative): the `Date` header and all expiry times.
    ClockSkew(SignedDuration),
    /// Challenges live this long, whatever was asked for.
    ChallengeLife(Duration),
    /// The passkey policy does not cover this user (object id or UPN).
    PolicyRefuses {
        /// Object id or UPN.
        user: String,
    },
    /// The application may not manage this user's (object id or UPN) authentication methods.
    Forbids {
        /// Object id or UPN.
        user: String,
    },
    /// `creationOptions(challengeTimeoutInMinutes=n)` is answered 405, as some tenants did in December 2025 for the other form.
    RefuseFunctionForm,
    /// `creationOptions?challengeTimeoutInMinutes=n` is answered 405.
    RefuseQueryForm,
}

/// The faults that are on.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) latency: Duration,
    throttle: Option<Throttle>,
    unavailable: u32,
    lose_answers: u32,
    pub(crate) clock_skew: SignedDuration,
    pub(crate) challenge_life: Option<Duration>,
    policy_refuses: HashSet<String>,
    forbids: HashSet<String>,
    pub(crate) refuse_function_form: bool,
    pub(crate) refuse_query_form: bool,
}

#[derive(Debug)]
struct Throttle {
    pattern: Pattern,
    retry_after: Duration,
}

#[derive(Debug)]
enum Pattern {
    First(u32),
    Every { nth: u32, seen: u32 },
    All,
}

/// Why a request is not even looked at.
pub(crate) enum Rejection {
    /// 429, with `Retry-After` in seconds.
    Throttled(u64),
    /// 503.
    Unavailable,
}

impl Faults {
    pub(crate) fn set(&mut self, fault: Fault) {
        let mut throttle = |pattern, retry_after| {
            self.throttle = Some(Throttle {
                pattern,
                retry_after,
            })
        };
        match fault {
            Fault::Latency(latency) => self.latency = latency,
            Fault::ThrottleFirst {
                requests,
                retry_after,
            } => throttle(Pattern::First(requests), retry_after),
            Fault::ThrottleEvery { nth, retry_after } => {
                throttle(Pattern::Every { nth, seen: 0 }, retry_after)
            }
            Fault::ThrottleAll { retry_after } => throttle(Pattern::All, retry_after),
            Fault::Unavailable { requests } => self.unavailable = requests,
            Fault::LoseAnswers { registrations } => self.lose_answers = registrations,
            Fault::ClockSkew(skew) => self.clock_skew = skew,
            Fault::ChallengeLife(life) => self.challenge_life = Some(life),
            Fault::PolicyRefuses { user } => {
                self.policy_refuses.insert(user.to_lowercase());
            }
            Fault::Forbids { user } => {
                self.forbids.insert(user.to_lowercase());
            }
            Fault::RefuseFunctionForm => self.refuse_function_form = true,
            Fault::RefuseQueryForm => self.refuse_query_form = true,
        }
    }

    /// Counts a Graph request, and says whether it is turned away.
    pub(crate) fn turn_away(&mut self) -> Option<Rejection> {
        let throttled = match &mut self.throttle {
            None => false,
            Some(Throttle {
                pattern: Pattern::All,
                ..
            }) => true,
            Some(Throttle {
                pattern: Pattern::First(left),
                ..
            }) => take_one(left),
            Some(Throttle {
                pattern: Pattern::Every { nth, seen },
                ..
            }) => {
                *seen = seen.wrapping_add(1);
                seen.checked_rem(*nth) == Some(0)
            }
        };
        if throttled && let Some(throttle) = &self.throttle {
            let seconds =
                throttle.retry_after.as_secs() + u64::from(throttle.retry_after.subsec_nanos() > 0);
            return Some(Rejection::Throttled(seconds));
        }
        take_one(&mut self.unavailable).then_some(Rejection::Unavailable)
    }

    /// Whether the answer to this registration gets lost.
    pub(crate) fn loses_answer(&mut self) -> bool {
        take_one(&mut self.lose_answers)
    }

    pub(crate) fn policy_refuses(&self, names: [&str; 2]) -> bool {
        names
            .iter()
            .any(|name| self.policy_refuses.contains(&name.to_lowercase()))
    }

    pub(crate) fn forbids(&self, names: [&str; 2]) -> bool {
        names
            .iter()
            .any(|name| self.forbids.contains(&name.to_lowercase()))
    }
}

fn take_one(left: &mut u32) -> bool {
    let any = *left > 0;
    *left = left.saturating_sub(1);
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throttling_follows_its_pattern() {
        let pattern = |fault| {
            let mut faults = Faults::default();
            faults.set(fault);
            (0..6)
                .map(|_| faults.turn_away().is_some())
                .collect::<Vec<_>>()
        };
        let retry_after = Duration::from_millis(1_200);
        assert_eq!(
            pattern(Fault::ThrottleFirst {
                requests: 2,
                retry_after
            }),
            [true, true, false, false, false, false]
        );
        assert_eq!(
            pattern(Fault::ThrottleEvery {
                nth: 3,
                retry_after
            }),
            [false, false, true, false, false, true]
        );
        assert_eq!(
            pattern(Fault::ThrottleEvery {
                nth: 0,
                retry_after
            }),
            [false; 6]
        );
        assert_eq!(pattern(Fault::ThrottleAll { retry_after }), [true; 6]);
        assert_eq!(
            pattern(Fault::Unavailable { requests: 1 }),
            [true, false, false, false, false, false]
        );

        let mut faults = Faults::default();
        faults.set(Fault::ThrottleAll { retry_after });
        assert!(
            matches!(faults.turn_away(), Some(Rejection::Throttled(2))),
            "seconds are rounded up"
        );
    }
}

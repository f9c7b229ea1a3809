//! How fast to go: at most so many requests at once, one pause for all, waits between attempts.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use crate::config::RetryPolicy;

/// The gate that every request passes.
///
/// A throttled answer closes it for everybody until the pause is over, and halves the number of requests that may be
/// under way at once; successes then win the others back one by one.
pub(crate) struct Gate {
    slots: Semaphore,
    state: Mutex<GateState>,
    max: usize,
}

struct GateState {
    closed_until: Option<Instant>,
    /// Requests that may be under way now, 1 to `max`.
    limit: usize,
    /// Slots to be withdrawn when their holders are done.
    owed: usize,
    /// Successes since the limit last changed.
    successes: usize,
}

impl Gate {
    pub(crate) fn new(max: usize) -> Self {
        let max = max.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            slots: Semaphore::new(max),
            state: Mutex::new(GateState {
                closed_until: None,
                limit: max,
                owed: 0,
                successes: 0,
            }),
            max,
        }
    }

    /// Waits until the gate is open and a slot is free.
    pub(crate) async fn enter(&self) -> Pass<'_> {
        loop {
            self.opened().await;
            // The semaphore is never closed; should it be, going on without a slot only costs the bound.
            let permit = self.slots.acquire().await.ok();
            let pass = Pass { gate: self, permit };
            if self.closed_for().is_none() {
                return pass;
            }
        }
    }

    /// Closes the gate for at least `wait` from now. Says whether it was open.
    pub(crate) fn pause(&self, wait: Duration) -> bool {
        let now = Instant::now();
        let mut state = self.lock();
        let already_closed = state.closed_until.is_some_and(|until| until > now);
        if state.closed_until.is_none_or(|until| until < now + wait) {
            state.closed_until = Some(now + wait);
        }
        // Answers to requests of the same burst arrive while it is closed; they slow down once, not each.
        if !already_closed {
            let withdrawn = state.limit - state.limit.div_ceil(2);
            state.limit -= withdrawn;
            state.successes = 0;
            state.owed += withdrawn - self.slots.forget_permits(withdrawn);
        }
        !already_closed
    }

    /// A request went well.
    pub(crate) fn succeeded(&self) {
        let mut state = self.lock();
        if state.limit == self.max {
            return;
        }
        state.successes += 1;
        if state.successes >= state.limit {
            state.successes = 0;
            state.limit += 1;
            if state.owed > 0 {
                state.owed -= 1
            } else {
                self.slots.add_permits(1)
            }
        }
    }

    async fn opened(&self) {
        while let Some(until) = self.closed_for() {
            tokio::time::sleep_until(until).await;
        }
    }

    fn closed_for(&self) -> Option<Instant> {
        self.lock()
            .closed_until
            .filter(|until| *until > Instant::now())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, GateState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to have one request under way; ends when dropped.
pub(crate) struct Pass<'a> {
    gate: &'a Gate,
    permit: Option<SemaphorePermit<'a>>,
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        if state.owed > 0
            && let Some(permit) = self.permit.take()
        {
            state.owed -= 1;
            permit.forget();
        }
    }
}

/// The waits between the attempts of one operation, until [`RetryPolicy`] is used up.
pub(crate) struct Backoff<'a> {
    policy: &'a RetryPolicy,
    attempts: u32,
    first_failure: Option<Instant>,
}

impl<'a> Backoff<'a> {
    pub(crate) fn new(policy: &'a RetryPolicy) -> Self {
        Self {
            policy,
            attempts: 0,
            first_failure: None,
        }
    }

    /// Attempts that failed so far.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Time since the first of them failed.
    pub(crate) fn elapsed(&self) -> Duration {
        self.first_failure
            .map_or(Duration::ZERO, |first| first.elapsed())
    }

    /// Notes a failed attempt. The wait before the next one, or `None` when it is time to give up.
    ///
    /// The wait doubles each time, and a random half is taken off, so that not all come back in the same moment. It is
    /// never less than what the server asked for.
    pub(crate) fn next(&mut self, asked: Option<Duration>) -> Option<Duration> {
        self.attempts += 1;
        let elapsed = self
            .first_failure
            .get_or_insert_with(Instant::now)
            .elapsed();
        let doubled = self
            .policy
            .base_delay
            .saturating_mul(1 << (self.attempts - 1).min(20));
        let own = doubled.min(self.policy.max_delay);
        let own = own / 2 + random_part(own / 2);
        let wait = asked.map_or(own, |asked| {
            own.max(asked + random_part(self.policy.base_delay))
        });
        let over =
            self.attempts >= self.policy.max_attempts || elapsed + wait > self.policy.max_elapsed;
        (!over).then_some(wait)
    }
}

/// A random duration from zero up to `whole`. Without a random source it is all of it, which is only less even.
fn random_part(whole: Duration) -> Duration {
    let fraction = getrandom::u32().map_or(1.0, |random| f64::from(random) / f64::from(u32::MAX));
    whole.mul_f64(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> RetryPolicy {
        RetryPolicy {
            max_attempts: 5,
            max_elapsed: Duration::from_secs(100),
            base_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(3),
        }
    }

    #[tokio::test]
    async fn waits_grow_to_their_bound_and_end() {
        let policy = policy();
        let mut backoff = Backoff::new(&policy);
        for upper in [1.0, 2.0, 3.0, 3.0] {
            let wait = backoff.next(None).unwrap().as_secs_f64();
            assert!(wait >= upper / 2.0 && wait <= upper, "{wait} of {upper}");
        }
        assert_eq!(backoff.next(None), None);
        assert_eq!(backoff.attempts(), 5);
    }

    #[tokio::test]
    async fn what_the_server_asks_is_obeyed_unless_it_is_too_long() {
        let policy = policy();
        let wait = Backoff::new(&policy)
            .next(Some(Duration::from_secs(60)))
            .unwrap();
        assert!(
            wait >= Duration::from_secs(60) && wait <= Duration::from_secs(61),
            "{wait:?}"
        );
        assert_eq!(
            Backoff::new(&policy).next(Some(Duration::from_secs(101))),
            None
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_everybody_and_halves_the_crowd() {
        let gate = Gate::new(4);
        let first = gate.enter().await;
        let start = Instant::now();
        gate.pause(Duration::from_secs(10));
        gate.pause(Duration::from_secs(3));
        assert_eq!(gate.lock().limit, 2, "two answers of one burst count once");
        drop(first);
        let passes = [gate.enter().await, gate.enter().await];
        assert_eq!(start.elapsed(), Duration::from_secs(10));
        assert!(
            tokio::time::timeout(Duration::from_secs(1), gate.enter())
                .await
                .is_err()
        );
        drop(passes);

        for _ in 0..2 + 3 {
            gate.succeeded();
        }
        assert_eq!(gate.lock().limit, 4, "won back");
        let _all = [
            gate.enter().await,
            gate.enter().await,
            gate.enter().await,
            gate.enter().await,
        ];
        assert!(
            tokio::time::timeout(Duration::from_secs(1), gate.enter())
                .await
                .is_err()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn slots_in_use_are_withdrawn_when_they_come_back() {
        let gate = Gate::new(4);
        let busy = [
            gate.enter().await,
            gate.enter().await,
            gate.enter().await,
            gate.enter().await,
        ];
        gate.pause(Duration::from_secs(1));
        drop(busy);
        let _two = [gate.enter().await, gate.enter().await];
        assert!(
            tokio::time::timeout(Duration::from_secs(1), gate.enter())
                .await
                .is_err()
        );
    }
}

//! Every operation, and a caller that has a deadline.

use std::time::{Duration, Instant};

use keywright_ctap::{
    Authenticator, ConfigChange, GetAssertionRequest, HmacSecretSalts, Keepalive,
    MakeCredentialExtensions, MakeCredentialRequest, Pin, Result, Signal,
};

use crate::random::Random;

/// Gives up at a deadline, or when it has heard enough keepalives.
pub struct Caller {
    deadline: Instant,
    keepalives_left: usize,
}

impl Caller {
    /// How long an operation may take.
    pub const PATIENCE: Duration = Duration::from_millis(200);

    /// From now on.
    pub fn new(keepalives: usize) -> Self {
        Self {
            deadline: Instant::now() + Self::PATIENCE,
            keepalives_left: keepalives,
        }
    }
}

impl Signal for Caller {
    fn keepalive(&mut self, _: Keepalive) {
        self.keepalives_left = self.keepalives_left.saturating_sub(1);
    }

    fn cancelled(&self) -> bool {
        self.keepalives_left == 0
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.deadline)
    }
}

/// A credential to make.
pub fn request() -> MakeCredentialRequest {
    MakeCredentialRequest {
        client_data: [7; 32].into(),
        rp_id: "example.com".to_owned(),
        rp_name: "Example".to_owned(),
        user_id: vec![1, 2, 3],
        user_name: "ada@example.com".to_owned(),
        user_display_name: "Ada".to_owned(),
        algorithms: vec![-7, -257],
        exclude_list: vec![vec![9; 64]; 12],
        extensions: MakeCredentialExtensions::default(),
        resident_key: true,
        user_verification: false,
        enterprise_attestation: None,
        attestation_formats: Vec::new(),
    }
}

/// One of them. `pin` makes those likely that take a PIN, and so an elliptic curve.
pub fn operate(key: &mut dyn Authenticator, random: &mut Random, pin: Option<&Pin>) {
    let signal = &mut Caller::new(random.below(20));
    let assertion = GetAssertionRequest {
        client_data: [7; 32].into(),
        rp_id: "example.com".to_owned(),
        allow_list: vec![vec![9; 64]; random.below(3)],
        user_presence: true,
        user_verification: false,
        hmac_secret: None,
    };
    let Some(pin) = pin else {
        // What comes of it is not the point; that it comes back is.
        let _ = match random.below(8) {
            0 | 1 => key.info(signal).map(drop),
            2 => key.pin_retries(signal).map(drop),
            3 | 4 => {
                let mut request = request();
                // A long list is looked through beforehand, message by message.
                if !random.once_in(20) {
                    request.exclude_list.clear();
                }
                key.make_credential(&request, None, signal).map(drop)
            }
            5 | 6 => key.get_assertion(&assertion, None, signal).map(drop),
            _ => key.select(signal),
        };
        return;
    };
    let _ = with_pin(key, random, pin, assertion, signal);
}

fn with_pin(
    key: &mut dyn Authenticator,
    random: &mut Random,
    pin: &Pin,
    mut assertion: GetAssertionRequest,
    signal: &mut Caller,
) -> Result<()> {
    match random.below(11) {
        0 => key.set_pin(pin, signal),
        1 => key.change_pin(pin, pin, signal),
        2 => key.check_pin(pin, signal),
        3 => key.make_credential(&request(), Some(pin), signal).map(drop),
        4 => {
            assertion.hmac_secret = Some(HmacSecretSalts {
                first: [1; 32],
                second: random.once_in(2).then_some([2; 32]),
            });
            key.get_assertion(&assertion, Some(pin), signal).map(drop)
        }
        5 => key.credential_slots(pin, signal).map(drop),
        6 => key.credentials(pin, signal).map(drop),
        7 => key.delete_credential(&[1; 32], pin, signal),
        8 => key.configure(
            &ConfigChange::SetMinPinLength {
                new_min: Some(8),
                rp_ids: vec!["example.com".to_owned()],
                force_change: true,
            },
            Some(pin),
            signal,
        ),
        9 => key.serial().map(drop),
        _ => key.reset(signal),
    }
}

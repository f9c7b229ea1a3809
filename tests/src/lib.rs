//! What the behaviour tests share: a rehearsal in process, a tray of keys, and the programs as processes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot be set up must fail, and loudly"
)]

mod desk;
mod hub;
mod programs;
mod rehearsal;

pub use desk::{Answers, Tray, opens};
pub use hub::{Hub, Tells};
pub use programs::{Run, program, rows, run};
pub use rehearsal::Rehearsal;

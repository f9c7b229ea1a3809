#![doc = include_str!("../README.md")]

mod cells;
mod challenges;
mod error;
mod input;
mod ledger;
mod private_file;
mod results;

pub use challenges::{ChallengeReader, ChallengeRow, ChallengeWriter};
pub use error::{Error, RowError, RowProblem};
pub use ledger::{
    BoundKey, KeyRef, Ledger, LedgerError, MadeCredential, Record, RecordId, SqliteLedger, Stage,
    Step, UserRef,
};
pub use private_file::{create_private, replace_private};
pub use results::{ResultFile, ResultRow};

#![doc = include_str!("../README.md")]

mod board;
mod exit;
mod render;
mod terminal;
mod text;

pub use exit::{Exit, main, main_of, parse};
pub use render::{Output, Screen};
pub use terminal::Terminal;
pub use text::words;

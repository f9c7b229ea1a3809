//! Random PINs that nobody guesses first and no spreadsheet eats.

use keywright_ctap::Pin;

use crate::config::PinAlphabet;

/// Makes PINs of one length from one alphabet.
#[derive(Debug, Clone, Copy)]
pub struct PinGenerator {
    alphabet: PinAlphabet,
    length: usize,
}

/// The operating system had no random bytes, or the key wants a PIN that cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PinGeneratorError {
    /// No random bytes.
    #[error("the operating system gave no random bytes: {0}")]
    NoRandomness(getrandom::Error),
    /// A length that CTAP does not allow.
    #[error("a PIN of {0} characters cannot be set on a key")]
    Length(usize),
}

impl PinGenerator {
    /// PINs of `length` characters, or of as many as the key demands if that is more.
    #[must_use]
    pub fn new(alphabet: PinAlphabet, length: u8, demanded: u8) -> Self {
        Self {
            alphabet,
            length: usize::from(length.max(demanded)),
        }
    }

    /// A fresh PIN: uniform over the alphabet, without a leading zero, never [trivial](is_trivial).
    ///
    /// # Errors
    /// [`PinGeneratorError`].
    pub fn generate(&self) -> Result<Pin, PinGeneratorError> {
        loop {
            let text = zeroize::Zeroizing::new(
                (0..self.length)
                    .map(|place| self.character(place))
                    .collect::<Result<String, _>>()?,
            );
            if !is_trivial(&text) {
                return Pin::new(text.as_str()).map_err(|_| PinGeneratorError::Length(self.length));
            }
        }
    }

    fn character(&self, place: usize) -> Result<char, PinGeneratorError> {
        let choices: &[u8] = match (self.alphabet, place) {
            (PinAlphabet::Digits, 0) => b"123456789",
            (PinAlphabet::Digits, _) => b"0123456789",
            // A leading letter: "1e5" and its like are numbers to a spreadsheet.
            (PinAlphabet::Alphanumeric, 0) => b"abcdfghjkmnpqrstuvwxyz",
            (PinAlphabet::Alphanumeric, _) => b"23456789abcdfghjkmnpqrstuvwxyz",
        };
        loop {
            let mut byte = [0];
            getrandom::fill(&mut byte).map_err(PinGeneratorError::NoRandomness)?;
            // The largest multiple of the number of choices that a byte holds: no remainder, no bias.
            let fair = 256 / choices.len() * choices.len();
            let value = usize::from(u8::from_be_bytes(byte));
            if value < fair
                && let Some(choice) = choices.get(value % choices.len())
            {
                return Ok(char::from(*choice));
            }
        }
    }
}

/// Whether a PIN is one of the first that a finder of the key would try.
#[must_use]
pub fn is_trivial(pin: &str) -> bool {
    let symbols: Vec<u32> = pin.chars().map(u32::from).collect();
    let reversed: String = pin.chars().rev().collect();
    let few_symbols = {
        let mut distinct = symbols.clone();
        distinct.sort_unstable();
        distinct.dedup();
        distinct.len() <= 2
    };
    few_symbols
        || pin == reversed
        || is_sequence(&symbols)
        || is_repetition(&symbols)
        || is_date(pin)
        || COMMON.contains(&pin)
}

/// 123456, 864208: every step the same, wrapping around at ten.
fn is_sequence(symbols: &[u32]) -> bool {
    let mut steps = symbols.windows(2).map(|pair| match pair {
        [first, second] => (second + 10 - first % 10) % 10,
        _ => 0,
    });
    steps
        .next()
        .is_some_and(|first| steps.all(|step| step == first))
}

/// 123123, 121212, 112233: a shorter piece again and again, or every symbol doubled.
fn is_repetition(symbols: &[u32]) -> bool {
    let length = symbols.len();
    let repeats = |period: usize| {
        length.is_multiple_of(period)
            && symbols
                .iter()
                .zip(symbols.iter().skip(period))
                .all(|(first, second)| first == second)
    };
    let doubled =
        length.is_multiple_of(2) && symbols.chunks(2).all(|pair| pair.first() == pair.last());
    doubled || (1..=length / 2).any(repeats)
}

/// Six or eight digits that read as a day of the last or this century, in any usual order.
fn is_date(pin: &str) -> bool {
    let digits: Vec<u32> = pin.chars().filter_map(|c| c.to_digit(10)).collect();
    if digits.len() != pin.chars().count() {
        return false;
    }
    let pair = |index: usize| {
        let tens = digits.get(index).copied().unwrap_or(99);
        tens * 10 + digits.get(index + 1).copied().unwrap_or(99)
    };
    let day_and_month = |a: u32, b: u32| {
        let fits = |day: u32, month: u32| (1..=31).contains(&day) && (1..=12).contains(&month);
        fits(a, b) || fits(b, a)
    };
    let century = |century: u32| matches!(century, 19 | 20);
    match digits.len() {
        // A two-digit year can be anything, so day and month decide.
        6 => day_and_month(pair(0), pair(2)) || day_and_month(pair(2), pair(4)),
        8 => {
            (century(pair(0)) && day_and_month(pair(4), pair(6)))
                || (century(pair(4)) && day_and_month(pair(0), pair(2)))
        }
        _ => false,
    }
}

/// The Python scripts' list, and favourites that the rules above do not catch.
const COMMON: [&str; 16] = [
    "123456",
    "123123",
    "654321",
    "123321",
    "112233",
    "121212",
    "520520",
    "123654",
    "159753",
    "147258",
    "258456",
    "789456",
    "314159",
    "271828",
    "1234567890",
    "13579246",
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn trivial_pins_are_known() {
        for pin in [
            "123456", "987654", "864208", "111111", "121212", "123123", "112233", "123321",
            "520520", "159753", "310199", "990131", "19841231", "31121984", "700007", "aaaa",
            "abab", "901234",
        ] {
            assert!(is_trivial(pin), "{pin}");
        }
        for pin in ["583920", "402913", "90417756", "k7wq2m"] {
            assert!(!is_trivial(pin), "{pin}");
        }
    }

    #[test]
    fn generated_pins_fit_and_differ() {
        let generator = PinGenerator::new(PinAlphabet::Digits, 6, 4);
        let pins: HashSet<String> = (0..2_000)
            .map(|_| generator.generate().unwrap().expose().to_owned())
            .collect();
        assert!(pins.len() > 1_980, "{}", pins.len());
        for pin in &pins {
            assert_eq!(pin.len(), 6);
            assert!(!pin.starts_with('0') && pin.bytes().all(|b| b.is_ascii_digit()));
            assert!(!is_trivial(pin), "{pin}");
        }
        let first: HashSet<char> = pins.iter().filter_map(|pin| pin.chars().next()).collect();
        assert_eq!(first.len(), 9);
    }

    #[test]
    fn the_key_may_demand_more() {
        let generator = PinGenerator::new(PinAlphabet::Alphanumeric, 6, 12);
        assert_eq!(generator.generate().unwrap().expose().len(), 12);
        let too_long = PinGenerator::new(PinAlphabet::Digits, 6, 64);
        assert!(matches!(
            too_long.generate(),
            Err(PinGeneratorError::Length(64))
        ));
    }
}

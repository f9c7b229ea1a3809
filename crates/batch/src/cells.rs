//! What a cell may become on its way through a spreadsheet, and back.

use std::borrow::Cow;

/// Characters that make a spreadsheet take a cell for a formula.
const FORMULA_STARTS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// A cell of free text (a display name, a detail) that no spreadsheet evaluates.
pub(crate) fn guard_formula(text: &str) -> Cow<'_, str> {
    if text.starts_with(FORMULA_STARTS) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// The inverse of [`guard_formula`].
pub(crate) fn unguard_formula(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(text) if text.starts_with(FORMULA_STARTS) => text,
        _ => cell,
    }
}

/// Bytes of a cell as text: UTF-8, or else Windows-1252, in which a Western spreadsheet saves "CSV".
pub(crate) fn decode(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.trim().to_owned(),
        Err(_) => {
            let (text, _) = encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes);
            text.trim().to_owned()
        }
    }
}

/// At most `most` characters of a cell, for an error message.
pub(crate) fn shorten(text: &str, most: usize) -> String {
    let mut short: String = text.chars().take(most).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guarded_cell_comes_back() {
        for text in ["=1+1", "-x", "'quoted", "", "Zoë", "+49 30", "@home"] {
            assert_eq!(unguard_formula(&guard_formula(text)), text);
        }
        assert_eq!(guard_formula("=1+1"), "'=1+1");
    }

    #[test]
    fn a_cell_saved_as_ansi_is_read() {
        assert_eq!(decode(b"Zo\xeb Fran\xe7ois"), "Zoë François");
        assert_eq!(decode("Zoë".as_bytes()), "Zoë");
    }
}

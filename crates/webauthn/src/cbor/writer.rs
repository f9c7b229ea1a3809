//! The canonical writer.

use ciborium::Value;

/// Encodes a value in CTAP2 canonical form: shortest numbers and lengths, definite lengths, map
/// keys in canonical order (whatever their order in the value).
///
/// The form has no tags and no duplicate keys; a value that has them is written with them, and
/// refused by every reader.
#[must_use]
pub fn to_canonical_vec(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write_canonical(value, &mut out);
    out
}

/// Appends a value in CTAP2 canonical form; see [`to_canonical_vec`].
pub fn write_canonical(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Integer(number) => {
            let number = i128::from(*number);
            // A ciborium integer lies within -2^64..2^64, so either conversion succeeds.
            if let Ok(unsigned) = u64::try_from(number) {
                write_head(out, 0, unsigned);
            } else if let Ok(negative) = u64::try_from(-1 - number) {
                write_head(out, 1, negative);
            }
        }
        Value::Bytes(bytes) => {
            write_head(out, 2, bytes.len() as u64);
            out.extend_from_slice(bytes);
        }
        Value::Text(text) => {
            write_head(out, 3, text.len() as u64);
            out.extend_from_slice(text.as_bytes());
        }
        Value::Array(items) => {
            write_head(out, 4, items.len() as u64);
            for item in items {
                write_canonical(item, out);
            }
        }
        Value::Map(entries) => {
            write_head(out, 5, entries.len() as u64);
            let mut encoded: Vec<(Vec<u8>, &Value)> = entries
                .iter()
                .map(|(key, value)| (to_canonical_vec(key), value))
                .collect();
            encoded.sort_by(|(left, _), (right, _)| canonical_key_order(left, right));
            for (key, value) in encoded {
                out.extend_from_slice(&key);
                write_canonical(value, out);
            }
        }
        Value::Tag(tag, inner) => {
            write_head(out, 6, *tag);
            write_canonical(inner, out);
        }
        Value::Bool(false) => out.push(0xf4),
        Value::Bool(true) => out.push(0xf5),
        Value::Null => out.push(0xf6),
        // CTAP2 leaves the representation of floating-point numbers alone; the shortest exact one
        // is ciborium's.
        other => {
            // Writing into a vector cannot fail.
            let _ = ciborium::into_writer(other, &mut *out);
        }
    }
}

/// CTAP 2.2 section 8: "The keys in every map must be sorted lowest value to highest."
pub(super) fn canonical_key_order(left: &[u8], right: &[u8]) -> std::cmp::Ordering {
    let major_type = |key: &[u8]| key.first().map(|byte| byte >> 5);
    // "If the major types are different, the one with the lower value in numerical order sorts
    // earlier."
    major_type(left)
        .cmp(&major_type(right))
        // "If two keys have different lengths, the shorter one sorts earlier;"
        .then(left.len().cmp(&right.len()))
        // "If two keys have the same length, the one with the lower value in (byte-wise) lexical
        // order sorts earlier."
        .then_with(|| left.cmp(right))
}

/// An initial byte of this major type with its argument in the shortest form.
pub(crate) fn write_head(out: &mut Vec<u8>, major: u8, argument: u64) {
    let major = major << 5;
    if let Ok(small) = u8::try_from(argument) {
        if small < 24 {
            out.push(major | small);
        } else {
            out.extend_from_slice(&[major | 24, small]);
        }
    } else if let Ok(short) = u16::try_from(argument) {
        out.push(major | 25);
        out.extend_from_slice(&short.to_be_bytes());
    } else if let Ok(word) = u32::try_from(argument) {
        out.push(major | 26);
        out.extend_from_slice(&word.to_be_bytes());
    } else {
        out.push(major | 27);
        out.extend_from_slice(&argument.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use ciborium::cbor;

    use super::*;

    #[test]
    fn keys_sort_by_type_then_length_then_bytes() {
        let value =
            cbor!({ "aa" => 1, "b" => 2, -1 => 3, 24 => 4, 1 => 5, "a" => 6, -257 => 7 }).unwrap();
        let expected = [
            0xa7, 0x01, 0x05, 0x18, 24, 0x04, 0x20, 0x03, 0x39, 0x01, 0x00, 0x07, 0x61, b'a', 0x06,
            0x61, b'b', 0x02, 0x62, b'a', b'a', 0x01,
        ];
        assert_eq!(to_canonical_vec(&value), expected);
    }

    #[test]
    fn heads_are_shortest() {
        for (number, expected) in [
            (0u64, "00"),
            (23, "17"),
            (24, "1818"),
            (255, "18ff"),
            (256, "190100"),
            (65535, "19ffff"),
            (65536, "1a00010000"),
            (u64::from(u32::MAX), "1affffffff"),
            (u64::from(u32::MAX) + 1, "1b0000000100000000"),
            (u64::MAX, "1bffffffffffffffff"),
        ] {
            let hex: String = to_canonical_vec(&Value::from(number))
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            assert_eq!(hex, expected);
        }
    }
}

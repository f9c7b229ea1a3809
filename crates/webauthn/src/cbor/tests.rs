use ciborium::cbor;
use proptest::prelude::*;

use super::*;

fn canonical_error(document: &[u8]) -> CborErrorKind {
    from_canonical_slice(document).unwrap_err().kind
}

#[test]
fn what_canonical_form_forbids_is_refused() {
    let cases: &[(&[u8], CborErrorKind)] = &[
        (&[], CborErrorKind::Truncated),
        (&[0x18, 0x17], CborErrorKind::NotShortest),
        (&[0x19, 0x00, 0xff], CborErrorKind::NotShortest),
        (&[0x38, 0x00], CborErrorKind::NotShortest),
        (&[0x58, 0x01, 0x00], CborErrorKind::NotShortest),
        (&[0xbf, 0xff], CborErrorKind::IndefiniteLength),
        (&[0x9f, 0xff], CborErrorKind::IndefiniteLength),
        (&[0x5f, 0x41, 0x00, 0xff], CborErrorKind::IndefiniteLength),
        (&[0xa2, 0x02, 0x00, 0x01, 0x00], CborErrorKind::UnsortedKeys),
        (&[0xa2, 0x20, 0x00, 0x01, 0x00], CborErrorKind::UnsortedKeys),
        (
            &[0xa2, 0x62, b'a', b'a', 0x00, 0x61, b'b', 0x00],
            CborErrorKind::UnsortedKeys,
        ),
        (&[0xa2, 0x01, 0x00, 0x01, 0x00], CborErrorKind::DuplicateKey),
        (&[0x01, 0x01], CborErrorKind::TrailingBytes),
        (&[0xc0, 0x01], CborErrorKind::Tag),
        (&[0xf7], CborErrorKind::Reserved(0xf7)),
        (&[0xf8, 0x20], CborErrorKind::Reserved(0xf8)),
        (&[0x1c], CborErrorKind::Reserved(0x1c)),
        (&[0x61, 0xff], CborErrorKind::NotUtf8),
        (&[0x42, 0x00], CborErrorKind::Truncated),
        (
            &[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            CborErrorKind::Truncated,
        ),
        (
            &[0xbb, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            CborErrorKind::Truncated,
        ),
    ];
    for (document, expected) in cases {
        assert_eq!(canonical_error(document), *expected, "{document:02x?}");
    }
}

#[test]
fn depth_and_length_are_limited() {
    let nested = |levels: usize| [vec![0x81; levels], vec![0x00]].concat();
    assert!(from_canonical_slice(&nested(MAX_DEPTH)).is_ok());
    assert_eq!(
        canonical_error(&nested(MAX_DEPTH + 1)),
        CborErrorKind::TooDeep
    );
    assert_eq!(
        from_lenient_slice(&nested(100_000)).unwrap_err().kind,
        CborErrorKind::TooDeep
    );
    assert_eq!(
        canonical_error(&vec![0; MAX_LENGTH + 1]),
        CborErrorKind::TooLong
    );
    assert_eq!(
        from_lenient_slice(&vec![0; MAX_LENGTH + 1])
            .unwrap_err()
            .kind,
        CborErrorKind::TooLong
    );
}

#[test]
fn the_lenient_reader_still_refuses_what_is_ambiguous() {
    assert_eq!(
        from_lenient_slice(&[0xa2, 0x02, 0x00, 0x01, 0x00]).unwrap(),
        cbor!({ 2 => 0, 1 => 0 }).unwrap()
    );
    assert_eq!(from_lenient_slice(&[0x18, 0x01]).unwrap(), Value::from(1));
    assert_eq!(
        from_lenient_slice(&[0x01, 0x01]).unwrap_err().kind,
        CborErrorKind::TrailingBytes
    );
    assert_eq!(
        from_lenient_slice(&[0x42, 0x01]).unwrap_err().kind,
        CborErrorKind::Truncated
    );
    // Two encodings of the same key are the same key.
    assert_eq!(
        from_lenient_slice(&[0xa2, 0x01, 0x00, 0x18, 0x01, 0x00])
            .unwrap_err()
            .kind,
        CborErrorKind::DuplicateKey
    );
}

#[test]
fn extreme_numbers_survive() {
    for document in [
        [0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        [0x3b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        [0x3b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ] {
        assert_eq!(
            to_canonical_vec(&from_canonical_slice(&document).unwrap()),
            document
        );
    }
    assert_eq!(
        Reader::new(&[0x3b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).integer(),
        Ok(i64::MIN)
    );
    assert_eq!(
        Reader::new(&[0x3b, 0x80, 0, 0, 0, 0, 0, 0, 0])
            .integer()
            .unwrap_err()
            .kind,
        CborErrorKind::OutOfRange
    );
}

#[test]
fn floating_point_numbers_keep_their_value() {
    for (document, expected) in [
        (vec![0xf9, 0x3c, 0x00], 1.0),
        (vec![0xf9, 0xc4, 0x00], -4.0),
        (vec![0xf9, 0x00, 0x01], 5.960_464_477_539_063e-8),
        (vec![0xfa, 0x47, 0xc3, 0x50, 0x00], 100_000.0),
        (
            vec![0xfb, 0x3f, 0xf1, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9a],
            1.1,
        ),
    ] {
        assert_eq!(
            from_canonical_slice(&document).unwrap(),
            Value::Float(expected)
        );
        assert_eq!(to_canonical_vec(&Value::Float(expected)), document);
    }
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<Vec<u8>>().prop_map(Value::Bytes),
        ".{0,12}".prop_map(Value::Text),
        any::<bool>().prop_map(Value::Bool),
        Just(Value::Null),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::btree_map(".{0,4}", inner.clone(), 0..6).prop_map(|map| Value::Map(
                map.into_iter()
                    .map(|(key, value)| (Value::Text(key), value))
                    .collect()
            )),
            prop::collection::btree_map(any::<i32>(), inner, 0..6).prop_map(|map| Value::Map(
                map.into_iter()
                    .map(|(key, value)| (Value::from(key), value))
                    .collect()
            )),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_by_both_readers(value in values()) {
        let document = to_canonical_vec(&value);
        let read = from_canonical_slice(&document).unwrap();
        prop_assert_eq!(to_canonical_vec(&read), document.clone());
        prop_assert_eq!(from_lenient_slice(&document).unwrap(), read);
    }

    #[test]
    fn whatever_is_read_as_canonical_is_written_the_same(document: Vec<u8>) {
        if let Ok(value) = from_canonical_slice(&document) {
            let mut reader = Reader::new(&document);
            prop_assert_eq!(reader.skip().unwrap(), &document[..]);
            // The width of floating-point numbers is the writer's own.
            if !document.iter().any(|byte| (0xf9..=0xfb).contains(byte)) {
                prop_assert_eq!(to_canonical_vec(&value), document);
            }
        }
    }

    #[test]
    fn no_bytes_panic(document: Vec<u8>) {
        let _ = from_canonical_slice(&document);
        let _ = from_lenient_slice(&document);
        let _ = Reader::new(&document).skip();
    }
}

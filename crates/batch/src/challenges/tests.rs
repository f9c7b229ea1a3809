use proptest::prelude::*;

use super::*;

const HEADER_LINE: &str = "#User.Name,User.DisplayName,User.ID,Challenge,ChallengeExpiryTime,RP.ID";
const ROW: &str =
    "kim@contoso.com,Kim User,T0Y6Ehqp,ZXlKaGJH,2024-08-14T16:29:58Z,login.microsoft.com";

fn read_bytes(bytes: &[u8]) -> Result<Vec<Result<ChallengeRow, RowError>>, Error> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("users.csv");
    std::fs::write(&path, bytes).unwrap();
    ChallengeReader::open(&path)?.collect()
}

fn the_row(text: &str) -> ChallengeRow {
    let rows = read_bytes(text.as_bytes()).unwrap();
    assert_eq!(rows.len(), 1);
    rows[0].clone().unwrap()
}

fn the_problem(text: &str) -> RowError {
    let rows = read_bytes(text.as_bytes()).unwrap();
    rows.into_iter().find_map(Result::err).unwrap()
}

#[test]
fn the_scripts_file_is_read_with_and_without_rp_id() {
    let row = the_row(&format!("{HEADER_LINE}\r\n{ROW}\r\n"));
    assert_eq!(row.user_name, "kim@contoso.com");
    assert_eq!(row.line, 2);
    assert_eq!(row.expires.to_string(), "2024-08-14T16:29:58Z");
    assert_eq!(row.rp_id, "login.microsoft.com");
    assert_eq!(row.creation_options, None);

    let older = "User.Name,User.DisplayName,User.ID,Challenge,ChallengeExpiryTime\nk@c.com,K,T0Y6,ZXlK,2024-08-14T16:29:58Z\n";
    assert_eq!(the_row(older).rp_id, "login.microsoft.com");
}

#[test]
fn what_a_spreadsheet_makes_of_it_is_read() {
    let plain = the_row(&format!("{HEADER_LINE}\n{ROW}\n"));
    let semicolons = format!("\u{feff}{HEADER_LINE}\r\n{ROW}\r\n").replace(',', ";");
    let tabs = format!("{HEADER_LINE}\n{ROW}\n").replace(',', "\t");
    let sep = format!("sep=;\r\n{HEADER_LINE}\r\n{ROW}\r\n;;;;;\r\n").replace(',', ";");
    let quoted = format!(
        "\"{}\"\n\"{}\"\n",
        HEADER_LINE.replace(',', "\",\""),
        ROW.replace(',', "\",\"")
    );
    for text in [semicolons, tabs, quoted] {
        assert_eq!(the_row(&text), plain, "{text}");
    }
    assert_eq!(the_row(&sep).line, 3);
    let reordered = "RP.ID,Challenge,User.ID,extra,#USER.NAME,challengeexpirytime,User.DisplayName\n\
        login.microsoft.com,ZXlKaGJH,T0Y6Ehqp,x,kim@contoso.com,2024-08-14 16:29:58,Kim User\n";
    assert_eq!(the_row(reordered), plain);

    let utf16: Vec<u8> = std::iter::once(0xfeff)
        .chain(
            format!("{HEADER_LINE}\r\n{ROW}\r\n")
                .replace(',', "\t")
                .encode_utf16(),
        )
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(read_bytes(&utf16).unwrap()[0].clone().unwrap(), plain);
}

#[test]
fn padded_standard_base64_is_the_same_challenge() {
    let text = format!(
        "{HEADER_LINE}\nk@c.com,K,-_-_,+/+/aA==,2024-08-14T16:29:58Z,login.microsoft.com\n"
    );
    let row = the_row(&text);
    assert_eq!(row.challenge.to_string(), "-_-_aA");
}

#[test]
fn a_bad_row_is_named_and_the_others_come() {
    let text = format!(
        "{HEADER_LINE}\n{ROW}\nlee@c.com,Lee,T0Y6,not base64!,2024-08-14T16:29:58Z,login.microsoft.com\n{}\n",
        ROW.replace("kim", "max")
    );
    let rows = read_bytes(text.as_bytes()).unwrap();
    assert_eq!(rows.len(), 3);
    let error = rows[1].clone().unwrap_err();
    assert_eq!((error.line, error.user.as_deref()), (3, Some("lee@c.com")));
    let message = error.to_string();
    assert!(
        message.contains("users.csv: line 3 (user lee@c.com)"),
        "{message}"
    );
    assert!(
        message.contains("`Challenge` is not base64url"),
        "{message}"
    );
    assert!(rows[2].is_ok());
}

#[test]
fn rows_that_cannot_be_meant_are_refused() {
    let twice = format!("{HEADER_LINE}\n{ROW}\n{}\n", ROW.replace("kim@", "KIM@"));
    assert_eq!(
        the_problem(&twice).problem,
        RowProblem::Duplicate { first_line: 2 }
    );
    let date = format!(
        "{HEADER_LINE}\n{}\n",
        ROW.replace("2024-08-14T16:29:58Z", "14.08.24 16:29")
    );
    assert!(matches!(
        the_problem(&date).problem,
        RowProblem::NotATime { .. }
    ));
    let short = format!("{HEADER_LINE}\nkim@contoso.com,Kim\n");
    assert_eq!(
        the_problem(&short).problem,
        RowProblem::EmptyCell { column: "User.ID" }
    );
    let long = format!("{HEADER_LINE}\n{}\n", ROW.replace("Kim User", "User, Kim"));
    assert_eq!(
        the_problem(&long).problem,
        RowProblem::TooManyCells {
            found: 7,
            expected: 6
        }
    );
}

#[test]
fn creation_options_must_agree_with_the_other_columns() {
    let options = r#"{"publicKey":{"challenge":"ZXlKaGJH","timeout":0,"attestation":"direct","rp":{"id":"login.microsoft.com","name":"Microsoft"},"user":{"id":"T0Y6Ehqp","displayName":"Kim User","name":"kim@contoso.com"},"pubKeyCredParams":[{"type":"public-key","alg":-7}],"excludeCredentials":[]}}"#;
    let cell = format!("\"{}\"", options.replace('"', "\"\""));
    let with = |row: &str, cell: &str| format!("{HEADER_LINE},CreationOptions\n{row},{cell}\n");
    assert_eq!(
        the_row(&with(ROW, &cell)).creation_options.as_deref(),
        Some(options)
    );
    let mixed = with(&ROW.replace("ZXlKaGJH", "ZXlKaGJI"), &cell);
    assert_eq!(
        the_problem(&mixed).problem,
        RowProblem::Disagree {
            column: "Challenge"
        }
    );
    let cut = with(ROW, &cell.replace("}}", ""));
    assert!(matches!(
        the_problem(&cut).problem,
        RowProblem::CreationOptions { .. }
    ));
}

#[test]
fn files_that_are_no_challenges_say_so() {
    assert!(matches!(read_bytes(b""), Err(Error::Empty { .. })));
    assert!(matches!(
        read_bytes(b"\xef\xbb\xbf\r\n\r\n"),
        Err(Error::Empty { .. })
    ));
    let missing = read_bytes(b"#User.Name,User.ID,Challenge\nk,a,b\n")
        .unwrap_err()
        .to_string();
    assert!(
        missing.contains("lacks the column `User.DisplayName`, `ChallengeExpiryTime`"),
        "{missing}"
    );
    assert!(matches!(
        read_bytes(b"PK\x03\x04\x14\x00\x06\x00"),
        Err(Error::NotText { line: 1, .. })
    ));
    let doubled = format!("{HEADER_LINE},challenge\n");
    assert!(matches!(
        read_bytes(doubled.as_bytes()),
        Err(Error::DuplicateColumn { .. })
    ));
    assert!(matches!(
        read_bytes(&vec![b'a'; 50 << 20]),
        Err(Error::LineTooLong { line: 1, .. })
    ));
    let mut late = format!("{HEADER_LINE}\n{ROW}\n\"").into_bytes();
    late.extend(vec![b'a'; 3 << 20]);
    assert!(matches!(
        read_bytes(&late),
        Err(Error::LineTooLong { line: 3, .. })
    ));
}

fn a_row(name: &str, display_name: &str) -> ChallengeRow {
    ChallengeRow {
        line: 0,
        user_name: name.to_owned(),
        display_name: display_name.to_owned(),
        user_handle: Base64Url(vec![1, 2, 3]),
        challenge: Base64Url(vec![0xff; 40]),
        expires: "2026-01-02T03:04:05Z".parse().unwrap(),
        rp_id: "login.microsoft.com".to_owned(),
        creation_options: None,
        object_id: Some("b1a6".to_owned()),
    }
}

#[test]
fn a_torn_last_line_is_cut_before_going_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("users.csv");
    let mut writer = ChallengeWriter::create(&path).unwrap();
    writer.append(&a_row("kim@c.com", "=Kim")).unwrap();
    drop(writer);
    let mut torn = std::fs::read(&path).unwrap();
    torn.extend(b"lee@c.com,Lee,AQ");
    std::fs::write(&path, torn).unwrap();
    let mut writer = ChallengeWriter::append_to(&path).unwrap();
    writer.append(&a_row("max@c.com", "Max")).unwrap();
    writer.finish().unwrap();
    let rows: Vec<_> = ChallengeReader::open(&path)
        .unwrap()
        .map(|row| row.unwrap().unwrap())
        .collect();
    let names: Vec<_> = rows.iter().map(|row| row.user_name.as_str()).collect();
    assert_eq!(names, ["kim@c.com", "max@c.com"]);
    assert_eq!(rows[0].display_name, "=Kim");
}

#[test]
fn the_header_starts_with_the_scripts_columns() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("users.csv");
    ChallengeWriter::create(&path).unwrap().finish().unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(
        text.starts_with(&format!("{HEADER_LINE},CreationOptions")),
        "{text}"
    );
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut with_header = format!("{HEADER_LINE}\n").into_bytes();
        with_header.extend(&bytes);
        let _ = read_bytes(&bytes);
        let _ = read_bytes(&with_header);
    }

    #[test]
    fn what_is_written_is_read_back(name in "[a-z]{1,8}@c\\.com", display in "[^\\s\\p{C}']([^\\p{C}]{0,20}[^\\s\\p{C}])?") {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("users.csv");
        let mut writer = ChallengeWriter::create(&path).unwrap();
        let row = a_row(&name, &display);
        writer.append(&row).unwrap();
        writer.finish().unwrap();
        let read = ChallengeReader::open(&path).unwrap().next().unwrap().unwrap().unwrap();
        prop_assert_eq!(ChallengeRow { line: 0, ..read }, row);
    }
}

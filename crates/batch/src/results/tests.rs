use super::*;

fn row(upn: &str, serial: &str, pin: &str, status: &str) -> ResultRow {
    ResultRow {
        upn: upn.to_owned(),
        method_id: format!("method-of-{upn}"),
        serial: serial.to_owned(),
        pin: Some(pin.to_owned().into()),
        status: status.to_owned(),
        aaguid: String::new(),
        model: "=cmd".to_owned(),
        credential_id: String::new(),
        time: Some("2026-01-02T03:04:05Z".parse().unwrap()),
        detail: String::new(),
    }
}

fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn rows_of_earlier_runs_and_of_the_scripts_stay() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.csv");
    std::fs::write(
        &path,
        "#upn,entraIDAuthMethodObjectId,serialNumber,PIN\r\nold@c.com,abc,111,402913\r\n",
    )
    .unwrap();
    let mut file =
        ResultFile::open(&path, vec![row("kim@c.com", "222", "583920", "registered")]).unwrap();
    file.put(row("lee@c.com", "333", "690124", "registered"))
        .unwrap();
    let lines = lines(&path);
    assert_eq!(
        lines[0],
        "#upn,entraIDAuthMethodObjectId,serialNumber,PIN,status,aaguid,model,credentialId,time,detail"
    );
    assert!(lines[1].starts_with("old@c.com,abc,111,402913,"));
    assert!(lines[2].starts_with("kim@c.com,method-of-kim@c.com,222,583920,registered,,'=cmd,"));
    assert!(lines[3].starts_with("lee@c.com,method-of-lee@c.com,333,690124,"));
    assert_eq!(lines.len(), 4);
}

#[test]
fn a_row_that_comes_again_replaces_itself() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.csv");
    let incomplete = ResultRow {
        method_id: String::new(),
        ..row("kim@c.com", "222", "583920", "incomplete")
    };
    let mut file = ResultFile::open(&path, vec![incomplete]).unwrap();
    file.put(row("kim@c.com", "222", "583920", "registered"))
        .unwrap();
    file.put(row("kim@c.com", "999", "104938", "registered"))
        .unwrap();
    let lines = lines(&path);
    assert_eq!(lines.len(), 3);
    assert!(lines[1].contains(",registered,"));
    assert_eq!(file.rows().len(), 2);
}

#[test]
fn a_torn_row_is_dropped_and_another_kind_of_file_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.csv");
    let mut file = ResultFile::open(&path, Vec::new()).unwrap();
    file.put(row("kim@c.com", "222", "583920", "registered"))
        .unwrap();
    drop(file);
    let mut torn = std::fs::read(&path).unwrap();
    torn.extend(b"lee@c.com,method,333,6901");
    std::fs::write(&path, torn).unwrap();
    let file = ResultFile::open(&path, Vec::new()).unwrap();
    assert_eq!(file.rows().len(), 1);

    let other = directory.path().join("invoices.csv");
    std::fs::write(&other, "customer,amount\nx,1\n").unwrap();
    assert!(matches!(
        ResultFile::open(&other, Vec::new()),
        Err(Error::MissingColumns { .. })
    ));
    assert_eq!(
        std::fs::read_to_string(&other).unwrap(),
        "customer,amount\nx,1\n"
    );
}

#[cfg(unix)]
#[test]
fn the_file_is_its_owners_only_even_when_it_was_not() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.csv");
    std::fs::write(&path, "#upn,entraIDAuthMethodObjectId,serialNumber,PIN\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    ResultFile::open(&path, Vec::new()).unwrap();
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

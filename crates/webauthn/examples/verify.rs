//! Verifies files of test vectors and prints one JSON line per ceremony:
//!
//! `cargo run -p keywright-webauthn --example verify -- [--relaxed] [--roots FILE] FILE…`
//!
//! Every supported algorithm and format is allowed; user verification is required where the vector
//! expects it; cross-origin frames are allowed where the vector says so. Certificates are checked
//! against the file's own root, else against `--roots`, else their trust is unknown. `--relaxed`
//! does not insist on the rules that published vectors are known to break.

#![allow(clippy::print_stdout, reason = "printing is what this program is for")]

use std::{error::Error, fs, path::Path};

use keywright_webauthn::{AttestationObject, Base64Url, Relaxations, Trust, VerifiedRegistration};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

#[path = "../tests/support/mod.rs"]
mod support;

use support::{Failure, Policy, Vector, VectorFile};

/// A file of root certificates.
#[derive(Deserialize)]
struct RootFile {
    /// The certificates.
    certs: Vec<Root>,
}

/// A root certificate.
#[derive(Deserialize)]
struct Root {
    /// The certificate.
    der: Base64Url,
}

/// What is printed of a ceremony.
#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    ceremony: &'static str,
    ok: bool,
    fmt: Option<String>,
    attestation_type: Option<String>,
    trust: Option<&'static str>,
    error: Option<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut files = Vec::new();
    let mut roots = None;
    let mut relaxations = Relaxations::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--relaxed" => relaxations = support::relaxed(),
            "--roots" => {
                let file: RootFile = read(arguments.next().ok_or("--roots needs a file")?)?;
                roots = Some(
                    file.certs
                        .into_iter()
                        .map(|root| root.der.into_bytes())
                        .collect::<Vec<_>>(),
                );
            }
            option if option.starts_with("--") => {
                return Err(format!("unknown option {option}").into());
            }
            _ => files.push(argument),
        }
    }
    for path in &files {
        let file: VectorFile = read(path)?;
        let anchors = file
            .attestation_root_cert_der
            .map(|root| vec![root.into_bytes()])
            .or_else(|| roots.clone());
        let policy = Policy {
            anchors,
            relaxations,
        };
        for vector in &file.vectors {
            print(&registration_line(
                vector,
                &vector.verify_registration(&policy),
            ))?;
            for result in vector.verify_authentications() {
                print(&authentication_line(&vector.name, result.err()))?;
            }
        }
    }
    Ok(())
}

fn registration_line<'a>(
    vector: &'a Vector,
    result: &Result<VerifiedRegistration, Failure>,
) -> Line<'a> {
    let (verified, error) = match result {
        Ok(verified) => (Some(verified), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let fmt = AttestationObject::decode(vector.registration.attestation_object.as_bytes())
        .ok()
        .map(|object| object.fmt);
    Line {
        name: &vector.name,
        ceremony: "registration",
        ok: verified.is_some(),
        fmt,
        attestation_type: verified.map(|verified| verified.attestation_type.to_string()),
        trust: verified.and_then(|verified| match verified.trust {
            Trust::Root => Some("root"),
            Trust::Unknown => Some("unknown"),
            _ => None,
        }),
        error,
    }
}

fn authentication_line(name: &str, failure: Option<Failure>) -> Line<'_> {
    Line {
        name,
        ceremony: "authentication",
        ok: failure.is_none(),
        fmt: None,
        attestation_type: None,
        trust: None,
        error: failure.map(|failure| failure.to_string()),
    }
}

fn print(line: &Line<'_>) -> serde_json::Result<()> {
    println!("{}", serde_json::to_string(line)?);
    Ok(())
}

fn read<T: DeserializeOwned>(path: impl AsRef<Path>) -> Result<T, Box<dyn Error>> {
    let path = path.as_ref();
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()).into())
}

//! A software key on a contactless reader of this machine, by way of vsmartcard's virtual reader (Debian: `vsmartcard-vpcd`).
//!
//! `cargo run -p keywright-virtual-key --example vpcd -- [--state FILE] [--address HOST:PORT] [--short]`
//!
//! `--state FILE` is the key's file, made when it is not there. `--address` is where the virtual reader listens, by
//! default 127.0.0.1:35963. `--short`: the card takes no extended APDUs. The key lies on the reader until the program
//! ends.

use std::{error::Error, net::TcpStream, path::PathBuf};

use keywright_virtual_key::{CardOptions, KeyOptions, VirtualCard, VirtualKey};

fn main() -> Result<(), Box<dyn Error>> {
    let mut state: Option<PathBuf> = None;
    let mut address = "127.0.0.1:35963".to_owned();
    let mut options = CardOptions::default();
    options.yubikey = true;
    let mut arguments = std::env::args_os().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--state") => state = Some(arguments.next().ok_or("--state needs a file")?.into()),
            Some("--address") => {
                let given = arguments.next().ok_or("--address needs HOST:PORT")?;
                address = given.to_string_lossy().into_owned();
            }
            Some("--short") => options.extended_apdus = false,
            _ => return Err(format!("unknown argument {}", argument.display()).into()),
        }
    }
    let key = match state {
        None => VirtualKey::in_memory(&KeyOptions::default())?,
        Some(path) if path.exists() => VirtualKey::open(&path)?,
        Some(path) => VirtualKey::create(&path, &KeyOptions::for_file(&path))?,
    };
    let stream = TcpStream::connect(&address)
        .map_err(|error| format!("{address}: no virtual reader listens there: {error}"))?;
    VirtualCard::new(key, options).serve(stream)?;
    Ok(())
}

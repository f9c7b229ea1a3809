//! The file a key lives in: written whole and renamed into place, so that it is never torn; locked,
//! so that one key is never in two places.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use crate::{
    error::{Error, Result},
    state::{FORMAT, State},
};

/// Where a key's state is kept.
#[derive(Debug)]
pub(crate) enum Store {
    /// Nowhere.
    Memory,
    /// In a file, which is held open and locked.
    File { path: PathBuf, locked: File },
}

impl Store {
    /// Opens and locks the file at `path`.
    pub(crate) fn open(path: &Path) -> Result<(Self, State)> {
        loop {
            let locked = OpenOptions::new()
                .read(true)
                .write(true)
                .open(path)
                .map_err(Error::io(path))?;
            lock(&locked, path)?;
            // Whoever had the key may have replaced the file between our opening and locking it.
            if !is_same_file(&locked, path)? {
                continue;
            }
            let state = read(&locked, path)?;
            return Ok((
                Self::File {
                    path: path.to_owned(),
                    locked,
                },
                state,
            ));
        }
    }

    /// Makes a new file at `path`.
    pub(crate) fn create(path: &Path, state: &State) -> Result<Self> {
        if cfg!(windows) {
            return Self::create_in_place(path, state);
        }
        let temporary = temporary(path);
        let locked = write(&temporary, path, state)?;
        // A link, unlike a rename, does not replace what is there.
        let linked = fs::hard_link(&temporary, path);
        let removed = fs::remove_file(&temporary);
        match linked {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(Error::Exists {
                    path: path.to_owned(),
                });
            }
            Err(error) => return Err(Error::io(path)(error)),
        }
        removed.map_err(Error::io(temporary))?;
        Ok(Self::File {
            path: path.to_owned(),
            locked,
        })
    }

    /// On Windows a name stays taken until the file is closed, whoever has deleted it: there, a file is made under its own
    /// name. One that is torn is no key's, and nobody had that key yet.
    fn create_in_place(path: &Path, state: &State) -> Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        let mut locked = options.open(path).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => Error::Exists {
                path: path.to_owned(),
            },
            _ => Error::io(path)(source),
        })?;
        lock(&locked, path)?;
        locked
            .write_all(&encode(path, state)?)
            .map_err(Error::io(path))?;
        Ok(Self::File {
            path: path.to_owned(),
            locked,
        })
    }

    /// Replaces what is kept. Whenever the process dies, there is the old state or the new one.
    pub(crate) fn save(&mut self, state: &State) -> Result<()> {
        let Self::File { path, locked } = self else {
            return Ok(());
        };
        let temporary = temporary(path);
        let replacement = write(&temporary, path, state)?;
        if cfg!(windows) {
            // There, a file that is open is not replaced. Should somebody else take the key in the moment that it is not
            // locked, the renaming fails, and they have the old state.
            *locked = replacement;
            return fs::rename(&temporary, &*path).map_err(Error::io(&*path));
        }
        fs::rename(&temporary, &*path).map_err(Error::io(&*path))?;
        *locked = replacement;
        Ok(())
    }

    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Memory => None,
            Self::File { path, .. } => Some(path),
        }
    }
}

/// Looks into a file without locking it. `None` when it is no key's.
pub(crate) fn peek(path: &Path) -> Option<State> {
    let file = File::open(path).ok()?;
    read(&file, path).ok()
}

/// Writes the state into a file beside `path`, which nobody but its owner can read, and locks it
/// before it gets its name.
fn write(temporary: &Path, path: &Path, state: &State) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(temporary).map_err(Error::io(temporary))?;
    // Emptied only when it is ours: somebody else may be making a key of the same name.
    lock(&file, path)?;
    file.set_len(0).map_err(Error::io(temporary))?;
    file.write_all(&encode(path, state)?)
        .map_err(Error::io(temporary))?;
    Ok(file)
}

fn encode(path: &Path, state: &State) -> Result<zeroize::Zeroizing<Vec<u8>>> {
    serde_json::to_vec_pretty(state)
        .map(zeroize::Zeroizing::new)
        .map_err(|error| Error::NotAKey {
            path: path.to_owned(),
            reason: error.to_string(),
        })
}

fn read(file: &File, path: &Path) -> Result<State> {
    let not_a_key = |reason: String| Error::NotAKey {
        path: path.to_owned(),
        reason,
    };
    let length = file.metadata().map_err(Error::io(path))?.len();
    if length > MAX_LENGTH {
        return Err(not_a_key(format!("it has {length} bytes")));
    }
    let state: State = serde_json::from_reader(io::BufReader::new(file))
        .map_err(|error| not_a_key(error.to_string()))?;
    if state.virtual_key == FORMAT {
        Ok(state)
    } else {
        Err(not_a_key(format!(
            "it has format {}, this version knows {FORMAT}",
            state.virtual_key
        )))
    }
}

fn lock(file: &File, path: &Path) -> Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(Error::InUse {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(Error::Io {
            path: path.to_owned(),
            source,
        }),
    }
}

#[cfg(unix)]
fn is_same_file(file: &File, path: &Path) -> Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let open = file.metadata().map_err(Error::io(path))?;
    let named = fs::metadata(path).map_err(Error::io(path))?;
    Ok((open.dev(), open.ino()) == (named.dev(), named.ino()))
}

/// Where an open file cannot be replaced, it is the one.
#[cfg(not(unix))]
fn is_same_file(_: &File, _: &Path) -> Result<bool> {
    Ok(true)
}

/// `.NAME.new` beside `path`: not listed as a key, and overwritten by the next one who writes.
fn temporary(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.new"))
}

/// More than any key with a sensible capacity has.
const MAX_LENGTH: u64 = 16 << 20;

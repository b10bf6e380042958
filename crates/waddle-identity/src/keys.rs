//! The key file: a server secret, and the keys that values at rest are encrypted with
//! (ChaCha20-Poly1305, RFC 8439; ADR 0007).
//!
//! A sealed value is `1 ‖ key id (4 bytes) ‖ nonce (12) ‖ ciphertext and tag`, bound by its additional data
//! to the place where it is kept, so that a value moved to another row does not open.

use std::{
    io::Write as _,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
    sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hmac,
    rand::{SecureRandom as _, SystemRandom},
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::Error;

/// Name of the key file in the data directory.
pub const KEY_FILE: &str = "identity.keys";

const VERSION: u8 = 1;
const HEAD: usize = 5;

#[derive(Serialize, Deserialize)]
struct File {
    /// Makes deterministic salts and CSRF tokens; never rotated.
    secret: String,
    /// Encryption keys, the newest last; old ones stay to open what they sealed.
    keys: Vec<FileKey>,
}

#[derive(Serialize, Deserialize)]
struct FileKey {
    id: u32,
    key: String,
}

/// The keys in memory; cheap to clone.
#[derive(Clone)]
pub struct Keyring(Arc<Inner>);

struct Inner {
    secret: hmac::Key,
    keys: Vec<(u32, LessSafeKey)>,
    random: SystemRandom,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keyring")
    }
}

fn file_error(path: &Path, reason: impl ToString) -> Error {
    Error::KeyFile {
        path: path.display().to_string(),
        reason: reason.to_string(),
    }
}

/// `N` random bytes of the system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut out = [0; N];
    SystemRandom::new()
        .fill(&mut out)
        .map_err(|_| Error::Config("the system gives no random numbers".into()))?;
    Ok(out)
}

/// A random text of 256 bits, with a prefix that says what it is.
pub(crate) fn random_text(prefix: &str) -> Result<String, Error> {
    Ok(format!("{prefix}{}", B64.encode(random::<32>()?)))
}

/// SHA-256, for looking up random secrets without keeping them.
pub(crate) fn digest(text: &str) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, text.as_bytes()).as_ref());
    out
}

impl Keyring {
    /// Reads the key file of `dir`, or makes it (mode 0600) where there is none.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(KEY_FILE);
        let file = match std::fs::read_to_string(&path) {
            Ok(text) => {
                let mode = std::fs::metadata(&path)
                    .map_err(|e| file_error(&path, e))?
                    .permissions()
                    .mode();
                if mode & 0o077 != 0 {
                    tracing::warn!(path = %path.display(), "the key file can be read by others; chmod 600 it");
                }
                let text = Zeroizing::new(text);
                serde_json::from_str(&text).map_err(|e| file_error(&path, format!("damaged: {e}")))?
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Self::make(dir, &path)?,
            Err(e) => return Err(file_error(&path, e)),
        };
        Self::load(&file).ok_or_else(|| file_error(&path, "damaged: a key of the wrong length"))
    }

    fn make(dir: &Path, path: &Path) -> Result<File, Error> {
        let file = File {
            secret: B64.encode(random::<32>()?),
            keys: vec![FileKey {
                id: 1,
                key: B64.encode(random::<32>()?),
            }],
        };
        let text = Zeroizing::new(serde_json::to_string_pretty(&file).map_err(|e| file_error(path, e))?);
        let write = || -> std::io::Result<()> {
            std::fs::create_dir_all(dir)?;
            let new = path.with_extension("keys.new");
            let mut f = std::fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&new)?;
            f.write_all(text.as_bytes())?;
            f.sync_all()?;
            std::fs::rename(&new, path)?;
            std::fs::File::open(dir)?.sync_all()
        };
        write().map_err(|e| file_error(path, e))?;
        Ok(file)
    }

    fn load(file: &File) -> Option<Self> {
        let secret = Zeroizing::new(B64.decode(&file.secret).ok()?);
        if secret.len() != 32 {
            return None;
        }
        let mut keys = Vec::with_capacity(file.keys.len());
        for k in &file.keys {
            let raw = Zeroizing::new(B64.decode(&k.key).ok()?);
            keys.push((
                k.id,
                LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &raw).ok()?),
            ));
        }
        (!keys.is_empty()).then(|| {
            Self(Arc::new(Inner {
                secret: hmac::Key::new(hmac::HMAC_SHA256, &secret),
                keys,
                random: SystemRandom::new(),
            }))
        })
    }

    /// HMAC-SHA-256 of `purpose` and `data` under the server secret.
    pub fn mac(&self, purpose: &str, data: &[u8]) -> [u8; 32] {
        let mut ctx = hmac::Context::with_key(&self.0.secret);
        ctx.update(purpose.as_bytes());
        ctx.update(&[0]);
        ctx.update(data);
        let mut out = [0; 32];
        out.copy_from_slice(ctx.sign().as_ref());
        out
    }

    /// Encrypts `plain` with the newest key for the place `aad`.
    pub fn seal(&self, aad: &str, plain: &[u8]) -> Result<Vec<u8>, Error> {
        let (id, key) = self.0.keys.last().ok_or(Error::Sealed)?;
        let mut nonce = [0; NONCE_LEN];
        self.0.random.fill(&mut nonce).map_err(|_| Error::Sealed)?;
        let mut body = plain.to_vec();
        key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(aad.as_bytes()),
            &mut body,
        )
        .map_err(|_| Error::Sealed)?;
        let mut out = Vec::with_capacity(HEAD + NONCE_LEN + body.len());
        out.push(VERSION);
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(&nonce);
        out.append(&mut body);
        Ok(out)
    }

    /// Decrypts what [`Keyring::seal`] made for the same place.
    pub fn open_sealed(&self, aad: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let (head, rest) = sealed.split_at_checked(HEAD).ok_or(Error::Sealed)?;
        let (nonce, body) = rest.split_at_checked(NONCE_LEN).ok_or(Error::Sealed)?;
        let id = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        let key = self
            .0
            .keys
            .iter()
            .find(|(k, _)| *k == id)
            .filter(|_| head[0] == VERSION);
        let (_, key) = key.ok_or(Error::Sealed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Error::Sealed)?;
        let mut body = Zeroizing::new(body.to_vec());
        let len = key
            .open_in_place(nonce, Aad::from(aad.as_bytes()), &mut body)
            .map_err(|_| Error::Sealed)?
            .len();
        body.truncate(len);
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_private_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let a = Keyring::open(dir.path()).unwrap();
        let mode = std::fs::metadata(dir.path().join(KEY_FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let b = Keyring::open(dir.path()).unwrap();
        assert_eq!(a.mac("x", b"y"), b.mac("x", b"y"));
        assert_ne!(a.mac("x", b"y"), a.mac("xy", b""));
        let sealed = a.seal("row 1", b"hello").unwrap();
        assert_eq!(b.open_sealed("row 1", &sealed).unwrap().as_slice(), b"hello");
    }

    #[test]
    fn sealed_values_are_bound_to_their_place_and_key() {
        let dir = tempfile::tempdir().unwrap();
        let k = Keyring::open(dir.path()).unwrap();
        let sealed = k.seal("row 1", b"hello").unwrap();
        assert!(!sealed.windows(5).any(|w| w == b"hello"));
        assert!(k.open_sealed("row 2", &sealed).is_err());
        for i in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[i] ^= 1;
            assert!(k.open_sealed("row 1", &bad).is_err(), "byte {i}");
            assert!(k.open_sealed("row 1", &sealed[..i]).is_err());
        }
        let other = tempfile::tempdir().unwrap();
        assert!(
            Keyring::open(other.path())
                .unwrap()
                .open_sealed("row 1", &sealed)
                .is_err()
        );
    }

    #[test]
    fn a_new_key_seals_and_the_old_one_still_opens() {
        let dir = tempfile::tempdir().unwrap();
        let sealed = Keyring::open(dir.path()).unwrap().seal("p", b"old").unwrap();
        let path = dir.path().join(KEY_FILE);
        let mut file: File = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        file.keys.push(FileKey {
            id: 2,
            key: B64.encode([7; 32]),
        });
        std::fs::write(&path, serde_json::to_string(&file).unwrap()).unwrap();
        let k = Keyring::open(dir.path()).unwrap();
        assert_eq!(k.open_sealed("p", &sealed).unwrap().as_slice(), b"old");
        assert_eq!(k.seal("p", b"new").unwrap()[1..5], [0, 0, 0, 2]);
    }

    #[test]
    fn a_damaged_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(KEY_FILE), "{}").unwrap();
        let e = Keyring::open(dir.path()).unwrap_err().to_string();
        assert!(e.contains(KEY_FILE) && e.contains("damaged"), "{e}");
    }
}

//! The certificate: from files or self-signed at first start, and swapped live when the files change.

use std::{
    fs, io,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    crypto::ring,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use crate::config::Config;

/// Where certificate and key are read from, and the configuration that answers with them.
#[derive(Debug)]
pub struct Tls {
    cert: PathBuf,
    key: PathBuf,
    current: Arc<Current>,
    config: Arc<ServerConfig>,
}

/// The certificate in use; handshakes take it from here, so that a renewal needs no restart.
#[derive(Debug)]
struct Current(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl Tls {
    /// Loads the configured files, or makes a self-signed certificate in the data directory.
    pub fn open(config: &Config) -> anyhow::Result<Self> {
        let (cert, key) = match (&config.tls_cert, &config.tls_key) {
            (Some(cert), Some(key)) => (cert.clone(), key.clone()),
            _ => self_signed(config)?,
        };
        warn_if_readable(&key);
        let current = Arc::new(Current(ArcSwap::from_pointee(load(&cert, &key)?)));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(current.clone());
        // A resumed handshake costs a server a fifth of a full one.
        config.ticketer = ring::Ticketer::new()?;
        config.send_tls13_tickets = 1;
        Ok(Self {
            cert,
            key,
            current,
            config: Arc::new(config),
        })
    }

    /// The configuration, without ALPN: each listener sets its own on a copy, the certificate stays shared.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }

    /// Reads the files again. A file that cannot be used keeps the old certificate in place.
    pub fn reload(&self) -> anyhow::Result<()> {
        self.current.0.store(Arc::new(load(&self.cert, &self.key)?));
        Ok(())
    }
}

fn load(cert: &Path, key: &Path) -> anyhow::Result<CertifiedKey> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect)
        .with_context(|| format!("tls_cert: {}: no certificate chain in PEM form", cert.display()))?;
    let private = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("tls_key: {}: no private key in PEM form", key.display()))?;
    CertifiedKey::from_der(chain, private, &ring::default_provider())
        .with_context(|| format!("{} and {} do not belong together", cert.display(), key.display()))
}

/// The names that a self-signed certificate covers: the domain and its services, and this machine.
fn names(config: &Config) -> Vec<String> {
    let mut names = vec![config.domain.clone()];
    names.extend(["muc", "upload", "pubsub"].map(|s| format!("{s}.{}", config.domain)));
    names.extend(config.xmpp_host.clone());
    names.extend(["localhost", "127.0.0.1", "::1"].map(String::from));
    names.sort();
    names.dedup();
    names
}

fn self_signed(config: &Config) -> anyhow::Result<(PathBuf, PathBuf)> {
    let cert = config.data_dir.join("tls-cert.pem");
    let key = config.data_dir.join("tls-key.pem");
    if !(cert.exists() && key.exists()) {
        let made = rcgen::generate_simple_self_signed(names(config))
            .with_context(|| format!("cannot make a certificate for {}", config.domain))?;
        write_private(&key, made.signing_key.serialize_pem().as_bytes())?;
        fs::write(&cert, made.cert.pem()).with_context(|| format!("cannot write {}", cert.display()))?;
        tracing::info!(cert = %cert.display(), "made a self-signed certificate");
    }
    Ok((cert, key))
}

fn write_private(path: &Path, text: &[u8]) -> anyhow::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    io::Write::write_all(&mut file, text).with_context(|| format!("cannot write {}", path.display()))
}

fn warn_if_readable(key: &Path) {
    if fs::metadata(key).is_ok_and(|m| m.permissions().mode() & 0o077 != 0) {
        tracing::warn!(key = %key.display(), "other users of this machine can read the private key: chmod 600 it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(dir: &Path, extra: &[(&str, &str)]) -> Config {
        let dir = dir.display().to_string();
        let find = |k: &str| extra.iter().find(|(n, _)| *n == k).map(|(_, v)| (*v).to_owned());
        Config::load(None, |k| {
            if k == "WADDLE_DATA_DIR" {
                Some(dir.clone())
            } else {
                find(k)
            }
        })
        .unwrap()
    }

    #[test]
    fn made_once_private_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let c = config(dir.path(), &[]);
        Tls::open(&c).unwrap();
        let key = dir.path().join("tls-key.pem");
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        let before = fs::read(&key).unwrap();
        let tls = Tls::open(&c).unwrap();
        assert_eq!(before, fs::read(&key).unwrap());
        let old = tls.current.0.load_full();
        fs::write(&key, "broken").unwrap();
        assert!(tls.reload().is_err());
        assert!(
            Arc::ptr_eq(&old, &tls.current.0.load_full()),
            "a bad file keeps the old certificate"
        );
    }

    #[test]
    fn missing_files_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let c = config(
            dir.path(),
            &[("WADDLE_TLS_CERT", "/none.pem"), ("WADDLE_TLS_KEY", "/none.key")],
        );
        assert!(Tls::open(&c).unwrap_err().to_string().contains("/none.pem"));
    }
}

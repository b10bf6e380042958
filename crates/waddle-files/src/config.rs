//! What the file store is told at start (`specs/configuration.md`, `upload_*`).

use std::path::PathBuf;

use url::Url;
use waddle_core::{Limits, Secret};

/// Settings of uploads.
#[derive(Debug, Clone)]
pub struct FilesConfig {
    /// What the world sees before `/upload/…`.
    pub url: Url,
    /// Where the bytes are.
    pub store: StoreConfig,
    /// Bytes of one file.
    pub max_bytes: u64,
    /// Bytes that an account may upload in 24 hours.
    pub daily_bytes: u64,
    /// Bytes of an account's files.
    pub account_bytes: u64,
    /// Bytes of all files.
    pub server_bytes: u64,
    /// Days that a file is kept; 0: for ever.
    pub days: u64,
    /// Bounds.
    pub limits: Limits,
}

/// Where the bytes of files are.
#[derive(Debug, Clone)]
pub enum StoreConfig {
    /// A directory of this machine.
    Local(PathBuf),
    /// An S3-compatible service.
    S3(S3Config),
}

/// An S3-compatible service. What is empty is looked for where Amazon's tools look: the variables `AWS_*` and the
/// metadata of the machine.
#[derive(Debug, Clone)]
pub struct S3Config {
    /// The bucket.
    pub bucket: String,
    /// Its region.
    pub region: Option<String>,
    /// The service, if it is not Amazon's.
    pub endpoint: Option<Url>,
    /// Whether the bucket is in the path, not in the host's name.
    pub path_style: bool,
    /// What comes before the names of objects.
    pub prefix: String,
    /// Access key.
    pub access_key: Option<String>,
    /// Secret key.
    pub secret_key: Option<Secret>,
}

/// One mebibyte.
pub const MIB: u64 = 1 << 20;

impl FilesConfig {
    /// Files in a directory, with the usual quotas.
    pub fn local(url: Url, dir: impl Into<PathBuf>) -> Self {
        Self {
            url,
            store: StoreConfig::Local(dir.into()),
            max_bytes: 100 * MIB,
            daily_bytes: 1024 * MIB,
            account_bytes: 10 * 1024 * MIB,
            server_bytes: 100 * 1024 * MIB,
            days: 90,
            limits: Limits::default(),
        }
    }
}

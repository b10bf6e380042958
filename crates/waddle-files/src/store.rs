//! Where the bytes are: `object_store` over a local directory or S3, a random id an object.

use std::{fmt, path::PathBuf, sync::Arc};

use object_store::{
    ClientOptions, ObjectStore, ObjectStoreExt as _, aws::AmazonS3Builder, local::LocalFileSystem, path::Path,
};

use crate::{
    config::{S3Config, StoreConfig},
    error::Error,
};

/// Bytes of one write to a local file.
const LOCAL_PART: usize = 256 * 1024;
/// Bytes of a part of an upload to S3, which wants 5 MiB at least.
const S3_PART: usize = 5 * 1024 * 1024;
/// Staging files that uploads broken by a crash may have left behind, per file.
const STAGED: u8 = 8;

/// The store.
pub(crate) struct Store {
    pub objects: Arc<dyn ObjectStore>,
    /// Bytes that are collected for one write.
    pub part: usize,
    prefix: String,
    /// Of a local store.
    root: Option<PathBuf>,
}

impl Store {
    pub async fn open(config: &StoreConfig) -> Result<Self, Error> {
        match config {
            StoreConfig::Local(dir) => Self::local(dir.clone()).await,
            StoreConfig::S3(s3) => Self::s3(s3),
        }
    }

    async fn local(dir: PathBuf) -> Result<Self, Error> {
        let cannot = |e: &dyn fmt::Display| Error::Config(format!("upload_dir {}: {e}", dir.display()));
        tokio::fs::create_dir_all(&dir).await.map_err(|e| cannot(&e))?;
        let objects = LocalFileSystem::new_with_prefix(&dir)
            .map_err(|e| cannot(&e))?
            // what was answered with 201 is there after a power failure
            .with_fsync(true);
        Ok(Self {
            objects: Arc::new(objects),
            part: LOCAL_PART,
            prefix: String::new(),
            root: Some(dir),
        })
    }

    fn s3(config: &S3Config) -> Result<Self, Error> {
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(&config.bucket)
            .with_virtual_hosted_style_request(!config.path_style);
        if let Some(region) = &config.region {
            builder = builder.with_region(region);
        }
        let mut plain = false;
        if let Some(endpoint) = &config.endpoint {
            plain = endpoint.scheme() == "http";
            builder = builder.with_endpoint(endpoint.as_str().trim_end_matches('/'));
        }
        if let Some(key) = &config.access_key {
            builder = builder.with_access_key_id(key);
        }
        if let Some(key) = &config.secret_key {
            builder = builder.with_secret_access_key(key.expose());
        }
        builder = builder.with_client_options(ClientOptions::new().with_allow_http(plain));
        // The client takes the process's TLS provider; where there is one already it stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let objects = builder
            .build()
            .map_err(|e| Error::Config(format!("upload_s3_bucket: {e}")))?;
        Ok(Self {
            objects: Arc::new(objects),
            part: S3_PART,
            prefix: config.prefix.trim_matches('/').to_owned(),
            root: None,
        })
    }

    /// Where a file's bytes are. 4,096 directories keep each of them small.
    pub fn path(&self, id: &str) -> Path {
        let shard = id.get(..2).unwrap_or("--");
        let prefix = self.prefix.split('/').filter(|p| !p.is_empty());
        prefix.chain([shard, id]).collect()
    }

    /// Removes a file's bytes, those of broken uploads too; nothing there is as good.
    pub async fn remove(&self, id: &str) -> Result<(), Error> {
        self.clear_staged(id).await;
        match self.objects.delete(&self.path(id)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(e) => Err(Error::store(e)),
        }
    }

    /// Removes what a crash left of an upload of this file. Nobody else may be uploading it.
    pub async fn clear_staged(&self, id: &str) {
        let Some(root) = &self.root else { return };
        let shard = id.get(..2).unwrap_or("--");
        for n in 1..=STAGED {
            let path = root.join(shard).join(format!("{id}#{n}"));
            if tokio::fs::remove_file(path).await.is_err() {
                return;
            }
        }
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.objects.fmt(f)
    }
}

//! The layers below the listeners, opened in order: storage, identity, community.

use std::sync::Arc;

use anyhow::Context;
use waddle_community::{Actor, Community};
use waddle_core::{Secret, SharedClock, SystemClock};
use waddle_identity::{AtprotoConfig, Identity, IdentityConfig};
use waddle_storage::{Storage, StorageConfig};

use crate::{
    config::{Config, PublicNames, Registration},
    secrets::random_password,
};

/// What both the running server and the command line work on.
#[derive(Clone)]
pub struct App {
    /// The databases.
    pub storage: Storage,
    /// Who somebody is.
    pub identity: Identity,
    /// Waddles and who may do what.
    pub community: Community,
    /// The machine's clock.
    pub clock: SharedClock,
    /// Who may make an account in band.
    pub registration: Registration,
}

/// The first administrator, whose password is shown once.
#[derive(Debug)]
pub struct FirstAdmin {
    /// Its localpart.
    pub name: &'static str,
    /// Its password.
    pub password: Secret,
}

impl App {
    /// Opens the data directory. Fails where another process holds it.
    pub async fn open(config: &Config, public: &PublicNames) -> anyhow::Result<Self> {
        let clock: SharedClock = Arc::new(SystemClock);
        let storage = Storage::open(StorageConfig {
            dir: config.data_dir.clone(),
            limits: config.limits.clone(),
            clock: clock.clone(),
        })
        .await
        .with_context(|| format!("data_dir {}", config.data_dir.display()))?;
        let identity = Identity::open(&storage, clock.clone(), identity_config(config, public)).await?;
        let community = Community::open(
            storage.clone(),
            clock.clone(),
            Arc::new(config.limits.clone()),
            config.domain.as_str(),
        )
        .await?;
        Ok(Self {
            storage,
            identity,
            community,
            clock,
            registration: config.registration,
        })
    }

    /// Makes the account `admin` if there is no account at all.
    pub async fn first_admin(&self) -> anyhow::Result<Option<FirstAdmin>> {
        if self.identity.count().await? > 0 {
            return Ok(None);
        }
        let admin = FirstAdmin {
            name: "admin",
            password: random_password()?,
        };
        self.identity
            .create_local(admin.name, &admin.password, true)
            .await?;
        Ok(Some(admin))
    }

    /// Ends what was opened; everything queued is written.
    pub async fn close(self) {
        self.storage.close().await;
    }
}

/// Administrative commands act for the server's operator.
pub const OPERATOR: Actor = Actor::System;

fn identity_config(config: &Config, public: &PublicNames) -> IdentityConfig {
    let mut out = IdentityConfig::new(config.domain.clone(), public.url.clone(), &config.data_dir);
    out.atproto = AtprotoConfig {
        plc_url: config.atproto_plc_url.clone(),
        handle_resolver: config.atproto_handle_resolver.clone(),
        allow_http_loopback: config.atproto_allow_http_loopback,
        extra_ca: config.atproto_ca.clone(),
        hosts: Vec::new(),
    };
    out.limits = config.limits.clone();
    out
}

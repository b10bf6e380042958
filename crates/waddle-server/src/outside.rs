//! What the configuration says about files, STUN and TURN, and contact addresses, in the words of who needs it.

use std::{net::SocketAddr, path::PathBuf};

use waddle_files::{FilesConfig, S3Config, StoreConfig};
use waddle_xmpp::xep::{
    xep0157::Concern,
    xep0215::{Access, ExternalService},
};

use crate::{
    config::{Config, PublicNames},
    ready::Bound,
};

/// Where uploaded files are; nowhere here where S3 has them.
pub fn upload_dir(config: &Config) -> Option<PathBuf> {
    let dir = || {
        config
            .upload_dir
            .clone()
            .unwrap_or_else(|| config.data_dir.join("uploads"))
    };
    config.upload_s3_bucket.is_empty().then(dir)
}

/// The file store.
pub fn files(config: &Config, public: &PublicNames) -> FilesConfig {
    let store = if let Some(dir) = upload_dir(config) {
        StoreConfig::Local(dir)
    } else {
        let text = |t: &String| (!t.is_empty()).then(|| t.clone());
        StoreConfig::S3(S3Config {
            bucket: config.upload_s3_bucket.clone(),
            region: text(&config.upload_s3_region),
            endpoint: config.upload_s3_endpoint.clone(),
            path_style: config.upload_s3_path_style,
            prefix: config.upload_s3_prefix.clone(),
            access_key: text(&config.upload_s3_access_key),
            secret_key: config.upload_s3_secret_key.clone(),
        })
    };
    FilesConfig {
        url: config.upload_url.clone().unwrap_or_else(|| public.url.clone()),
        store,
        max_bytes: config.upload_max_size,
        daily_bytes: config.upload_daily,
        account_bytes: config.upload_quota,
        server_bytes: config.upload_total,
        days: config.upload_days,
        limits: config.limits.clone(),
    }
}

/// Whom to write to (XEP-0157).
pub fn contacts(config: &Config) -> Vec<(Concern, Vec<String>)> {
    vec![
        (Concern::Abuse, config.contact_abuse.clone()),
        (Concern::Admin, config.contact_admin.clone()),
        (Concern::Feedback, config.contact_feedback.clone()),
        (Concern::Security, config.contact_security.clone()),
        (Concern::Status, config.contact_status.clone()),
        (Concern::Support, config.contact_support.clone()),
    ]
}

/// What clients are told about (XEP-0215): the configured relays, and our own listeners for MQTT.
pub fn services(config: &Config, public: &PublicNames, bound: &Bound) -> Vec<ExternalService> {
    let access = match (&config.turn_secret, &config.turn_password) {
        (Some(secret), _) => Access::Limited {
            secret: secret.clone(),
            seconds: config.turn_seconds,
        },
        (None, Some(password)) => Access::Fixed {
            username: config.turn_username.clone(),
            password: password.clone(),
        },
        (None, None) => Access::Own,
    };
    let mut out: Vec<_> = config.stun_turn.clone();
    for s in out.iter_mut().filter(|s| s.kind.starts_with("turn")) {
        s.access = access.clone();
    }
    let mqtt = |at: &[SocketAddr], tls| {
        at.first()
            .map(|a| ExternalService::mqtt(&public.xmpp_host, a.port(), tls))
    };
    out.extend(mqtt(&bound.mqtt, false));
    out.extend(mqtt(&bound.mqtts, true));
    out
}

//! Slots: what may be uploaded, by whom, and where (XEP-0363 §4 and §5).

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use opentelemetry::KeyValue;
use ring::{
    digest,
    rand::{SecureRandom as _, SystemRandom},
};
use waddle_core::{Timestamp, UserId};
use waddle_storage::repo::files::{self, FileRow, Full, State};

use crate::{
    Files,
    error::{Error, Refusal},
    kind,
    metrics::METRICS,
    name,
};

/// Bytes of randomness in an address, and in an upload's token.
const RANDOM: usize = 24;
/// Their length as text.
const TEXT: usize = RANDOM / 3 * 4;

/// What a file is for (XEP-0363 §5): it decides how long it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Purpose {
    /// To be sent in a message: kept for the configured days.
    #[default]
    Message,
    /// An avatar or the like: kept until it is deleted, with a small quota of its own.
    Profile,
    /// Kept until then at the longest.
    Ephemeral(Timestamp),
}

impl Purpose {
    fn word(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Profile => "profile",
            Self::Ephemeral(_) => "ephemeral",
        }
    }
}

/// What somebody wants to upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotRequest {
    /// Who.
    pub owner: UserId,
    /// The file's name.
    pub name: String,
    /// Its bytes, at least 1.
    pub size: u64,
    /// Its content type, where it is known.
    pub kind: Option<String>,
    /// What it is for.
    pub purpose: Purpose,
}

/// Where to upload, and where the file will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// For one PUT; whoever knows it may upload.
    pub put: String,
    /// For everybody who shall see the file.
    pub get: String,
    /// When the upload must have begun.
    pub until: Timestamp,
}

/// Whether a text can be the id of a file.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == TEXT
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}

/// What is stored of an upload token.
pub(crate) fn token_digest(token: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, token.as_bytes())
        .as_ref()
        .to_vec()
}

fn random_text() -> Result<String, Error> {
    let mut bytes = [0; RANDOM];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Error::Random)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

impl Files {
    /// Gives a slot, or says why not.
    pub async fn slot(&self, wanted: SlotRequest) -> Result<Result<Slot, Refusal>, Error> {
        let outcome = self.try_slot(wanted).await;
        let word = match &outcome {
            Ok(Ok(_)) => "given",
            Ok(Err(Refusal::TooLarge(_))) => "too-large",
            Ok(Err(Refusal::Quota(..))) => "quota",
            Ok(Err(Refusal::ServerFull)) => "full",
            Ok(Err(_)) => "not-acceptable",
            Err(_) => "failed",
        };
        METRICS.slots.add(1, &[KeyValue::new("outcome", word)]);
        outcome
    }

    async fn try_slot(&self, wanted: SlotRequest) -> Result<Result<Slot, Refusal>, Error> {
        let limits = &self.0.config.limits;
        let now = self.0.clock.now();
        if let Err(why) = name::check(&wanted.name, limits.upload_name_bytes) {
            return Ok(Err(Refusal::Name(why)));
        }
        let kind = match wanted.kind.as_deref().map(kind::essence) {
            None => kind::of_name(&wanted.name).to_owned(),
            Some(Some(kind)) => kind,
            Some(None) => return Ok(Err(Refusal::Kind)),
        };
        let mut most = self.max_bytes();
        if wanted.purpose == Purpose::Profile {
            most = most.min(limits.upload_profile_bytes);
        }
        if wanted.size > most {
            return Ok(Err(Refusal::TooLarge(most)));
        }
        let put_until = now.plus(Duration::from_secs(limits.upload_slot_seconds));
        let days = self.0.config.days;
        let kept = (days > 0).then(|| now.plus(Duration::from_secs(days.saturating_mul(86_400))));
        let expires_at = match wanted.purpose {
            Purpose::Message => kept,
            Purpose::Profile => None,
            Purpose::Ephemeral(before) if before <= now => return Ok(Err(Refusal::Expired)),
            Purpose::Ephemeral(before) => Some(kept.map_or(before, |k| k.min(before))),
        };
        let (id, token) = (random_text()?, random_text()?);
        let row = FileRow {
            id,
            owner: wanted.owner,
            name: wanted.name,
            size: wanted.size,
            kind,
            purpose: wanted.purpose.word().to_owned(),
            state: State::Promised,
            token: token_digest(&token),
            at: now,
            put_until,
            expires_at,
            digest: None,
        };
        let get = self.address(&row.id, &row.name);
        let put = [&get, "?token=", &token].concat();
        let quotas = self.0.quotas;
        let grace = Duration::from_secs(limits.upload_seconds);
        let promised = self
            .0
            .db
            .write(move |tx| files::promise(tx, &row, &quotas, grace))
            .await?;
        Ok(match promised {
            Ok(()) => Ok(Slot {
                put,
                get,
                until: put_until,
            }),
            Err((Full::Server, _)) => Err(Refusal::ServerFull),
            Err((full, when)) => Err(Refusal::Quota(quota_text(full), when)),
        })
    }

    /// The address of a file: RFC 3986, names of any script encoded.
    pub fn address(&self, id: &str, name: &str) -> String {
        let base = self.base().as_str().trim_end_matches('/');
        [base, "/upload/", id, "/", &name::encode(name)].concat()
    }
}

fn quota_text(full: Full) -> &'static str {
    match full {
        Full::Daily => "you have uploaded as much as is allowed in 24 hours",
        Full::Account => "your files take all the space that you may have; delete some",
        Full::Files => "you have as many files as are allowed; delete some",
        Full::Slots => "too many of your uploads have not begun; upload those files first",
        Full::Server => "the server has no space left for files",
    }
}

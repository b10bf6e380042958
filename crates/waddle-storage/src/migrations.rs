//! The schema, step by step: one line per file of `migrations/`, in the order of their numbers.
//!
//! A file that was released never changes; a change of the schema is a new file with a new number.
//! Numbers may have gaps: every topic has a range of its own.

/// One step of a schema.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// The file below `migrations/`, such as `server/0001_meta.sql`.
    pub file: &'static str,
    /// Its statements.
    pub sql: &'static str,
}

macro_rules! migrations {
    ($($file:literal)*) => {
        &[$(Migration {
            file: $file,
            sql: include_str!(concat!("../../../migrations/", $file)),
        }),*]
    };
}

/// Of the server database.
pub const SERVER: &[Migration] = migrations! {
    "server/0001_meta.sql"
    "server/0002_archive.sql"
    "server/0003_archive_removals.sql"
    "server/0004_archive_rules.sql"
    "server/0005_archive_index.sql"
    "server/0010_waddles.sql"
    "server/0011_communities.sql"
    "server/0012_unasked.sql"
    "server/0013_channel_places.sql"
    "server/0020_accounts.sql"
    "server/0021_credentials.sql"
    "server/0022_login_sessions.sql"
    "server/0023_oauth.sql"
    "server/0024_device_credentials.sql"
    "server/0025_fast.sql"
    "server/0028_disabled.sql"
    "server/0029_device_credentials.sql"
    "server/0030_rooms.sql"
    "server/0032_room_settings.sql"
    "server/0033_subject_occupant.sql"
    "server/0034_room_hats.sql"
    "server/0040_roster.sql"
    "server/0041_offline.sql"
    "server/0043_roster_changes.sql"
    "server/0044_last_seen.sql"
    "server/0045_service.sql"
    "server/0050_mqtt.sql"
    "server/0070_pubsub.sql"
    "server/0071_personal.sql"
    "server/0080_files.sql"
    "server/0085_account_invites.sql"
    "server/0090_blocking.sql"
    "server/0091_reports.sql"
    "server/0092_push.sql"
    "server/0093_offered_bookmarks.sql"
    "server/0100_messages.sql"
    "server/0110_direct.sql"
    "server/0120_integrations.sql"
    "server/0130_access_tokens.sql"
    "server/0131_idempotency.sql"
    "server/0140_goodbyes.sql"
    "server/0160_retired_users.sql"
};

/// Of every waddle's database.
pub const WADDLE: &[Migration] = migrations! {
    "waddle/0001_meta.sql"
    "waddle/0002_archive.sql"
    "waddle/0003_archive_removals.sql"
    "waddle/0004_archive_rules.sql"
    "waddle/0005_archive_index.sql"
    "waddle/0010_community.sql"
    "waddle/0011_communities.sql"
    "waddle/0014_personal_invites.sql"
    "waddle/0030_rooms.sql"
    "waddle/0033_subject_occupant.sql"
    "waddle/0050_mqtt_retained.sql"
    "waddle/0100_messages.sql"
    "waddle/0110_moderation.sql"
    "waddle/0120_integrations.sql"
    "waddle/0150_tuple_log.sql"
    "waddle/0165_ban_names.sql"
};

impl Migration {
    /// The four digits at the start of the file's name.
    pub fn number(&self) -> u32 {
        let name = self.file.rsplit('/').next().unwrap_or_default();
        name.get(..4).and_then(|n| n.parse().ok()).unwrap_or(0)
    }

    /// FNV-1a of the statements: it tells an accident, it is no protection.
    pub fn checksum(&self) -> String {
        let hash = self.sql.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
            (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        format!("{hash:016x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_listed_once_in_order() {
        for (kind, list) in [("server", SERVER), ("waddle", WADDLE)] {
            let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations/");
            let mut files: Vec<String> = std::fs::read_dir(format!("{dir}{kind}"))
                .unwrap()
                .map(|f| format!("{kind}/{}", f.unwrap().file_name().to_str().unwrap()))
                .collect();
            files.sort();
            let listed: Vec<&str> = list.iter().map(|m| m.file).collect();
            assert_eq!(listed, files);
            assert!(
                list.windows(2).all(|w| w[0].number() < w[1].number()) && list[0].number() > 0,
                "{kind}: numbers are unique"
            );
        }
    }
}

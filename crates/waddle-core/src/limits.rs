//! Every bound that an operator may set, with its default (`specs/limits.md`).

use serde::Deserialize;

/// A token bucket: `count` events per `seconds`, bursts up to `count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Events in the window.
    pub count: u32,
    /// The window in seconds.
    pub seconds: u32,
}

macro_rules! limits {
    ($($(#[doc = $doc:literal])* $field:ident : $ty:ty = $default:expr),* $(,)?) => {
        /// The bounds, `[limits]` in the configuration file.
        #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Limits {
            $($(#[doc = $doc])* pub $field: $ty,)*
        }
        impl Default for Limits {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }
        impl Limits {
            /// Name, default and meaning of each, for `specs/limits.md` (checked by a test).
            pub fn table() -> Vec<(&'static str, String, &'static str)> {
                let d = Self::default();
                vec![$((stringify!($field), format!("{:?}", d.$field), concat!($($doc),*)),)*]
            }
        }
    };
}

const fn rate(count: u32, seconds: u32) -> Rate {
    Rate { count, seconds }
}

limits! {
    /// XMPP: bytes of a stanza before login; more is `policy-violation`.
    xmpp_stanza_bytes_before_login: usize = 10_000,
    /// XMPP: elements of a stanza before login; more is `policy-violation`.
    xmpp_elements_before_login: usize = 32,
    /// XMPP: bytes of a stanza after login; more is `policy-violation`.
    xmpp_stanza_bytes: usize = 262_144,
    /// XMPP: elements of a stanza; more is `policy-violation`.
    xmpp_elements: usize = 4_096,
    /// XMPP: depth of elements below the stream; more is `policy-violation`.
    xmpp_depth: usize = 64,
    /// XMPP: attributes of one element; more is `policy-violation`.
    xmpp_attributes: usize = 64,
    /// XMPP: bytes waiting for one client before its session is parked or closed.
    xmpp_outbox_bytes: usize = 4_194_304,
    /// XMPP: stanzas waiting for one client before its session is parked or closed.
    xmpp_outbox_stanzas: usize = 10_000,
    /// XMPP: stanzas kept until the client acknowledges them (XEP-0198).
    xmpp_unacked_stanzas: usize = 10_000,
    /// XMPP: seconds that a lost session can be resumed (XEP-0198).
    xmpp_resume_seconds: u64 = 300,
    /// XMPP: seconds from connecting to a bound session; later is `connection-timeout`.
    xmpp_login_seconds: u64 = 60,
    /// XMPP: SASL attempts of one stream, those that guess no password counted half; then it is closed with `policy-violation` (RFC 6120 §6.4.5).
    xmpp_sasl_attempts: u32 = 5,
    /// XMPP: seconds of silence after which a session is pinged, and again until it is given up.
    xmpp_idle_seconds: u64 = 300,
    /// XMPP: sessions of one account; one more is `resource-constraint`.
    xmpp_sessions_per_account: usize = 50,
    /// XMPP: messages kept for an absent user; one more gets `service-unavailable`.
    xmpp_offline_messages: usize = 1_000,
    /// XMPP: contacts of one roster; one more is `policy-violation`.
    xmpp_roster_items: usize = 5_000,
    /// XMPP: requests for an account's presence that wait for its answer; more are dropped.
    xmpp_subscription_requests: usize = 500,
    /// XMPP: groups of one contact; one more is `not-acceptable`.
    xmpp_roster_groups: usize = 64,
    /// XMPP: bytes of a contact's name and of a group's; more is `not-acceptable`.
    xmpp_roster_name_bytes: usize = 1_023,
    /// XMPP: changes of a roster that are remembered for clients with an older version; older ones get all of it.
    xmpp_roster_changes: usize = 200,
    /// XMPP: addresses that one session keeps directed presence for; one more gets `resource-constraint`.
    xmpp_directed_presence: usize = 1_000,
    /// XMPP: addresses that one account may block; one more is `policy-violation`.
    xmpp_blocked: usize = 5_000,
    /// XMPP: block lists in memory, beside those of who is connected.
    xmpp_block_lists: usize = 20_000,
    /// XMPP: reports of spam and abuse that are kept; then the oldest go (XEP-0377).
    xmpp_reports: usize = 10_000,
    /// XMPP: bytes of one report's text, reason and stanza ids; more is `policy-violation`.
    xmpp_report_bytes: usize = 16_384,
    /// XMPP: bytes of a goodbye that is remembered with the time (RFC 6121 §4.3); of a longer one, the time alone.
    xmpp_goodbye_bytes: usize = 2_048,
    /// XMPP: senders, recipients and pairs of acquaintances that are remembered for the limits on strangers.
    xmpp_strangers: usize = 100_000,
    /// XMPP: messages and requests to those who do not know the sender, and private messages in rooms, of one sender.
    xmpp_rate_strangers: Rate = rate(20, 60),
    /// XMPP: messages and requests from strangers to one recipient.
    xmpp_rate_from_strangers: Rate = rate(60, 60),
    /// XMPP: occupants of rooms that are no sessions of this server; one more gets `resource-constraint`.
    xmpp_guests: usize = 10_000,
    /// XMPP: push services of one account (XEP-0357); one more is `policy-violation`.
    xmpp_push_services: usize = 16,
    /// XMPP: bytes of a push service's node and options; more is `not-acceptable`.
    xmpp_push_bytes: usize = 4_096,
    /// XMPP: notifications of one push service that fail in a row before it is disabled.
    xmpp_push_failures: u32 = 16,
    /// XMPP: channels of one's waddles that are put among one's bookmarks (XEP-0402); more are found by disco.
    xmpp_channel_bookmarks: usize = 500,
    /// XMPP: channels of one waddle whose bookmarks say that they are joined at login.
    xmpp_autojoin_channels: usize = 20,
    /// XMPP: requests of the server itself that wait for their answer.
    xmpp_questions: usize = 10_000,
    /// XMPP: ad-hoc commands of one account under way (XEP-0050); the oldest is forgotten.
    xmpp_commands_per_account: usize = 16,
    /// XMPP: seconds that a form of an ad-hoc command may wait to be filled out.
    xmpp_command_seconds: u64 = 600,
    /// XMPP: entries of the black or white list of the service, and addresses that one command shows (XEP-0133).
    xmpp_service_list: usize = 1_000,
    /// XMPP: messages a client may send to one room.
    xmpp_rate_room_messages: Rate = rate(10, 10),
    /// XMPP: messages a client may send elsewhere.
    xmpp_rate_messages: Rate = rate(30, 10),
    /// XMPP: presence updates (joins not counted).
    xmpp_rate_presence: Rate = rate(5, 60),
    /// XMPP: room joins.
    xmpp_rate_joins: Rate = rate(10, 60),
    /// XMPP: IQ requests.
    xmpp_rate_iq: Rate = rate(20, 10),
    /// XMPP: IQ requests and joins in the first minute after bind.
    xmpp_rate_start: Rate = rate(200, 60),
    /// XMPP: bytes a client may send, with bursts of ten seconds' worth.
    xmpp_bytes_per_second: u32 = 65_536,
    /// XMPP and MQTT: connections of one address at a time.
    connections_per_address: usize = 200,
    /// All: connections at a time.
    connections: usize = 50_000,
    /// All: failed logins of one address; then logins from it wait.
    rate_failed_logins: Rate = rate(20, 60),
    /// Archive: items of one page (XEP-0313, XEP-0059).
    archive_page: usize = 100,
    /// Archive: addresses on the lists of one account's preferences (XEP-0441); one more is `policy-violation`.
    archive_prefs_jids: usize = 1_000,
    /// Archive: days that the messages of accounts are kept; then they go. 0 keeps them.
    archive_account_days: u64 = 0,
    /// Archive: messages of one account; for each more the oldest goes. 0 is without end.
    archive_account_messages: usize = 1_000_000,
    /// Archive: days that the messages of rooms are kept, where a room is not set to fewer. 0 keeps them.
    archive_room_days: u64 = 0,
    /// Archive: messages of one room; for each more the oldest goes. 0 is without end.
    archive_room_messages: usize = 1_000_000,
    /// Archive: seconds between two rounds that remove what is too old or too much.
    archive_sweep_seconds: u64 = 3_600,
    /// Messages: seconds between two looks for those that disappear, and for files of those that are gone.
    message_sweep_seconds: u64 = 5,
    /// Messages: how many back in its room a correction finds the message that it corrects; further back it is one of its own.
    message_correction_reach: usize = 10_000,
    /// Messages: people mentioned in one; more names stay text.
    message_mentions: usize = 50,
    /// Messages: bytes of a text in a channel, said through XMPP or HTTP; a longer one is refused.
    message_bytes: usize = 10_000,
    /// Messages: files of one that is said through HTTP.
    message_files: usize = 10,
    /// Messages: emojis that one person reacts with to one message.
    message_reactions: usize = 20,
    /// Messages: of a person in one room, through HTTP; more is 429.
    message_rate: Rate = rate(10, 10),
    /// Messages: pinned in one channel; one more is refused.
    message_pins: usize = 50,
    /// Messages: of one page.
    message_page: usize = 100,
    /// Messages: matches that one page of a search looks at, readable or not.
    message_search_reach: usize = 20_000,
    /// Messages: where counts of the unread end.
    message_unread: usize = 100,
    /// Messages: channels in an inbox, waddle by waddle; of a person who may read more the rest are left out.
    inbox_channels: usize = 2_000,
    /// Messages: conversations with people in an inbox.
    inbox_direct: usize = 100,
    /// Messages: messages of an account's archive that are looked at for its inbox.
    inbox_reach: usize = 20_000,
    /// News of messages that a slow listener may be behind before it has to read the archive.
    message_news: usize = 4_096,
    /// Rooms: messages of history sent at joining at the most.
    muc_history: usize = 50,
    /// Rooms: occupants of one room; one more gets `service-unavailable`.
    muc_occupants: usize = 10_000,
    /// Rooms: bytes of a nickname.
    muc_nick_bytes: usize = 128,
    /// Rooms: bytes of a subject.
    muc_subject_bytes: usize = 4_096,
    /// Rooms: messages waiting for their commit, per room; one more gets `resource-constraint`.
    muc_pending: usize = 1_024,
    /// Rooms: seconds after which an empty room's actor stops.
    muc_idle_seconds: u64 = 300,
    /// Rooms: rooms that one session may be in; one more gets `resource-constraint`.
    muc_rooms_per_session: usize = 1_000,
    /// Rooms: people on the lists of one plain room; one more gets `resource-constraint`.
    muc_affiliations: usize = 10_000,
    /// Rooms: hats of one plain room (XEP-0317); one more is `resource-constraint`.
    muc_hats: usize = 50,
    /// Rooms: plain rooms on this server; one more gets `resource-constraint`.
    muc_plain_rooms: usize = 10_000,
    /// Rooms: occupants up to which everybody's presence is broadcast; in bigger rooms only moderators' is.
    muc_presence_occupants: usize = 1_000,
    /// Rooms: IQ requests between occupants of one room that wait for their answer; the oldest of who has most is given up.
    muc_relayed_iqs: usize = 256,
    /// Rooms: of these, those that one person asked; their oldest is given up.
    muc_relayed_iqs_per_asker: usize = 32,
    /// Rooms: bytes of a room's vCard (XEP-0486); more is `not-acceptable`.
    muc_vcard_bytes: usize = 131_072,
    /// Waddles of this server.
    waddles: usize = 100_000,
    /// Waddles that one user may own.
    waddles_per_user: usize = 100,
    /// Waddles that one user may belong to.
    waddles_per_member: usize = 500,
    /// Channels of a waddle.
    channels_per_waddle: usize = 500,
    /// Members of a waddle.
    members_per_waddle: usize = 100_000,
    /// Bans of a waddle.
    bans_per_waddle: usize = 100_000,
    /// Communities: exports that are written for downloads at a time; one more is refused until one is done.
    waddle_exports: usize = 2,
    /// Accounts: bytes of a picture that somebody sets over HTTP; more is 413.
    avatar_bytes: usize = 131_072,
    /// Accounts: exports that are written for downloads at a time; one more is refused until one is done.
    account_exports: usize = 2,
    /// Open invite links of a waddle.
    invites_per_waddle: usize = 1_000,
    /// Days that somebody has who is invited in person.
    personal_invite_days: u64 = 7,
    /// Categories of a waddle.
    categories_per_waddle: usize = 100,
    /// Custom roles of a waddle.
    roles_per_waddle: usize = 250,
    /// Custom roles of one member.
    roles_per_member: usize = 50,
    /// What people and roles are given or denied in one channel.
    overrides_per_channel: usize = 1_000,
    /// Timeouts of a waddle.
    timeouts_per_waddle: usize = 10_000,
    /// Seconds of the longest timeout.
    timeout_seconds: u64 = 2_419_200,
    /// Requests to join a waddle that wait for an answer.
    join_requests_per_waddle: usize = 1_000,
    /// Seconds that somebody waits who was refused before they can ask to join again.
    join_request_wait_seconds: u64 = 86_400,
    /// Seconds between two looks for bans and timeouts whose time is over.
    expiry_sweep_seconds: u64 = 1,
    /// Seconds of the longest slow mode of a channel.
    slow_mode_seconds: u32 = 21_600,
    /// Members named in one change of permissions; of more, everybody in the waddle is checked again.
    named_members: usize = 500,
    /// Devices of a waddle.
    devices_per_waddle: usize = 5_000,
    /// Topic prefixes of one device.
    topics_per_device: usize = 32,
    /// Feed bindings of a waddle.
    bindings_per_waddle: usize = 1_000,
    /// Waddle databases open at a time; the longest idle one closes.
    storage_open_waddles: usize = 256,
    /// Seconds after which an idle waddle's database closes.
    storage_idle_seconds: u64 = 600,
    /// Storage: requests waiting for one database; one more waits, its sender with it.
    storage_queue: usize = 4_096,
    /// Storage: rows of one group commit.
    storage_batch_rows: usize = 256,
    /// Permissions: depth of one check; more is *too complex*, which denies.
    permission_depth: u32 = 25,
    /// Permissions: steps of one check; more is *too complex*, which denies.
    permission_steps: u32 = 100_000,
    /// Permissions: tuples of one waddle; one more is refused.
    permission_tuples: usize = 1_000_000,
    /// Permissions: decisions remembered per waddle until the next change; then they are forgotten.
    permission_cache: usize = 8_192,
    /// Permissions: steps of one lookup (who has a relation, or to what); more is *too complex*.
    permission_lookup_steps: u32 = 2_000_000,
    /// Permissions: changes of tuples held per waddle for watchers and for answers at an older revision; older ones are *too old*.
    permission_log: usize = 10_000,
    /// Permissions: tuples written and deleted in one request of the HTTP API; more is 409 `limit`.
    permission_write: usize = 100,
    /// Permissions: questions in one request of the HTTP API; more is 422 `invalid`.
    permission_batch: usize = 100,
    /// Permissions: tuples that one question may bring along; more is 422 `invalid`.
    permission_contextual: usize = 100,
    /// Permissions: long questions that are answered at a time, one of each waddle; others wait.
    permission_questions: usize = 4,
    /// Permissions: seconds that a question waits for its turn; then it is 503 `busy`.
    permission_question_seconds: u64 = 10,
    /// Community: events waiting for a slow receiver; it then checks again everything it holds.
    community_events: usize = 4_096,
    /// MQTT: bytes of a packet; more is 0x95 packet too large.
    mqtt_packet_bytes: usize = 262_144,
    /// MQTT: bytes of a CONNECT packet; more closes the connection.
    mqtt_connect_bytes: usize = 65_536,
    /// MQTT: seconds from connecting to CONNECT.
    mqtt_login_seconds: u64 = 10,
    /// MQTT: longest keep-alive in seconds of a 5.0 client; one that asks for more is told this one.
    mqtt_keep_alive_seconds: u16 = 65_535,
    /// MQTT: messages waiting for one session; one more is dropped and counted.
    mqtt_queue_messages: usize = 10_000,
    /// MQTT: bytes waiting for one session; what is over is dropped and counted.
    mqtt_queue_bytes: usize = 8_388_608,
    /// MQTT: unacknowledged messages per direction and session (receive maximum).
    mqtt_inflight: u16 = 256,
    /// MQTT: topic aliases per connection.
    mqtt_topic_aliases: u16 = 64,
    /// MQTT: subscriptions of one session; one more is 0x97 quota exceeded.
    mqtt_subscriptions: usize = 1_000,
    /// MQTT: levels of a topic or filter; more is 0x8F or 0x90.
    mqtt_topic_levels: usize = 32,
    /// MQTT: retained messages of one waddle; one more is 0x97 quota exceeded.
    mqtt_retained: usize = 100_000,
    /// MQTT: bytes of the retained messages of one waddle; one more is 0x97 quota exceeded.
    mqtt_retained_bytes: usize = 67_108_864,
    /// MQTT: user properties of one packet; more is 0x97 quota exceeded.
    mqtt_user_properties: usize = 64,
    /// MQTT: longest session expiry in seconds.
    mqtt_session_expiry_seconds: u32 = 604_800,
    /// MQTT: stored sessions of one principal; the longest absent one ends.
    mqtt_sessions_per_user: usize = 100,
    /// MQTT: bytes a client may send per second, with bursts of ten seconds' worth.
    mqtt_bytes_per_second: u32 = 1_048_576,
    /// Feeds: bytes of a payload that is read; more shows as unreadable.
    feed_payload_bytes: usize = 65_536,
    /// Feeds: readings of one waddle waiting to be read; one more is dropped and counted.
    feed_queue: usize = 1_024,
    /// Feeds: messages that one binding may post; more becomes one line.
    feed_rate: Rate = rate(10, 10),
    /// Feeds: lines waiting for one channel; what is over joins the next line of its binding.
    feed_lines: usize = 64,
    /// Feeds: seconds without a reading after which the feeds of a waddle stop until the next.
    feed_idle_seconds: u64 = 300,
    /// HTTP: bytes of a request's body; more is 413.
    http_body_bytes: usize = 1_048_576,
    /// HTTP: bytes of a body that is read before its HTTP/1.1 request is looked at, so that a refusal keeps the connection;
    /// longer ones are their handler's to read.
    http_small_body_bytes: usize = 16_384,
    /// HTTP: seconds for one request.
    http_request_seconds: u64 = 30,
    /// HTTP: API requests of one account or address.
    http_rate: Rate = rate(300, 60),
    /// HTTP: hours that the answer to a request with an `Idempotency-Key` is kept.
    http_idempotency_hours: u64 = 24,
    /// HTTP: such answers kept for one account; the oldest go.
    http_idempotency_keys: usize = 1_000,
    /// HTTP: bytes of such an answer; of a longer one it is kept that it was given, and what was made is read anew.
    http_idempotency_bytes: usize = 65_536,
    /// HTTP: seconds in which a client takes nothing of what is written for it; then its connection ends, or its stream
    /// of HTTP/2.
    http_write_seconds: u64 = 120,
    /// HTTP: programs' requests for access that wait for their person, and codes that wait to be redeemed; the oldest is
    /// forgotten.
    oauth_requests: usize = 1_000,
    /// HTTP: of these, requests of one network and codes of one person; whoever has more forgets their own oldest.
    oauth_requests_each: usize = 20,
    /// HTTP: event streams of one account; one more is 429.
    http_streams: usize = 20,
    /// HTTP: events waiting for one stream; then it is closed and can be resumed from its cursor.
    http_stream_events: usize = 1_024,
    /// HTTP: messages of the past that a resumed stream is told, of all its waddles together; of a waddle with more, it is
    /// told `reset`.
    http_stream_replay: usize = 5_000,
    /// Identity: bytes of an answer from a PDS, PLC directory or handle host.
    identity_answer_bytes: usize = 524_288,
    /// Identity: logins under way at a time; one more is asked to wait.
    identity_logins: usize = 1_000,
    /// Identity: minutes that a login may take.
    identity_login_minutes: u64 = 10,
    /// Identity: days that a session lasts.
    identity_session_days: u64 = 30,
    /// Identity: sessions of one account; the oldest ends.
    identity_sessions: usize = 50,
    /// Identity: live XMPP tokens of one account; the oldest goes.
    identity_tokens: usize = 50,
    /// XMPP: bytes of one account's private storage (XEP-0049); more is `resource-constraint`.
    xmpp_private_bytes: usize = 1_048_576,
    /// PubSub: nodes of one account (XEP-0163); one more is `resource-constraint`.
    pubsub_nodes_per_account: usize = 500,
    /// PubSub: nodes that one person may make on the service; one more is `policy-violation`.
    pubsub_nodes_per_user: usize = 100,
    /// PubSub: items of one node, which is what `max` means.
    pubsub_items_per_node: usize = 10_000,
    /// PubSub: bytes of one payload; more is `payload-too-big`.
    pubsub_payload_bytes: usize = 262_144,
    /// PubSub: bytes of all items of one account, and of all that one person's nodes on the service hold; more is `resource-constraint`.
    pubsub_bytes_per_account: usize = 33_554_432,
    /// PubSub: subscriptions of one node; one more is `too-many-subscriptions`.
    pubsub_subscriptions_per_node: usize = 10_000,
    /// PubSub: affiliations of one node; one more is `resource-constraint`.
    pubsub_affiliations_per_node: usize = 1_000,
    /// PubSub: items and nodes of one page (XEP-0059).
    pubsub_page: usize = 500,
    /// PubSub: bytes of one answer; what is over is left to the next page.
    pubsub_answer_bytes: usize = 2_097_152,
    /// PubSub: capabilities of clients that are remembered (XEP-0115); then all are forgotten.
    pubsub_caps: usize = 10_000,
    /// Identity: days that a token of FAST lasts (XEP-0484); a client that logs in daily gets new ones.
    identity_fast_days: u64 = 21,
    /// Identity: open invitations to make an account, of one account (XEP-0401); one more is `resource-constraint`.
    identity_invitations: usize = 50,
    /// Identity: days that such an invitation lasts.
    identity_invitation_days: u64 = 14,
    /// XMPP: accounts that one address may register (XEP-0077); one more gets `policy-violation` of type `wait`.
    rate_registrations: Rate = rate(10, 600),
    /// Uploads: slots of one account that wait for their upload; one more is `resource-constraint`.
    upload_slots: usize = 50,
    /// Uploads: files of one account, those of its last day included; one more is `resource-constraint`.
    upload_files: usize = 10_000,
    /// Uploads: bytes of a file's name; more is `not-acceptable`.
    upload_name_bytes: usize = 255,
    /// Uploads: bytes of all files of one account with the purpose `profile`; more is `resource-constraint`.
    upload_profile_bytes: u64 = 16_777_216,
    /// Uploads: seconds from the slot to the begin of its upload; later is 403.
    upload_slot_seconds: u64 = 300,
    /// Uploads: seconds that an upload may be silent; then it ends with 408.
    upload_idle_seconds: u64 = 30,
    /// Uploads: seconds that an upload may take; then it ends with 408.
    upload_seconds: u64 = 3_600,
    /// Uploads: at a time, each with up to 5 MiB in memory where files go to S3; one more is 503.
    uploads: usize = 256,
    /// Uploads: files that are read at a time; one more is 503.
    downloads: usize = 8_192,
    /// Uploads: of these, those of one address, of IPv6 of one /64; one more is 503.
    downloads_per_address: usize = 256,
    /// Uploads: files that one step of the sweep removes.
    upload_sweep: usize = 256,
    /// BOSH: sessions; one more is the terminal condition `internal-server-error`.
    bosh_sessions: usize = 10_000,
    /// BOSH: bytes of a request's body; more is 413 and ends the session.
    bosh_body_bytes: usize = 524_288,
    /// BOSH: bodies that are read at a time; one more is 503.
    bosh_readers: usize = 512,
    /// BOSH: of these, those of one address, of IPv6 of one /64; one more is 503.
    bosh_readers_per_address: usize = 64,
    /// BOSH: requests of a session that wait for an answer; a client that asks for more is told this one.
    bosh_hold: u8 = 2,
    /// BOSH: longest time in seconds that a request waits; a client that asks for more is told this one.
    bosh_wait_seconds: u64 = 60,
    /// BOSH: seconds without a request after which a session ends.
    bosh_inactivity_seconds: u64 = 60,
    /// BOSH: longest pause in seconds.
    bosh_pause_seconds: u64 = 300,
    /// Moderation: word and link rules of a waddle.
    rules_per_waddle: usize = 100,
    /// Moderation: words, expressions or domains of one rule.
    rule_entries: usize = 2_000,
    /// Moderation: reports of a waddle that are kept; then the oldest go, closed ones first.
    reports_per_waddle: usize = 10_000,
    /// Moderation: reports of one person to one waddle that wait; one more is refused.
    reports_per_person: usize = 50,
    /// Moderation: purges of a waddle under way; one more is refused.
    purges_per_waddle: usize = 20,
    /// Moderation: messages that one step of a purge looks at.
    purge_rows: usize = 2_000,
    /// Moderation: messages that one transaction of a purge retracts.
    purge_batch: usize = 50,
    /// Moderation: milliseconds between two steps of a purge that retracted something.
    purge_pause_ms: u64 = 200,
    /// Moderation: days that a waddle's audit log is kept; 0 keeps it.
    audit_days: u64 = 90,
    /// Moderation: messages of a channel that are looked at to see who must wait in slow mode, when its room starts.
    slow_mode_rows: usize = 10_000,
    /// Direct messages: messages of one sender that wait for the recipient's consent; one more is `policy-violation`.
    direct_request_messages: usize = 5,
    /// Direct messages: senders that wait for one recipient's consent; one more is `policy-violation`.
    direct_requests: usize = 200,
    /// Direct messages: days that a request waits.
    direct_request_days: u64 = 30,
    /// Direct messages: people that one account let write to it, beside its contacts; the oldest are forgotten.
    direct_allowed: usize = 5_000,
    /// Direct messages: people in a small group, whoever made it included.
    direct_group_people: usize = 10,
    /// Direct messages: small groups of one person.
    direct_groups: usize = 100,
    /// Webhooks: incoming ones of one channel; one more is refused.
    hooks_per_channel: usize = 20,
    /// Webhooks: outgoing ones of one waddle; one more is refused.
    hooks_per_waddle: usize = 50,
    /// Webhooks: messages of one incoming hook; more is 429.
    hook_rate: Rate = rate(30, 60),
    /// Webhooks: bytes of a body that an incoming hook takes; more is 413.
    hook_body_bytes: usize = 262_144,
    /// Webhooks: characters of a message's text; more is cut.
    hook_text_chars: usize = 8_000,
    /// Webhooks: requests to receivers at a time; one more waits.
    hook_requests: usize = 64,
    /// Webhooks: of these, those of one waddle; one more waits.
    hook_requests_per_waddle: usize = 4,
    /// Webhooks: seconds that a receiver or bot has to answer.
    hook_seconds: u64 = 15,
    /// Webhooks: attempts to deliver an event, over about a day; then it becomes a dead letter.
    hook_attempts: u32 = 34,
    /// Webhooks: dead letters of one hook; the oldest goes.
    hook_dead_letters: usize = 1_000,
    /// Webhooks: days without success after which an outgoing hook is stopped.
    hook_failing_days: u64 = 5,
    /// Bots: those of one waddle; one more is refused.
    bots_per_waddle: usize = 50,
    /// Bots: those of one person; one more is refused.
    bots_per_person: usize = 10,
    /// Bots: API requests of one bot.
    bot_rate: Rate = rate(600, 60),
    /// Commands: slash commands of one waddle; one more is refused.
    commands_per_waddle: usize = 100,
    /// Commands: slash commands of one bot in a waddle; one more is refused.
    commands_per_bot: usize = 50,
    /// Commands: seconds after which whoever ran one hears that its bot is silent.
    command_seconds: u64 = 10,
    /// Commands: those of one person; more gets an answer that says so.
    command_rate: Rate = rate(10, 30),
    /// Commands: minutes that a bot may answer one.
    command_minutes: u64 = 15,
    /// Commands: answers to one; more are refused.
    command_answers: usize = 20,
    /// Commands: requests to bots' addresses at a time; one more waits.
    command_requests: usize = 64,
    /// Commands: of these, those of one waddle; one more waits.
    command_requests_per_waddle: usize = 8,
    /// Commands: those that may be answered; of what nobody waits for the oldest goes, else one more is refused.
    commands_open: usize = 10_000,
    /// Commands: of these, those of one bot; of what nobody waits for the oldest goes, else one more is refused.
    commands_open_per_bot: usize = 200,
    /// Commands: those waiting for one slow stream of a bot; the oldest are missed, and it is told how many (`reset`).
    command_stream: usize = 256,
    /// Web archive: messages of one page; a longer day goes on on the next.
    archive_page_messages: usize = 500,
    /// Web archive: bytes of pages that are remembered; those unused longest are forgotten.
    archive_cache_bytes: usize = 16_777_216,
    /// Uploads: of `uploads`, those of one account; one more is 503.
    uploads_per_account: usize = 16,
    /// Previews: pages that are fetched at a time, the whole server's.
    previews_at_a_time: usize = 8,
    /// Previews: of these, those that one waddle's messages link to; one more waits.
    previews_at_a_time_of_one: usize = 2,
    /// Previews: pages that are fetched or wait for it; one more is left out.
    previews_waiting: usize = 256,
    /// Previews: of these, those of one waddle; one more is left out.
    previews_waiting_of_one: usize = 32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_has_a_meaning() {
        for (name, default, meaning) in Limits::table() {
            assert!(!default.is_empty() && meaning.trim().ends_with('.'), "{name}");
        }
    }
}

-- What a channel's room keeps beside its archive.
CREATE TABLE channel_rooms (
    channel      TEXT PRIMARY KEY,           -- ChannelId
    secret       BLOB NOT NULL,              -- of the occupant ids (XEP-0421)
    subject      TEXT,
    subject_nick TEXT,
    subject_at   INTEGER
) STRICT;

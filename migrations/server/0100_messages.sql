-- What belongs to messages beside the archive (specs/messages.md). Written in the archive's own transaction, and only
-- for messages that have something of it. The same definitions as in waddle/0100_messages.sql.

-- Replies, threads and corrections.
CREATE TABLE message_links (
    id       INTEGER PRIMARY KEY,           -- MessageId
    archive  TEXT NOT NULL,
    reply_to INTEGER,                       -- the message that it answers
    root     INTEGER,                       -- the message that its thread began with
    thread   TEXT,                          -- XEP-0201, of the message that began a thread of that name
    edits    INTEGER                        -- the message that it corrects
) STRICT;
CREATE INDEX message_links_root ON message_links (root, id) WHERE root IS NOT NULL;
CREATE INDEX message_links_thread ON message_links (archive, thread) WHERE thread IS NOT NULL;
CREATE INDEX message_links_edits ON message_links (edits, id) WHERE edits IS NOT NULL;

-- Who reacts to a message with what (XEP-0444).
CREATE TABLE message_reactions (
    target INTEGER NOT NULL,
    author TEXT NOT NULL,
    emoji  TEXT NOT NULL,
    id     INTEGER NOT NULL,                -- the message that said so
    PRIMARY KEY (target, author, emoji)
) STRICT, WITHOUT ROWID;

-- Who is mentioned: a UserId, '*' for everyone, '@' for those who were here.
CREATE TABLE message_mentions (
    subject TEXT NOT NULL,
    archive TEXT NOT NULL,
    id      INTEGER NOT NULL,
    PRIMARY KEY (subject, archive, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX message_mentions_id ON message_mentions (id);

-- The addresses of files that a message names, and who said it.
CREATE TABLE message_files (
    id    INTEGER NOT NULL,
    url   TEXT NOT NULL,
    owner TEXT NOT NULL,
    PRIMARY KEY (id, url)
) STRICT, WITHOUT ROWID;

-- Files whose messages are gone: to be deleted where they are their author's.
CREATE TABLE message_file_removals (
    n     INTEGER PRIMARY KEY AUTOINCREMENT,
    url   TEXT NOT NULL,
    owner TEXT NOT NULL
) STRICT;

CREATE TABLE message_pins (
    archive TEXT NOT NULL,
    id      INTEGER NOT NULL,
    pinned_by TEXT NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (archive, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE message_previews (
    id          INTEGER PRIMARY KEY,
    url         TEXT NOT NULL,
    title       TEXT,
    description TEXT,
    image       TEXT,
    site        TEXT
) STRICT;

-- Up to where somebody has read: of a room by the key of its archive, of a conversation by 'peer:' and the address.
CREATE TABLE message_markers (
    owner TEXT NOT NULL,
    place TEXT NOT NULL,
    id    INTEGER NOT NULL,
    PRIMARY KEY (owner, place)
) STRICT, WITHOUT ROWID;

-- Full text. `place` is one word that stands for the archive. Messages behind `upto` are not yet in it.
CREATE VIRTUAL TABLE message_search USING fts5 (
    place, body, tokenize = 'unicode61 remove_diacritics 2', columnsize = 0
);
INSERT INTO message_search (message_search, rank) VALUES ('secure-delete', 1);
CREATE TABLE message_search_state (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    upto INTEGER NOT NULL
) STRICT;
INSERT INTO message_search_state (one, upto) VALUES (1, 0);

-- What a waddle wants of its messages.
CREATE TABLE message_settings (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    previews INTEGER NOT NULL CHECK (previews IN (0, 1))
) STRICT;

-- Whatever removes a message removes all of this.
CREATE TRIGGER archive_gone AFTER DELETE ON archive BEGIN
    DELETE FROM message_search WHERE rowid = old.id;
    DELETE FROM message_links WHERE id = old.id;
    DELETE FROM message_reactions WHERE target = old.id;
    DELETE FROM message_mentions WHERE id = old.id;
    DELETE FROM message_files WHERE id = old.id;
    DELETE FROM message_pins WHERE archive = old.archive AND id = old.id;
    DELETE FROM message_previews WHERE id = old.id;
END;
CREATE TRIGGER message_file_gone AFTER DELETE ON message_files BEGIN
    INSERT INTO message_file_removals (url, owner) VALUES (old.url, old.owner);
END;

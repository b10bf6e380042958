-- What a waddle shows of itself, and its settings (specs/permissions.md, rfcs/0001).
ALTER TABLE waddle ADD COLUMN icon TEXT;
ALTER TABLE waddle ADD COLUMN banner TEXT;
ALTER TABLE waddle ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';   -- JSON
-- Kept by the triggers below, so that nobody counts.
ALTER TABLE waddle ADD COLUMN member_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE waddle ADD COLUMN ban_count INTEGER NOT NULL DEFAULT 0;
UPDATE waddle SET member_count = (SELECT count(*) FROM members), ban_count = (SELECT count(*) FROM bans);

CREATE TRIGGER members_in AFTER INSERT ON members BEGIN
    UPDATE waddle SET member_count = member_count + 1;
END;
CREATE TRIGGER members_out AFTER DELETE ON members BEGIN
    UPDATE waddle SET member_count = member_count - 1;
END;
CREATE TRIGGER bans_in AFTER INSERT ON bans BEGIN
    UPDATE waddle SET ban_count = ban_count + 1;
END;
CREATE TRIGGER bans_out AFTER DELETE ON bans BEGIN
    UPDATE waddle SET ban_count = ban_count - 1;
END;

CREATE INDEX members_role ON members (role, joined_at, user);

-- Groups of channels.
CREATE TABLE categories (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    position   INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- `position` counts within the category, or among the channels that are in none.
ALTER TABLE channels ADD COLUMN category TEXT;
ALTER TABLE channels ADD COLUMN slow_mode_seconds INTEGER NOT NULL DEFAULT 0;
ALTER TABLE channels ADD COLUMN retention_days INTEGER NOT NULL DEFAULT 0;
ALTER TABLE channels ADD COLUMN expire_seconds INTEGER NOT NULL DEFAULT 0;
ALTER TABLE channels ADD COLUMN public_archive INTEGER NOT NULL DEFAULT 1 CHECK (public_archive IN (0, 1));

-- Roles of the waddle's own making; their permissions and members are tuples.
CREATE TABLE roles (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    colour     TEXT,
    position   INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

ALTER TABLE bans ADD COLUMN expires_at INTEGER;
CREATE INDEX bans_expiry ON bans (expires_at) WHERE expires_at IS NOT NULL;

-- Who may read and not write, and until when.
CREATE TABLE timeouts (
    user       TEXT PRIMARY KEY,
    expires_at INTEGER NOT NULL,
    reason     TEXT,
    made_by    TEXT,                       -- empty for the server's operator
    made_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX timeouts_expiry ON timeouts (expires_at);

-- Who asked to join; who was refused stays until they may ask again.
CREATE TABLE join_requests (
    id         TEXT PRIMARY KEY,
    user       TEXT NOT NULL UNIQUE,
    message    TEXT NOT NULL,
    made_at    INTEGER NOT NULL,
    refused_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX join_requests_open ON join_requests (id) WHERE refused_at IS NULL;
CREATE INDEX join_requests_refused ON join_requests (refused_at) WHERE refused_at IS NOT NULL;

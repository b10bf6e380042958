-- Uploaded files (XEP-0363). The bytes are in the file store under the same id.
CREATE TABLE files (
    id         TEXT    PRIMARY KEY,   -- random: the part of the URL that nobody guesses
    owner      TEXT    NOT NULL,      -- who asked for the slot
    name       TEXT    NOT NULL,
    size       INTEGER NOT NULL CHECK (size > 0),
    kind       TEXT    NOT NULL,      -- content type: the declared one, or by the name
    purpose    TEXT    NOT NULL CHECK (purpose IN ('message', 'profile', 'ephemeral')),
    state      INTEGER NOT NULL CHECK (state BETWEEN 0 AND 3), -- promised, stored, removed, counted for the day only
    token      BLOB    NOT NULL,      -- SHA-256 of what allows the upload
    at         INTEGER NOT NULL,      -- when the slot was given, in microseconds since 1970
    put_until  INTEGER NOT NULL,      -- when an upload must have begun
    expires_at INTEGER,               -- when the file goes; null: when its owner says so
    due_at     INTEGER,               -- when the sweep has something to do with it
    digest     BLOB                   -- SHA-256 of the contents
) STRICT, WITHOUT ROWID;
CREATE INDEX files_owner ON files (owner, at);
CREATE INDEX files_due ON files (due_at) WHERE due_at IS NOT NULL;

-- Sums of promised and stored files, by owner; '' is everybody.
CREATE TABLE file_totals (
    owner TEXT    PRIMARY KEY,
    files INTEGER NOT NULL,
    bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO file_totals VALUES ('', 0, 0);

CREATE TRIGGER files_come AFTER INSERT ON files WHEN NEW.state < 2 BEGIN
    INSERT INTO file_totals VALUES (NEW.owner, 1, NEW.size)
        ON CONFLICT (owner) DO UPDATE SET files = files + 1, bytes = bytes + excluded.bytes;
    UPDATE file_totals SET files = files + 1, bytes = bytes + NEW.size WHERE owner = '';
END;
CREATE TRIGGER files_end AFTER UPDATE OF state ON files WHEN OLD.state < 2 AND NEW.state >= 2 BEGIN
    UPDATE file_totals SET files = files - 1, bytes = bytes - OLD.size WHERE owner IN (OLD.owner, '');
    DELETE FROM file_totals WHERE owner = OLD.owner AND files = 0;
END;
CREATE TRIGGER files_go AFTER DELETE ON files WHEN OLD.state < 2 BEGIN
    UPDATE file_totals SET files = files - 1, bytes = bytes - OLD.size WHERE owner IN (OLD.owner, '');
    DELETE FROM file_totals WHERE owner = OLD.owner AND files = 0;
END;

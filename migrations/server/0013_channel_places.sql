-- Of which waddle a channel is, so that one is found by its identifier alone: derived from each waddle's own database.
-- A row may outlive its channel for a moment; it never lacks.
CREATE TABLE channel_places (
    channel TEXT PRIMARY KEY,
    waddle  TEXT NOT NULL REFERENCES waddles (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX channel_places_waddle ON channel_places (waddle);
-- 0 until the channels of a waddle that was there before were read.
ALTER TABLE waddles ADD COLUMN channels_placed INTEGER NOT NULL DEFAULT 0;

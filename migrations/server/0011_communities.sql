-- What the list of waddles shows and finds: copied from each waddle's own database.
ALTER TABLE waddles ADD COLUMN icon TEXT;
ALTER TABLE waddles ADD COLUMN banner TEXT;
ALTER TABLE waddles ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';   -- JSON
-- Slug, name and description in lower case.
ALTER TABLE waddles ADD COLUMN search TEXT NOT NULL DEFAULT '';
UPDATE waddles SET search = lower(slug || char(10) || name || char(10) || description);
-- Kept by the triggers below, so that nobody counts.
ALTER TABLE waddles ADD COLUMN member_count INTEGER NOT NULL DEFAULT 0;
UPDATE waddles SET member_count = (SELECT count(*) FROM memberships m WHERE m.waddle = waddles.id);

CREATE TRIGGER memberships_in AFTER INSERT ON memberships BEGIN
    UPDATE waddles SET member_count = member_count + 1 WHERE id = NEW.waddle;
END;
CREATE TRIGGER memberships_out AFTER DELETE ON memberships BEGIN
    UPDATE waddles SET member_count = member_count - 1 WHERE id = OLD.waddle;
END;

CREATE INDEX waddles_found ON waddles (member_count DESC, id) WHERE visibility <> 'private' AND state = 'live';

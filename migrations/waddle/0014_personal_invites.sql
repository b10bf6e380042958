-- Whom an invite is for: one person, who accepts it by entering a room; its code is told to nobody. Empty for a link.
ALTER TABLE invites ADD COLUMN for_user TEXT;
CREATE UNIQUE INDEX invites_person ON invites (for_user) WHERE for_user IS NOT NULL;

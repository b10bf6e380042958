-- Memberships that somebody else entered, until the person says yes by joining: they give nobody a right over the
-- person (who may write to them, whose places are used up).
CREATE TABLE unasked_memberships (
    user   TEXT NOT NULL,
    waddle TEXT NOT NULL REFERENCES waddles (id) ON DELETE CASCADE,
    PRIMARY KEY (user, waddle)
) STRICT, WITHOUT ROWID;
CREATE INDEX unasked_memberships_waddle ON unasked_memberships (waddle);

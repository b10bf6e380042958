-- What somebody was called by whoever banned them, in lower case: a handle that nobody here has, that leads elsewhere by
-- now, or to nobody, still lifts the ban.
ALTER TABLE bans ADD COLUMN named TEXT;
CREATE INDEX bans_named ON bans (named) WHERE named IS NOT NULL;

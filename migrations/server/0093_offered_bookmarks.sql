-- The channels that were put among the bookmarks of an account (XEP-0402): each once, so that one that was
-- removed stays away.
CREATE TABLE offered_bookmarks (
    owner TEXT NOT NULL,               -- localpart of the account
    room  TEXT NOT NULL,               -- bare JID of the channel
    PRIMARY KEY (owner, room)
) STRICT, WITHOUT ROWID;

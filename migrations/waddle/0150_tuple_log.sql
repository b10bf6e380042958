-- The last changes of `tuples`, so that watchers go on and older revisions are answered after the waddle was closed.
CREATE TABLE tuple_log (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    -- The revision that the change made; several rows may share it.
    revision INTEGER NOT NULL,
    written INTEGER NOT NULL,
    object TEXT NOT NULL,
    relation TEXT NOT NULL,
    subject TEXT NOT NULL
) STRICT;

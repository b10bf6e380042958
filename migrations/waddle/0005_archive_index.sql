-- The same index as in server/0005_archive_index.sql.
DROP INDEX archive_page;
CREATE INDEX archive_page ON archive (archive, id, peer, said);

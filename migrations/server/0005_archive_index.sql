-- What a direct message was called is looked for in the entries of its archive (XEP-0424): an index of its own, in the
-- order of hashes, cost a page of it for every message.
DROP INDEX archive_said;
DROP INDEX archive_page;
CREATE INDEX archive_page ON archive (archive, id, peer, said);

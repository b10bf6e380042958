-- Archives that are to go: named in the transaction that deletes their owner, emptied a part at a time.
CREATE TABLE archive_removals (
    archive TEXT    PRIMARY KEY,
    below   INTEGER NOT NULL               -- messages with a smaller MessageId go
) STRICT, WITHOUT ROWID;

-- Who set the subject of a channel, as occupants know them (XEP-0421).
ALTER TABLE channel_rooms ADD COLUMN subject_occupant TEXT;

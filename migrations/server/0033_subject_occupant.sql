-- Who set the subject of a plain room, as occupants know them (XEP-0421).
ALTER TABLE rooms ADD COLUMN subject_occupant TEXT;

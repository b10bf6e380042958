-- A device's name and topics stand in its waddle's database alone.
ALTER TABLE device_credentials DROP COLUMN name;
ALTER TABLE device_credentials DROP COLUMN topics;

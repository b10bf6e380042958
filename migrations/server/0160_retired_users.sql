-- Whose account was deleted is asked by user too.
CREATE INDEX retired_localparts_user ON retired_localparts (user_id);

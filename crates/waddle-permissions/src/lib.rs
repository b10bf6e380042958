//! The Zanzibar engine: schema language, tuples, check. Pure: no socket, clock or database.

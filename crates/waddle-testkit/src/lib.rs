//! Test support: temporary servers and databases, scripted clients, a virtual clock.

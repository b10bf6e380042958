//! The XMPP server: listeners, connection actor, sessions, router, one file per XEP.

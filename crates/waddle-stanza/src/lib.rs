//! XMPP as values: framing and strict XML, stanzas, errors, SASL and stream management. No I/O.

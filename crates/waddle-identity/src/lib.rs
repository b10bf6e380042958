//! ATProto login, handles and DIDs, local accounts, sessions, tokens and device credentials.

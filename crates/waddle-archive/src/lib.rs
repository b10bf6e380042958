//! What the archives of accounts and of rooms have in common ([XEP-0313]): one way to query them, one rule for what
//! they keep, one way to retract from them, one broom.
//!
//! - [`query`] answers `<query/>` and `<metadata/>`; who may ask is for the caller to decide beforehand.
//! - [`worth`] says whether a message is for the archive.
//! - [`prefs`] reads and writes what accounts want archived ([XEP-0441]).
//! - [`retraction`] puts tombstones into place ([XEP-0424], [XEP-0425]), inside the caller's transaction.
//! - [`fulltext`] reads what somebody searches for ([XEP-0431]).
//! - [`sweep`] removes what is too old or too much.
//!
//! Knows no session and no room; SQL is in `waddle_storage::repo::archive`.
//!
//! [XEP-0313]: https://xmpp.org/extensions/xep-0313.html
//! [XEP-0424]: https://xmpp.org/extensions/xep-0424.html
//! [XEP-0425]: https://xmpp.org/extensions/xep-0425.html
//! [XEP-0431]: https://xmpp.org/extensions/xep-0431.html
//! [XEP-0441]: https://xmpp.org/extensions/xep-0441.html

pub mod fulltext;
pub mod prefs;
pub mod query;
pub mod retraction;
pub mod sweep;
pub mod worth;

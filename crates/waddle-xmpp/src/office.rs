//! What administrators have set for the whole service: whom it talks with, what it tells everybody, when it stops
//! ([XEP-0133](https://xmpp.org/extensions/xep-0133.html)). The database decides; this is what is asked at each stanza.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use ahash::AHashSet;
use parking_lot::{Mutex, RwLock};
use tokio::task::AbortHandle;
use waddle_core::Jid;
use waddle_storage::{
    Db, StorageError,
    repo::service::{self, ServiceText},
};

/// How the server is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It stops.
    Stop,
    /// It stops and starts again.
    Restart,
}

/// What the owner of the process does when the server is to end.
pub type OnEnd = Arc<dyn Fn(Ending) + Send + Sync>;

/// Which of the two lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// Whom the service does not talk with.
    Black,
    /// The only foreign addresses that the service talks with, unless it is empty.
    White,
}

impl List {
    /// Its name in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Black => "block",
            Self::White => "allow",
        }
    }
}

/// The texts for everybody.
#[derive(Debug, Clone, Default)]
pub struct Texts {
    /// Shown once to everybody who logs in.
    pub motd: Option<ServiceText>,
    /// Shown once to everybody who registered after it was set.
    pub welcome: Option<ServiceText>,
}

#[derive(Debug, Default)]
struct Lists {
    black: AHashSet<Jid>,
    white: AHashSet<Jid>,
}

/// Whether an address or what it belongs to is in a list, in the order of XEP-0016 §2.1: as it is, bare, the domain with
/// the resource, the domain.
fn matches(list: &AHashSet<Jid>, jid: &Jid) -> bool {
    if list.is_empty() {
        return false;
    }
    let domain = |resource| Jid::new(None, jid.domain(), resource).is_ok_and(|d| list.contains(&d));
    list.contains(jid)
        || !jid.is_bare() && list.contains(jid.bare().as_jid())
        || jid.resource().is_some() && domain(jid.resource())
        || domain(None)
}

/// What administrators have set.
#[derive(Default)]
pub struct Office {
    lists: RwLock<Lists>,
    listed: AtomicBool,
    texts: RwLock<Arc<Texts>>,
    on_end: Mutex<Option<OnEnd>>,
    ending: Mutex<Option<AbortHandle>>,
}

impl Office {
    /// Reads what is stored.
    pub(crate) async fn load(db: &Db) -> Result<Self, StorageError> {
        let (texts, black, white) = db
            .read(|conn| {
                let texts = Texts {
                    motd: service::text(conn, service::MOTD)?,
                    welcome: service::text(conn, service::WELCOME)?,
                };
                Ok((
                    texts,
                    service::list(conn, List::Black.name())?,
                    service::list(conn, List::White.name())?,
                ))
            })
            .await?;
        let office = Self::default();
        office.show(texts);
        office.set_list(List::Black, black);
        office.set_list(List::White, white);
        Ok(office)
    }

    /// The texts now.
    pub fn texts(&self) -> Arc<Texts> {
        self.texts.read().clone()
    }

    /// Shows other texts from now on.
    pub(crate) fn show(&self, texts: Texts) {
        *self.texts.write() = Arc::new(texts);
    }

    /// Heeds another list from now on.
    pub(crate) fn set_list(&self, list: List, jids: Vec<Jid>) {
        let mut lists = self.lists.write();
        let jids = jids.into_iter().collect();
        match list {
            List::Black => lists.black = jids,
            List::White => lists.white = jids,
        }
        let any = !lists.black.is_empty() || !lists.white.is_empty();
        self.listed.store(any, Ordering::Release);
    }

    /// Whether any list has an entry.
    pub fn has_lists(&self) -> bool {
        self.listed.load(Ordering::Acquire)
    }

    /// Whether the service talks with `jid`; `foreign` says that it is of another server or component.
    pub fn talks_with(&self, jid: &Jid, foreign: bool) -> bool {
        if !self.has_lists() {
            return true;
        }
        let lists = self.lists.read();
        !matches(&lists.black, jid) && (!foreign || lists.white.is_empty() || matches(&lists.white, jid))
    }

    /// Who ends the process when an administrator wants it.
    pub fn set_on_end(&self, on_end: OnEnd) {
        *self.on_end.lock() = Some(on_end);
    }

    /// Whether administrators can end the process.
    pub fn can_end(&self) -> bool {
        self.on_end.lock().is_some()
    }

    /// Ends the process; what was planned before is no more.
    pub(crate) fn end(&self, ending: Ending, wait: impl Future<Output = ()> + Send + 'static) {
        let Some(on_end) = self.on_end.lock().clone() else {
            return;
        };
        let task = tokio::spawn(async move {
            wait.await;
            on_end(ending);
        });
        if let Some(earlier) = self.ending.lock().replace(task.abort_handle()) {
            earlier.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jids(list: &[&str]) -> Vec<Jid> {
        list.iter().map(|j| j.parse().unwrap()).collect()
    }

    #[test]
    fn lists_match_by_address_and_domain() {
        let o = Office::default();
        let talks = |j: &str, foreign| o.talks_with(&j.parse().unwrap(), foreign);
        assert!(talks("a@b.example/c", true));
        o.set_list(
            List::Black,
            jids(&["bad.example", "eve@x.example", "y.example/bot"]),
        );
        for (jid, ok) in [
            ("bad.example", false),
            ("a@bad.example/c", false),
            ("a@sub.bad.example", true),
            ("eve@x.example/phone", false),
            ("bob@x.example", true),
            ("a@y.example/bot", false),
            ("a@y.example/other", true),
        ] {
            assert_eq!(talks(jid, true), ok, "{jid}");
        }
        o.set_list(List::White, jids(&["good.example"]));
        assert!(talks("a@good.example", true) && !talks("a@other.example", true));
        assert!(
            talks("a@other.example", false),
            "the white list is for foreign addresses"
        );
        o.set_list(List::Black, Vec::new());
        o.set_list(List::White, Vec::new());
        assert!(talks("a@bad.example", true));
    }
}

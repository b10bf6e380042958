//! The extensions of this server: everything that lists or dispatches them reads [`ALL`].
//!
//! To add one: write `xep/xepNNNN.rs`, add its `mod` line and one word here. Disco, caps, stream features,
//! IQ dispatch and `specs/xeps.md` follow; the tests below fail when a file is not named.

use std::{fmt::Write as _, sync::Arc};

use ahash::AHashMap;
use waddle_core::{BareJid, Jid};
use waddle_stanza::{Element, XmlWriter};

use super::{
    Extension, Identity, IqRequest, MessageEvent, Phase, Scope, SessionEvent, Verdict, Xep,
    rfc6121_roster::Roster, xep0004::Forms, xep0012::LastActivity, xep0030::Disco, xep0045::Muc,
    xep0048::Bookmarks, xep0049::Private, xep0050::Commands, xep0054::VCards, xep0059::ResultSets,
    xep0060::PubSub, xep0068::FieldNames, xep0077::InBandRegistration, xep0084::UserAvatars,
    xep0085::ChatStates, xep0092::Version, xep0107::UserMood, xep0114::Components, xep0115::CapsFeature,
    xep0118::UserTune, xep0122::Validation, xep0124::Bosh, xep0128::InfoForms, xep0133::Administration,
    xep0153::PresenceAvatars, xep0156::AlternativeConnections, xep0157::Contacts, xep0160::Offline,
    xep0163::Personal, xep0172::Nicknames, xep0184::Receipts, xep0191::Blocking, xep0198::StreamManagement,
    xep0199::Ping, xep0202::Time, xep0203::Delay, xep0206::XmppOverBosh, xep0215::ExternalServices,
    xep0222::PublicData, xep0223::PrivateData, xep0249::DirectInvitations, xep0280::Carbons, xep0292::VCard4,
    xep0297::Forwarding, xep0307::UniqueNames, xep0308::Correction, xep0313::Archive, xep0317::Hats,
    xep0319::Idle, xep0333::Markers, xep0334::Hints, xep0352::ClientState, xep0357::PushNotifications,
    xep0359::StanzaIds, xep0363::FileUpload, xep0368::DirectTls, xep0372::References, xep0377::Reports,
    xep0379::PreAuthenticated, xep0380::ExplicitEncryption, xep0384::Omemo, xep0386::Bind2, xep0388::Sasl2,
    xep0393::Styling, xep0398::AvatarConversion, xep0401::Invitations, xep0402::NativeBookmarks,
    xep0410::SelfPing, xep0421::OccupantIds, xep0424::Retraction, xep0425::Moderation, xep0428::Fallback,
    xep0430::Inbox, xep0431::FullText, xep0433::ChannelSearch, xep0440::ChannelBindings,
    xep0441::ArchivePrefs, xep0444::Reactions, xep0445::Invited, xep0446::FileMetadata, xep0447::FileSharing,
    xep0455::OutageStatus, xep0461::Replies, xep0474::DowngradeProtection, xep0478::StreamLimits,
    xep0484::Fast, xep0486::RoomAvatars, xep0490::DisplayedSync, xep0493::OauthLogin, xep0502::RoomActivity,
    xep0503::Spaces,
};
use crate::{server::Server, service::Service, session::Session};

/// All extensions, by number.
pub static ALL: &[&dyn Extension] = &[
    &Roster,
    &Forms,
    &LastActivity,
    &Disco,
    &Muc,
    &Bookmarks,
    &Private,
    &Commands,
    &VCards,
    &ResultSets,
    &PubSub,
    &FieldNames,
    &InBandRegistration,
    &UserAvatars,
    &ChatStates,
    &Version,
    &UserMood,
    &Components,
    &CapsFeature,
    &UserTune,
    &Validation,
    &Bosh,
    &InfoForms,
    &Administration,
    &PresenceAvatars,
    &AlternativeConnections,
    &Contacts,
    &Offline,
    &Personal,
    &Nicknames,
    &Receipts,
    &Blocking,
    &StreamManagement,
    &Ping,
    &Time,
    &Delay,
    &XmppOverBosh,
    &ExternalServices,
    &PublicData,
    &PrivateData,
    &DirectInvitations,
    &Carbons,
    &VCard4,
    &Forwarding,
    &UniqueNames,
    &Correction,
    &Archive,
    &Hats,
    &Idle,
    &Markers,
    &Hints,
    &ClientState,
    &PushNotifications,
    &StanzaIds,
    &FileUpload,
    &DirectTls,
    &References,
    &Reports,
    &PreAuthenticated,
    &ExplicitEncryption,
    &Omemo,
    &Bind2,
    &Sasl2,
    &Styling,
    &AvatarConversion,
    &Invitations,
    &NativeBookmarks,
    &SelfPing,
    &OccupantIds,
    &Retraction,
    &Moderation,
    &Fallback,
    &Inbox,
    &FullText,
    &ChannelSearch,
    &ChannelBindings,
    &ArchivePrefs,
    &Reactions,
    &Invited,
    &FileMetadata,
    &FileSharing,
    &OutageStatus,
    &Replies,
    &DowngradeProtection,
    &StreamLimits,
    &Fast,
    &RoomAvatars,
    &DisplayedSync,
    &OauthLogin,
    &RoomActivity,
    &Spaces,
];

/// The table of extensions in `specs/xeps.md`, as Markdown.
pub fn markdown_table() -> String {
    let mut out = String::from("| XEP | Title | Version | Notes |\n|---|---|---|---|\n");
    for Xep {
        number,
        title,
        version,
        notes,
    } in ALL.iter().map(|e| e.xep()).filter(|x| x.number > 0)
    {
        let _ = writeln!(
            out,
            "| [{number:04}](https://xmpp.org/extensions/xep-{number:04}.html) | {title} | {version} | {notes} |"
        );
    }
    out
}

/// The extensions that are switched on, arranged for dispatch.
pub struct Registry {
    active: Vec<&'static dyn Extension>,
    iq: AHashMap<(&'static str, &'static str), &'static dyn Extension>,
    phases: [Vec<&'static dyn Extension>; 5],
    features: [Vec<&'static str>; 2],
    identities: [Vec<Identity>; 2],
}

const PHASES: [Phase; 5] = [
    Phase::Reject,
    Phase::Rewrite,
    Phase::Archive,
    Phase::Copy,
    Phase::Deliver,
];

impl Registry {
    /// The registry without the XEPs of these numbers.
    pub fn without(disabled: &[u16]) -> Self {
        let active: Vec<_> = ALL
            .iter()
            .copied()
            .filter(|e| !disabled.contains(&e.xep().number))
            .collect();
        let mut iq = AHashMap::new();
        for e in &active {
            for key in e.payloads() {
                iq.entry(*key).or_insert(*e);
            }
        }
        let features = [Scope::Server, Scope::Account].map(|s| {
            let mut f: Vec<_> = active.iter().flat_map(|e| e.features(s)).copied().collect();
            f.sort_unstable();
            f.dedup();
            f
        });
        let identities = [Scope::Server, Scope::Account].map(|s| {
            let mut i: Vec<_> = active.iter().flat_map(|e| e.identities(s)).copied().collect();
            i.sort_unstable();
            i.dedup();
            i
        });
        let phases = PHASES.map(|p| {
            active
                .iter()
                .copied()
                .filter(|e| e.phases().contains(&p))
                .collect()
        });
        Self {
            active,
            iq,
            phases,
            features,
            identities,
        }
    }

    /// Whether a XEP is here and switched on.
    pub fn has(&self, number: u16) -> bool {
        self.active.iter().any(|e| e.xep().number == number)
    }

    /// Features, sorted.
    pub fn features(&self, scope: Scope) -> &[&'static str] {
        &self.features[usize::from(scope == Scope::Account)]
    }

    /// Identities, sorted.
    pub fn identities(&self, scope: Scope) -> &[Identity] {
        &self.identities[usize::from(scope == Scope::Account)]
    }

    /// Forms of disco#info.
    pub fn forms(&self, server: &Server, scope: Scope) -> Vec<waddle_stanza::forms::Form> {
        self.active.iter().flat_map(|e| e.forms(server, scope)).collect()
    }

    /// Items of the server.
    pub fn items(&self, server: &Server) -> Vec<(String, String)> {
        self.active.iter().flat_map(|e| e.items(server)).collect()
    }

    /// Hosts beside the domain.
    pub(crate) fn services(&self, server: &Arc<Server>) -> Vec<(String, Arc<dyn Service>)> {
        self.active.iter().flat_map(|e| e.services(server)).collect()
    }

    /// Tells all of them who sees whom from now on.
    pub fn contact(&self, server: &Arc<Server>, owner: &BareJid, viewer: &BareJid, visible: bool) {
        for e in &self.active {
            e.on_contact(server, owner, viewer, visible);
        }
    }

    /// Stream features for a client that is logged in.
    pub fn stream_features(&self, server: &Server, out: &mut XmlWriter) {
        for e in &self.active {
            e.stream_features(server, out);
        }
    }

    /// Who answers an IQ with this payload.
    pub fn iq(&self, payload: Element<'_>) -> Option<&'static dyn Extension> {
        // The key borrows for a shorter time than the map's: look it up by value.
        let key: (&str, &str) = (payload.name(), payload.ns());
        self.iq.get(&key).copied()
    }

    /// Asks everybody for disco of a node.
    pub async fn node<'a>(
        &'a self,
        request: &'a IqRequest<'a>,
        node: &'a str,
        items: bool,
    ) -> Option<super::IqResult> {
        for e in &self.active {
            if let Some(answer) = e.on_node(request, node, items).await {
                return Some(answer);
            }
        }
        None
    }

    /// Who takes this element at the stream's top level.
    pub fn nonza(&self, element: Element<'_>) -> Option<&'static dyn Extension> {
        let key: (&str, &str) = (element.name(), element.ns());
        self.active.iter().copied().find(|e| e.nonzas().contains(&key))
    }

    /// Asks everybody who wants to see messages in this phase.
    pub fn message(&self, phase: Phase, event: &mut MessageEvent<'_>) -> Verdict {
        for e in &self.phases[phase as usize] {
            match e.on_message(phase, event) {
                Verdict::Continue => {}
                other => return other,
            }
        }
        Verdict::Continue
    }

    /// Whether a child of a client's message must not be passed on.
    pub fn strips(&self, child: Element<'_>, to: &Jid) -> bool {
        self.phases[Phase::Rewrite as usize]
            .iter()
            .any(|e| e.strips(child, to))
    }

    /// Tells all of them what happened to a session.
    pub async fn session(&self, server: &Arc<Server>, session: &Arc<Session>, event: SessionEvent) {
        for e in &self.active {
            if let Some(done) = e.on_session(server, session, event) {
                done.await;
            }
        }
    }

    /// Answers an IQ request, or says that nobody does.
    pub fn answer<'a>(&'a self, request: IqRequest<'a>) -> Option<super::BoxFuture<'a, super::IqResult>> {
        self.iq(request.payload).map(|e| e.on_iq(request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, path::PathBuf};

    #[test]
    fn every_file_is_registered_and_every_entry_has_a_file() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/src/xep");
        let files: BTreeSet<u16> = std::fs::read_dir(dir)
            .unwrap()
            .filter_map(|f| {
                let name = f.unwrap().file_name().into_string().unwrap();
                name.strip_prefix("xep")?.strip_suffix(".rs")?.parse().ok()
            })
            .collect();
        let named: BTreeSet<u16> = ALL.iter().map(|e| e.xep().number).filter(|n| *n > 0).collect();
        assert_eq!(files, named);
        let numbers: Vec<u16> = ALL.iter().map(|e| e.xep().number).collect();
        assert!(numbers.is_sorted(), "in order of numbers: {numbers:?}");
    }

    #[test]
    fn every_extension_is_tried_by_a_behaviour_test() {
        let mut places = vec![PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests"))];
        let mut tests = String::new();
        while let Some(place) = places.pop() {
            // The rows of `advertised` try features, not behaviour.
            if place.is_dir() && !place.ends_with("advertised") {
                places.extend(std::fs::read_dir(place).unwrap().map(|f| f.unwrap().path()));
            } else if place.extension().is_some_and(|e| e == "rs") {
                tests += &std::fs::read_to_string(place).unwrap();
            }
        }
        for x in ALL.iter().map(|e| e.xep()).filter(|x| x.number > 0) {
            let number = format!("XEP-{:04}", x.number);
            assert!(tests.contains(&number), "no test under tests/ names {number}");
        }
    }

    #[test]
    fn the_page_of_extensions_is_the_registry() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../specs/xeps.md");
        let page = std::fs::read_to_string(path).unwrap();
        let at = page.find("| XEP |").expect("specs/xeps.md has its table");
        if page[at..] == markdown_table() {
            return;
        }
        assert!(
            std::env::var_os("UPDATE").is_some(),
            "specs/xeps.md differs; run UPDATE=1 cargo test -p waddle-xmpp registry"
        );
        std::fs::write(path, [&page[..at], &markdown_table()].concat()).unwrap();
    }

    #[test]
    fn table_and_switch() {
        let table = markdown_table();
        for e in ALL {
            let x = e.xep();
            assert!(
                !x.title.is_empty() && !x.version.is_empty() && !x.notes.is_empty(),
                "{}",
                x.number
            );
            assert!(x.number == 0 || table.contains(x.title));
        }
        let all = Registry::without(&[]);
        let some = Registry::without(&[199]);
        assert!(all.has(199) && !some.has(199));
        assert!(all.features(Scope::Server).contains(&waddle_stanza::ns::PING));
        assert!(!some.features(Scope::Server).contains(&waddle_stanza::ns::PING));
    }
}

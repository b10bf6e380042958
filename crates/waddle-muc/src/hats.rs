//! Hats: what somebody is in a room besides role and affiliation ([XEP-0317](https://xmpp.org/extensions/xep-0317.html)).
//!
//! In a channel they are the roles of its waddle, made visible; in a plain room its owners and admins make them and
//! give them to people.

use ahash::AHashMap;
use bytes::Bytes;
use tokio::sync::oneshot;
use waddle_community::{Role as WaddleRole, RoleRow};
use waddle_core::{BareJid, Timestamp, UserId};
use waddle_stanza::XmlWriter;
use waddle_storage::repo::room_hats::StoredHats;

use crate::{
    channel_hats,
    error::{self, Outcome},
    policy::Policy,
    room::{Kind, Room},
    standing::Affiliation,
    state::{Effect, Effects, Write},
};

/// `urn:xmpp:hats:0`
pub const HATS: &str = "urn:xmpp:hats:0";

/// A hat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hat {
    /// What it is known by.
    pub uri: String,
    /// What people read.
    pub title: String,
    /// Its colour as an angle (XEP-0392); empty for none.
    pub hue: String,
}

/// What somebody wants to do about hats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HatRequest {
    /// See which there are.
    List,
    /// See who wears which.
    Assigned,
    /// Make one, or change the title and colour of the one with this URI.
    Create(Hat),
    /// Do away with one.
    Destroy(String),
    /// Give one to somebody.
    Assign(BareJid, String),
    /// Take one from somebody.
    Unassign(BareJid, String),
}

impl HatRequest {
    fn is_change(&self) -> bool {
        !matches!(self, Self::List | Self::Assigned)
    }
}

/// The answer: the hats, each with who wears it where that was asked.
pub type HatAnswer = Outcome<Vec<(Hat, Option<BareJid>)>>;

/// A request on its way to its room.
#[derive(Debug)]
pub struct HatInput {
    /// Who asks.
    pub user: UserId,
    /// Their bare address.
    pub bare: BareJid,
    /// What.
    pub request: HatRequest,
    /// Where the answer goes.
    pub reply: oneshot::Sender<HatAnswer>,
}

/// The hats of a plain room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hats {
    all: Vec<Hat>,
    worn: AHashMap<BareJid, Vec<String>>,
}

impl Hats {
    /// As they were stored.
    pub fn stored(stored: StoredHats) -> Self {
        let mut hats = Self::default();
        for (uri, title, hue) in stored.all {
            hats.all.push(Hat { uri, title, hue });
        }
        for (jid, uri) in stored.worn {
            if let Ok(jid) = jid.parse() {
                hats.worn.entry(jid).or_default().push(uri);
            }
        }
        hats
    }

    /// As they are stored.
    pub fn rows(&self) -> StoredHats {
        StoredHats {
            all: self
                .all
                .iter()
                .map(|h| (h.uri.clone(), h.title.clone(), h.hue.clone()))
                .collect(),
            worn: self
                .worn
                .iter()
                .flat_map(|(jid, uris)| uris.iter().map(|u| (jid.to_string(), u.clone())))
                .collect(),
        }
    }

    fn get(&self, uri: &str) -> Outcome<&Hat> {
        let found = self.all.iter().find(|h| h.uri == uri);
        found.ok_or_else(|| error::item_not_found("this room has no such hat"))
    }

    /// The hats of one person, as an element; nothing for none.
    pub fn of(&self, bare: &BareJid) -> Bytes {
        let worn = self.worn.get(bare).map(Vec::as_slice).unwrap_or_default();
        element(self.all.iter().filter(|h| worn.contains(&h.uri)))
    }

    fn list(&self, request: &HatRequest) -> Vec<(Hat, Option<BareJid>)> {
        if *request != HatRequest::Assigned {
            return self.all.iter().map(|h| (h.clone(), None)).collect();
        }
        let mut list: Vec<_> = self
            .worn
            .iter()
            .flat_map(|(jid, uris)| uris.iter().map(move |u| (jid, u)))
            .filter_map(|(jid, uri)| Some((self.get(uri).ok()?.clone(), Some(jid.clone()))))
            .collect();
        list.sort_by(|a, b| (&a.1, &a.0.uri).cmp(&(&b.1, &b.0.uri)));
        list
    }

    /// Makes a change; `Err` where it cannot be.
    fn change(&mut self, request: &HatRequest, most: usize, wearers: usize) -> Outcome {
        match request {
            HatRequest::List | HatRequest::Assigned => {}
            HatRequest::Create(hat) => {
                check(hat)?;
                match self.all.iter().position(|h| h.uri == hat.uri) {
                    Some(at) => self.all[at] = hat.clone(),
                    None if self.all.len() >= most => {
                        return Err(error::busy("this room has as many hats as it may have"));
                    }
                    None => self.all.push(hat.clone()),
                }
            }
            HatRequest::Destroy(uri) => {
                self.get(uri)?;
                self.all.retain(|h| h.uri != *uri);
                for worn in self.worn.values_mut() {
                    worn.retain(|u| u != uri);
                }
                self.worn.retain(|_, worn| !worn.is_empty());
            }
            HatRequest::Assign(jid, uri) => {
                self.get(uri)?;
                if !self.worn.contains_key(jid) && self.worn.len() >= wearers {
                    return Err(error::busy("as many people wear hats here as may"));
                }
                let worn = self.worn.entry(jid.clone()).or_default();
                if !worn.contains(uri) {
                    worn.push(uri.clone());
                }
            }
            HatRequest::Unassign(jid, uri) => {
                self.get(uri)?;
                let Some(worn) = self.worn.get_mut(jid).filter(|w| w.contains(uri)) else {
                    return Err(error::item_not_found("they do not wear this hat"));
                };
                worn.retain(|u| u != uri);
                self.worn.retain(|_, worn| !worn.is_empty());
            }
        }
        Ok(())
    }
}

/// A hat has a URI and a title of bounded length; a hue is an angle.
fn check(hat: &Hat) -> Outcome {
    const LONGEST: usize = 256;
    let uri = hat.uri.split_once(':').is_some_and(|(scheme, rest)| {
        !rest.is_empty()
            && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    });
    if !uri || hat.uri.len() > LONGEST || hat.uri.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(error::bad_request(
            "a hat is named by a URI, for example https://example.org/hats#host",
        ));
    }
    if hat.title.trim().is_empty() || hat.title.len() > LONGEST {
        return Err(error::bad_request("a hat has a title of up to 256 bytes"));
    }
    let hue = hat
        .hue
        .parse::<f64>()
        .is_ok_and(|hue| (0.0..=360.0).contains(&hue));
    if !hat.hue.is_empty() && !hue {
        return Err(error::bad_request("a hue is an angle from 0 to 360"));
    }
    Ok(())
}

/// `<hats/>`; nothing where there is no hat.
pub fn element<'a>(hats: impl Iterator<Item = &'a Hat>) -> Bytes {
    let mut hats = hats.peekable();
    if hats.peek().is_none() {
        return Bytes::new();
    }
    let mut w = XmlWriter::with_capacity(160);
    w.open_ns("hats", HATS);
    for hat in hats {
        w.open("hat")
            .attr("uri", &hat.uri)
            .attr("title", &hat.title)
            .attr_opt("hue", Some(&*hat.hue).filter(|h| !h.is_empty()))
            .close();
    }
    w.close();
    w.finish()
}

/// The hat of a role in a waddle; plain members wear none.
pub fn of_role(role: Option<WaddleRole>) -> Option<Hat> {
    let (uri, title, hue) = match role? {
        WaddleRole::Owner => ("urn:waddle:role:owner", "Owner", "40"),
        WaddleRole::Admin => ("urn:waddle:role:admin", "Admin", "0"),
        WaddleRole::Moderator => ("urn:waddle:role:moderator", "Moderator", "210"),
        WaddleRole::Member => return None,
    };
    Some(Hat {
        uri: uri.to_owned(),
        title: title.to_owned(),
        hue: hue.to_owned(),
    })
}

/// The hat of a program's account: it comes first.
fn of_bot(user: &UserId) -> Option<Hat> {
    user.is_bot().then(|| Hat {
        uri: "urn:waddle:bot".to_owned(),
        title: "Bot".to_owned(),
        hue: String::new(),
    })
}

/// Steps of the ladder that wear a hat, the highest first.
pub(crate) const LADDER: [WaddleRole; 3] = [WaddleRole::Owner, WaddleRole::Admin, WaddleRole::Moderator];

/// What the hat of a role is known by.
pub(crate) fn role_uri(role: &str) -> String {
    ["urn:waddle:role:", role].concat()
}

/// The hat of a role of the waddle's own.
pub(crate) fn of_custom(role: &RoleRow) -> Hat {
    Hat {
        uri: role_uri(&role.id.to_string()),
        title: role.name.clone(),
        hue: role.colour.as_deref().and_then(hue).unwrap_or_default(),
    }
}

/// The angle of a colour `#rrggbb` (hue of HSL), in whole degrees; none for greys.
pub(crate) fn hue(colour: &str) -> Option<String> {
    let rgb = u32::from_str_radix(colour.strip_prefix('#')?, 16).ok()?;
    let part = |shift: u32| i64::from(rgb >> shift & 0xff);
    let (r, g, b) = (part(16), part(8), part(0));
    let (most, least) = (r.max(g).max(b), r.min(g).min(b));
    let range = most - least;
    if range == 0 {
        return None;
    }
    let angle = if most == r {
        60 * (g - b) / range
    } else if most == g {
        120 + 60 * (b - r) / range
    } else {
        240 + 60 * (r - g) / range
    };
    Some(angle.rem_euclid(360).to_string())
}

impl Room {
    /// What somebody wears here.
    pub(crate) fn hats_of(&self, user: &UserId, bare: &BareJid) -> Bytes {
        match &self.kind {
            Kind::Channel(c) => {
                let custom = c.policy.custom_roles(user);
                let ladder = of_role(c.policy.role(user));
                let hats: Vec<Hat> = of_bot(user)
                    .into_iter()
                    .chain(ladder)
                    .chain(custom.iter().map(|r| of_custom(r)))
                    .collect();
                element(hats.iter())
            }
            Kind::Plain(p) => p.hats.of(bare),
            Kind::Absent { .. } | Kind::Nothing(_) => Bytes::new(),
        }
    }

    /// A request about hats.
    pub(crate) fn hats(&mut self, input: HatInput, fx: &mut Effects) {
        let joined = |p: &dyn Policy| p.standing(&input.user).join;
        if input.request != HatRequest::List && self.policy().is_some_and(joined) {
            // They are the roles of the waddle, and changing them is the community's.
            fx.rest.push(Effect::ChannelHats(input));
            return;
        }
        match self.hats_outcome(&input) {
            Ok(None) => {
                let list = match &self.kind {
                    Kind::Plain(p) => p.hats.list(&input.request),
                    _ => channel_hats::all(&self.policy().map(Policy::all_custom_roles).unwrap_or_default()),
                };
                fx.rest.push(Effect::Hats(input.reply, Ok(list)));
            }
            Ok(Some(new)) => self.store_hats(new, input.reply, fx),
            Err(why) => fx.rest.push(Effect::Hats(input.reply, Err(why))),
        }
    }

    /// The hats as they would be after a change; none where nothing is to change.
    fn hats_outcome(&self, input: &HatInput) -> Outcome<Option<Hats>> {
        let standing = self.standing(&input.user, &input.bare);
        let Kind::Plain(p) = &self.kind else {
            if !standing.join {
                return Err(error::item_not_found("there is no such room"));
            }
            let assigned = input.request == HatRequest::Assigned;
            if input.request.is_change() || assigned {
                return Err(error::not_allowed("only rooms and channels have hats"));
            }
            return Ok(None);
        };
        if standing.affiliation < Affiliation::Admin
            && (input.request.is_change() || input.request == HatRequest::Assigned || !standing.join)
        {
            return Err(error::forbidden("only owners and admins decide about hats"));
        }
        if !input.request.is_change() {
            return Ok(None);
        }
        if p.locked {
            return Err(error::not_allowed("configure the room first"));
        }
        let mut new = p.hats.clone();
        new.change(&input.request, self.limits.muc_hats, self.limits.muc_affiliations)?;
        Ok(Some(new))
    }

    fn store_hats(&mut self, new: Hats, reply: oneshot::Sender<HatAnswer>, fx: &mut Effects) {
        let write = Write::Hats(new.rows());
        let then =
            move |room: &mut Room, result: crate::state::WriteResult, _: Timestamp, fx: &mut Effects| {
                if let Err(failed) = result {
                    fx.rest
                        .push(Effect::Hats(reply, Err(crate::message::not_stored(failed))));
                    return;
                }
                fx.rest.push(Effect::Hats(reply, Ok(Vec::new())));
                let Kind::Plain(p) = &mut room.kind else { return };
                let list_changed = p.hats.all != new.all;
                p.hats = new;
                for i in 0..room.occupants.len() {
                    room.renew_hats(i, fx);
                }
                if list_changed {
                    room.tell_codes(&["104"], fx);
                }
            };
        self.write(write, true, Box::new(then), fx);
    }

    /// Shows these people, or everybody, with other hats where they are others.
    pub(crate) fn renew_hats_of(&mut self, user: Option<&UserId>, fx: &mut Effects) {
        for i in 0..self.occupants.len() {
            if user.is_none_or(|u| self.occupants.at(i).user == *u) {
                self.renew_hats(i, fx);
            }
        }
    }

    /// Shows the occupant at `i` with other hats, if they are others.
    pub(crate) fn renew_hats(&mut self, i: usize, fx: &mut Effects) {
        let o = self.occupants.at(i);
        let hats = self.hats_of(&o.user, &o.bare);
        if o.hats == hats {
            return;
        }
        let o = self.occupants.at_mut(i);
        o.hats = hats;
        o.shown = [None, None];
        self.announce(i, &[], fx);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hat(uri: &str) -> Hat {
        Hat {
            uri: uri.to_owned(),
            title: "Host".to_owned(),
            hue: String::new(),
        }
    }

    #[test]
    fn colours_become_angles() {
        for (colour, want) in [
            ("#ff0000", Some("0")),
            ("#00ff00", Some("120")),
            ("#0000ff", Some("240")),
            ("#ff00ff", Some("300")),
            ("#808080", None),
            ("red", None),
        ] {
            assert_eq!(hue(colour).as_deref(), want, "{colour}");
        }
    }

    #[test]
    fn made_given_taken_and_gone() {
        let (a, b): (BareJid, BareJid) = ("a@x".parse().unwrap(), "b@x".parse().unwrap());
        let mut hats = Hats::default();
        let uri = "urn:x:host".to_owned();
        assert!(
            hats.change(&HatRequest::Assign(a.clone(), uri.clone()), 2, 1)
                .is_err(),
            "no such hat"
        );
        hats.change(&HatRequest::Create(hat(&uri)), 2, 1).unwrap();
        hats.change(&HatRequest::Assign(a.clone(), uri.clone()), 2, 1)
            .unwrap();
        assert_eq!(
            hats.of(&a),
            "<hats xmlns=\"urn:xmpp:hats:0\"><hat uri=\"urn:x:host\" title=\"Host\"/></hats>"
        );
        assert!(hats.of(&b).is_empty());
        assert!(
            hats.change(&HatRequest::Assign(b, uri.clone()), 2, 1).is_err(),
            "too many"
        );
        assert_eq!(Hats::stored(hats.rows()), hats);
        let mut other = hats.clone();
        other
            .change(&HatRequest::Unassign(a.clone(), uri.clone()), 2, 1)
            .unwrap();
        assert!(
            other
                .change(&HatRequest::Unassign(a.clone(), uri.clone()), 2, 1)
                .is_err()
        );
        hats.change(&HatRequest::Destroy(uri), 2, 1).unwrap();
        assert_eq!(hats, Hats::default());
    }

    #[test]
    fn what_is_no_hat() {
        let mut hats = Hats::default();
        for (uri, title, hue) in [
            ("host", "t", ""),
            ("urn:", "t", ""),
            ("urn:a b", "t", ""),
            ("urn:a", " ", ""),
            ("urn:a", "t", "361"),
        ] {
            let hat = Hat {
                uri: uri.into(),
                title: title.into(),
                hue: hue.into(),
            };
            assert!(
                hats.change(&HatRequest::Create(hat), 9, 9).is_err(),
                "{uri} {title} {hue}"
            );
        }
        hats.change(&HatRequest::Create(hat("urn:a")), 1, 9).unwrap();
        hats.change(&HatRequest::Create(hat("urn:a")), 1, 9).unwrap();
        assert!(hats.change(&HatRequest::Create(hat("urn:b")), 1, 9).is_err());
    }
}

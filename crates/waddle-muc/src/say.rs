//! What people do in a room by other means than a client: through HTTP. It goes the way of every stanza, as if one more client
//! of theirs were in the room for this moment, so that every rule of the room is theirs too.

use ahash::AHashMap;
use bytes::Bytes;
use smallvec::smallvec;
use waddle_core::{BareJid, MessageId, Timestamp, UserId, limits::Rate};
use waddle_messages::{News, NewsKind};
use waddle_stanza::Kind as StanzaKind;

use crate::{
    api::Arrived,
    error::{self, Outcome},
    nick,
    occupants::{Occupant, Session},
    room::{Kind, Room, members_only},
    state::{Effect, Effects},
};

/// What is put behind a nickname that somebody else in the room has.
const WEB: &str = " (web)";
/// People that are remembered before those who need not wait any more are forgotten.
const PEOPLE: usize = 1_024;
const SECOND: i64 = 1_000_000;

/// How much people lately did.
#[derive(Debug, Default)]
pub struct Pace(AHashMap<UserId, (i64, Timestamp)>);

impl Pace {
    /// Takes one from somebody's bucket; how many seconds they wait where it is empty.
    fn take(&mut self, user: &UserId, rate: Rate, now: Timestamp) -> Result<(), u32> {
        let (count, seconds) = (i64::from(rate.count.max(1)), i64::from(rate.seconds.max(1)));
        let full = count * SECOND;
        if self.0.len() >= PEOPLE {
            self.0
                .retain(|_, (_, at)| now.0.saturating_sub(at.0) < seconds * SECOND);
        }
        let (left, at) = self.0.entry(user.clone()).or_insert((full, now));
        let past = now.0.saturating_sub(at.0).clamp(0, seconds * SECOND);
        *left = (*left + past * count / seconds).min(full);
        *at = now;
        if *left >= SECOND {
            *left -= SECOND;
            return Ok(());
        }
        let micros = (SECOND - *left) * seconds / count;
        Err(u32::try_from((micros + SECOND - 1) / SECOND)
            .unwrap_or(u32::MAX)
            .max(1))
    }
}

impl Room {
    /// Does what somebody wants, under `nick` where they are not in the room.
    pub(crate) fn act_for(&mut self, inbound: Arrived, nick: &str, now: Timestamp, fx: &mut Effects) {
        if let Err(why) = self.as_client(inbound.clone(), nick, now, fx) {
            inbound.answer(Err(why));
        }
    }

    fn as_client(&mut self, inbound: Arrived, nick: &str, now: Timestamp, fx: &mut Effects) -> Outcome {
        let sender = inbound.sender.clone();
        self.may_look(&sender)?;
        let bare = sender.jid.bare();
        if !matches!(self.kind, Kind::Channel(_)) || !self.standing(&sender.user, &bare).join {
            return Err(members_only());
        }
        if let Err(seconds) = self.pace.take(&sender.user, self.limits.message_rate, now) {
            return Err(error::too_soon(
                [
                    &*seconds.to_string(),
                    " seconds too early; wait and send it again",
                ]
                .concat(),
            ));
        }
        let session = Session::of(&sender, &inbound.stanza);
        match self.occupants.iter().position(|o| o.user == sender.user) {
            Some(i) => self.occupants.add_session(i, session),
            None => self.visit(&sender.user, bare, nick, session)?,
        }
        let kind = inbound.stanza.kind();
        let outcome = match kind {
            StanzaKind::Message => self.message(inbound, now, fx),
            StanzaKind::Iq => self.iq(inbound, now, fx),
            StanzaKind::Presence | StanzaKind::Other => Ok(()),
        };
        self.occupants.remove_session(&sender.jid);
        outcome
    }

    /// Somebody is an occupant for this moment, whom nobody is shown.
    fn visit(&mut self, user: &UserId, bare: BareJid, nick: &str, session: Session) -> Outcome {
        let mut against = None;
        let mut free = |nick: String| {
            let key = nick::key(&nick, self.limits.muc_nick_bytes).ok()?;
            let taken = self.occupants.of_key(&key).is_some() || nick::is_marked(&key);
            let mut shown = || {
                self.screen_nick(user, &nick)
                    .map_err(|why| against = Some(why))
                    .is_ok()
            };
            (!taken && shown()).then_some((nick, key))
        };
        let found = free(nick.to_owned())
            .or_else(|| free([nick, WEB].concat()))
            .or_else(|| free([bare.as_str(), WEB].concat()));
        let (nick, key) = found.ok_or_else(|| {
            against.unwrap_or_else(|| error::conflict("somebody in the room has your name"))
        })?;
        let standing = self.standing(user, &bare);
        let address = self.address(&nick)?;
        let presence = session.presence.clone();
        let occupant = Occupant {
            nick: nick.into(),
            key,
            address,
            user: user.clone(),
            affiliation: standing.affiliation,
            role: standing.role,
            role_set: None,
            revision: self.revision(),
            is_out: false,
            stable_id: self.occupant_id(user),
            sessions: smallvec![session],
            presence,
            hats: Bytes::new(),
            public: false,
            shown: [None, None],
            bare,
        };
        self.occupants.insert(occupant);
        Ok(())
    }

    /// Tells whoever listens what was done, where this is a channel or a small group.
    pub(crate) fn tell_news(&self, id: MessageId, kind: NewsKind, fx: &mut Effects) {
        match &self.kind {
            Kind::Channel(c) => fx.rest.push(Effect::News(News {
                waddle: c.waddle,
                channel: c.id,
                id,
                kind,
            })),
            Kind::Plain(_) if self.is_group() => fx.rest.push(Effect::GroupNews(id)),
            _ => {}
        }
    }

    /// What was kept until then has expired: newcomers do not hear of it.
    pub(crate) fn expired(&mut self, below: MessageId) {
        while self.history.front().is_some_and(|past| past.id < below) {
            self.history.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let rate = Rate {
            count: 2,
            seconds: 10,
        };
        let (a, b) = (UserId::local("a"), UserId::local("b"));
        let mut pace = Pace::default();
        let at = |s: i64| Timestamp(s * SECOND);
        assert!(pace.take(&a, rate, at(0)).is_ok() && pace.take(&a, rate, at(0)).is_ok());
        assert_eq!(pace.take(&a, rate, at(0)), Err(5));
        assert!(pace.take(&b, rate, at(0)).is_ok());
        assert_eq!(pace.take(&a, rate, at(3)), Err(2));
        assert!(pace.take(&a, rate, at(5)).is_ok());
    }
}

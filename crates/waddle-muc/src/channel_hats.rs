//! Hats of a channel in a stock client ([XEP-0317]): they are the roles of its waddle, so that making, giving and taking
//! one is a change of roles, made by the community, with its rights and its line in the audit log.
//!
//! [XEP-0317]: https://xmpp.org/extensions/xep-0317.html

use std::sync::Arc;

use waddle_community::{Community, NewRole, Permission, Role, RoleChange, Via};
use waddle_core::{BareJid, RoleId, UserId, WaddleId};
use waddle_storage::Storage;

use crate::{
    api::Deps,
    error::{self, Outcome, Refusal},
    hats::{Hat, HatAnswer, HatInput, HatRequest, LADDER, of_custom, of_role},
    manage::{jid_of, refusal, user_of},
};

/// People that one list names at the most.
const MOST: usize = 500;

/// What a hat of a channel stands for.
enum Worn {
    Ladder(Role),
    Custom(RoleId),
}

fn which(uri: &str) -> Outcome<Worn> {
    let none = || error::item_not_found("this channel's waddle has no such role");
    let word = uri.strip_prefix("urn:waddle:role:").ok_or_else(none)?;
    if let Some(role) = LADDER.into_iter().find(|r| r.as_str() == word) {
        return Ok(Worn::Ladder(role));
    }
    word.parse().map(Worn::Custom).map_err(|_| none())
}

fn of_the_ladder() -> Refusal {
    error::not_allowed("owner, admin and moderator are given and taken, not made or changed")
}

/// The colour of a hue, `#rrggbb`, of middle strength and light (HSL, 60 % and 45 %).
fn colour(hue: &str) -> Option<String> {
    let hue = hue.parse::<f64>().ok()?.rem_euclid(360.0) / 30.0;
    let (light, reach) = (0.45, 0.27);
    let part = |offset: f64| {
        let at = (hue + offset) % 12.0;
        let strength = (at - 3.0).min(9.0 - at).clamp(-1.0, 1.0);
        ((light - reach * strength) * 255.0).round() as u8
    };
    Some(format!("#{:02x}{:02x}{:02x}", part(0.0), part(8.0), part(4.0)))
}

struct Scene<'a> {
    community: &'a Community,
    storage: &'a Storage,
    domain: &'a str,
    waddle: WaddleId,
    actor: &'a UserId,
}

impl Scene<'_> {
    async fn person(&self, jid: &BareJid) -> Outcome<UserId> {
        let found = user_of(self.storage, self.domain, jid).await?;
        found.ok_or_else(|| error::item_not_found("there is no such person on this server"))
    }

    async fn create(&self, hat: Hat) -> Outcome {
        let colour = colour(&hat.hue);
        let done = match which(&hat.uri) {
            Ok(Worn::Ladder(_)) => return Err(of_the_ladder()),
            Ok(Worn::Custom(role)) => {
                let change = RoleChange {
                    name: Some(hat.title),
                    colour: colour.map(Some),
                    ..RoleChange::default()
                };
                self.community
                    .update_role(self.actor, self.waddle, role, change)
                    .await
            }
            // Its name here is the role's.
            Err(_) => {
                let new = NewRole {
                    name: hat.title,
                    colour,
                    permissions: Vec::new(),
                };
                self.community.create_role(self.actor, self.waddle, new).await
            }
        };
        done.map(drop).map_err(refusal)
    }

    async fn give(&self, jid: &BareJid, uri: &str, given: bool) -> Outcome {
        let user = self.person(jid).await?;
        let done = match which(uri)? {
            Worn::Custom(role) => {
                self.community
                    .give_role(self.actor, self.waddle, &user, role, given)
                    .await
            }
            Worn::Ladder(role) => {
                let now = self
                    .community
                    .role_of(self.waddle, &user)
                    .await
                    .map_err(refusal)?;
                if !given && now != Some(role) {
                    return Err(error::item_not_found("they do not wear this hat"));
                }
                let to = if given { role } else { Role::Member };
                self.community.set_role(self.actor, self.waddle, &user, to).await
            }
        };
        done.map_err(refusal)
    }

    /// Who wears which; whoever gives roles, or steps of the ladder, may know.
    async fn assigned(&self) -> HatAnswer {
        let access = self.community.access(self.waddle).await.map_err(refusal)?;
        let may = |p: Permission| access.waddle_allows(p.as_str(), self.actor);
        if !may(Permission::ManageRoles) && !may(Permission::ManageMembers) {
            return Err(error::forbidden("only who gives roles decides about hats"));
        }
        let mut list = Vec::new();
        for role in LADDER {
            let members = self.community.members_page(self.waddle, Some(role), None, MOST);
            for m in members.await.map_err(refusal)? {
                self.enter(&mut list, of_role(Some(role)), &m.user).await?;
            }
        }
        for role in access.roles() {
            let left = MOST.saturating_sub(list.len());
            let members = self.community.role_members(self.waddle, role.id, None, left);
            for user in members.await.map_err(refusal)? {
                self.enter(&mut list, Some(of_custom(&role)), &user).await?;
            }
        }
        list.truncate(MOST);
        Ok(list)
    }

    async fn enter(
        &self,
        list: &mut Vec<(Hat, Option<BareJid>)>,
        hat: Option<Hat>,
        user: &UserId,
    ) -> Outcome {
        let jid = jid_of(self.storage, self.domain, user).await?;
        if let (Some(hat), Some(Ok(jid))) = (hat, jid.map(|j| j.parse())) {
            list.push((hat, Some(jid)));
        }
        Ok(())
    }

    async fn serve(&self, request: HatRequest) -> HatAnswer {
        match request {
            HatRequest::List => Ok(Vec::new()),
            HatRequest::Assigned => self.assigned().await,
            HatRequest::Create(hat) => self.create(hat).await.map(|()| Vec::new()),
            HatRequest::Destroy(uri) => match which(&uri)? {
                Worn::Ladder(_) => Err(of_the_ladder()),
                Worn::Custom(role) => {
                    let done = self.community.delete_role(self.actor, self.waddle, role).await;
                    done.map(|()| Vec::new()).map_err(refusal)
                }
            },
            HatRequest::Assign(jid, uri) => self.give(&jid, &uri, true).await.map(|()| Vec::new()),
            HatRequest::Unassign(jid, uri) => self.give(&jid, &uri, false).await.map(|()| Vec::new()),
        }
    }
}

/// Carries a request out and answers it.
pub(crate) async fn serve(deps: &Deps, waddle: WaddleId, input: HatInput) {
    let scene = Scene {
        community: &deps.community,
        storage: &deps.storage,
        domain: &deps.domain,
        waddle,
        actor: &input.user,
    };
    let answer = Via::new("xmpp").scope(scene.serve(input.request)).await;
    // Whoever asked may have gone.
    let _ = input.reply.send(answer);
}

/// The hats of a waddle: the ladder's and its own.
pub(crate) fn all(custom: &[Arc<waddle_community::RoleRow>]) -> Vec<(Hat, Option<BareJid>)> {
    LADDER
        .into_iter()
        .filter_map(|r| of_role(Some(r)))
        .chain(custom.iter().map(|r| of_custom(r)))
        .map(|hat| (hat, None))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hats::{hue, role_uri};

    #[test]
    fn a_hue_becomes_a_colour_and_back() {
        for (angle, want) in [
            ("0", "#b82e2e"),
            ("120", "#2eb82e"),
            ("240", "#2e2eb8"),
            ("360", "#b82e2e"),
        ] {
            assert_eq!(colour(angle).as_deref(), Some(want), "{angle}");
        }
        for angle in ["0", "30", "45", "210", "300"] {
            let back: i32 = hue(&colour(angle).unwrap()).unwrap().parse().unwrap();
            assert!(
                (back - angle.parse::<i32>().unwrap()).abs() <= 1,
                "{angle}: {back}"
            );
        }
        assert_eq!(colour(""), None);
    }

    #[test]
    fn names_of_hats() {
        let id = RoleId::new();
        assert!(matches!(which(&role_uri(&id.to_string())), Ok(Worn::Custom(found)) if found == id));
        assert!(matches!(
            which("urn:waddle:role:admin"),
            Ok(Worn::Ladder(Role::Admin))
        ));
        for bad in ["urn:waddle:role:member", "urn:waddle:role:", "urn:x:host", ""] {
            assert!(which(bad).is_err(), "{bad}");
        }
    }
}

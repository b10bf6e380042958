//! Who may change whose affiliation and role in a plain room ([XEP-0045 §5.1.2, §5.2.2, §8, §9]).
//!
//! [XEP-0045 §5.1.2, §5.2.2, §8, §9]: https://xmpp.org/extensions/xep-0045.html#affil-priv

use crate::standing::{Affiliation, Role};

/// The answer to a wish for change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Do it.
    Allowed,
    /// The asker is nobody who may ask such things: `forbidden`.
    Forbidden,
    /// The asker may ask such things, but not of this person: `not-allowed`.
    NotAllowed,
}

/// Whether `actor` may turn `target` into `new`. That a room keeps its last owner is another question.
pub fn affiliation(actor: Affiliation, target: Affiliation, new: Affiliation) -> Verdict {
    match actor {
        Affiliation::Owner => Verdict::Allowed,
        // Nobody is banned by those below them (§9.1); the lists of owners and admins are the owners' (§10).
        Affiliation::Admin if target >= Affiliation::Admin && new == Affiliation::Outcast => {
            Verdict::NotAllowed
        }
        Affiliation::Admin if target >= Affiliation::Admin || new >= Affiliation::Admin => Verdict::Forbidden,
        Affiliation::Admin => Verdict::Allowed,
        _ => Verdict::Forbidden,
    }
}

/// Whether an occupant of `(affiliation, role)` may give another one the role `new`.
pub fn role(actor: (Affiliation, Role), target: (Affiliation, Role), new: Role) -> Verdict {
    let (affiliation, role) = actor;
    if role != Role::Moderator {
        return Verdict::Forbidden;
    }
    if new == Role::Moderator {
        return if affiliation >= Affiliation::Admin {
            Verdict::Allowed
        } else {
            Verdict::Forbidden
        };
    }
    if target.0 >= Affiliation::Admin && target.0 >= affiliation {
        return Verdict::NotAllowed;
    }
    if target.1 == Role::Moderator {
        // Admins and owners stay moderators while they are here; others are unmade by an admin.
        return match target.0 >= Affiliation::Admin && new != Role::None {
            true => Verdict::NotAllowed,
            false if affiliation >= Affiliation::Admin => Verdict::Allowed,
            false => Verdict::NotAllowed,
        };
    }
    // Nobody is kicked by those below them, and keeps their voice before their equals (§8.2, §8.4).
    let equals = new == Role::Visitor && affiliation >= Affiliation::Member && target.0 == affiliation;
    if target.0 > affiliation || equals {
        return Verdict::NotAllowed;
    }
    Verdict::Allowed
}

#[cfg(test)]
mod tests {
    use super::*;
    use Affiliation as A;
    use Role as R;
    use Verdict as V;

    #[test]
    fn affiliations() {
        for (actor, target, new, want) in [
            (A::Owner, A::Owner, A::Admin, V::Allowed),
            (A::Admin, A::Owner, A::Outcast, V::NotAllowed),
            (A::Admin, A::Admin, A::Outcast, V::NotAllowed),
            (A::Admin, A::Owner, A::None, V::Forbidden),
            (A::Admin, A::Admin, A::None, V::Forbidden),
            (A::Admin, A::Member, A::Admin, V::Forbidden),
            (A::Admin, A::None, A::Outcast, V::Allowed),
            (A::Member, A::None, A::Member, V::Forbidden),
            (A::None, A::None, A::Owner, V::Forbidden),
            (A::Outcast, A::Outcast, A::None, V::Forbidden),
        ] {
            assert_eq!(
                affiliation(actor, target, new),
                want,
                "{actor:?} {target:?} {new:?}"
            );
        }
    }

    #[test]
    fn roles() {
        for (actor, target, new, want) in [
            (
                (A::Owner, R::Moderator),
                (A::None, R::Participant),
                R::None,
                V::Allowed,
            ),
            (
                (A::None, R::Moderator),
                (A::None, R::Participant),
                R::None,
                V::Allowed,
            ),
            (
                (A::None, R::Participant),
                (A::None, R::Visitor),
                R::None,
                V::Forbidden,
            ),
            (
                (A::None, R::Moderator),
                (A::Member, R::Participant),
                R::None,
                V::NotAllowed,
            ),
            (
                (A::Member, R::Moderator),
                (A::Member, R::Participant),
                R::Visitor,
                V::NotAllowed,
            ),
            (
                (A::Member, R::Moderator),
                (A::Member, R::Participant),
                R::None,
                V::Allowed,
            ),
            (
                (A::None, R::Moderator),
                (A::None, R::Participant),
                R::Moderator,
                V::Forbidden,
            ),
            (
                (A::Admin, R::Moderator),
                (A::None, R::Participant),
                R::Moderator,
                V::Allowed,
            ),
            (
                (A::Admin, R::Moderator),
                (A::Owner, R::Moderator),
                R::None,
                V::NotAllowed,
            ),
            (
                (A::Admin, R::Moderator),
                (A::Admin, R::Moderator),
                R::None,
                V::NotAllowed,
            ),
            (
                (A::Owner, R::Moderator),
                (A::Admin, R::Moderator),
                R::None,
                V::Allowed,
            ),
            (
                (A::Owner, R::Moderator),
                (A::Admin, R::Moderator),
                R::Visitor,
                V::NotAllowed,
            ),
            (
                (A::Admin, R::Moderator),
                (A::None, R::Moderator),
                R::Participant,
                V::Allowed,
            ),
            (
                (A::None, R::Moderator),
                (A::None, R::Moderator),
                R::Participant,
                V::NotAllowed,
            ),
        ] {
            assert_eq!(role(actor, target, new), want, "{actor:?} {target:?} {new:?}");
        }
    }
}

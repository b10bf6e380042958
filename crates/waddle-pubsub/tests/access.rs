//! Decisions of access against a model that is the tables of XEP-0060 §4.1 and §4.5 written out.

use proptest::prelude::*;
use waddle_pubsub::{
    Access, Affiliation, Config, PublishModel,
    access::{self, Approval, Standing},
};

const ACCESS: [Access; 5] = [
    Access::Open,
    Access::Presence,
    Access::Roster,
    Access::Authorize,
    Access::Whitelist,
];
const MODELS: [PublishModel; 3] = [
    PublishModel::Publishers,
    PublishModel::Subscribers,
    PublishModel::Open,
];

/// §4.1, *Subscribe*: outcast no, publish-only no, owner, publisher and member yes, none as the access model says.
fn may_subscribe(c: &Config, s: Standing) -> Option<Approval> {
    match s.affiliation {
        Affiliation::Outcast | Affiliation::PublishOnly => None,
        Affiliation::Owner => Some(Approval::Now),
        _ if !c.subscribe => None,
        Affiliation::Publisher | Affiliation::Member => Some(Approval::Now),
        Affiliation::None => match c.access_model {
            Access::Open => Some(Approval::Now),
            Access::Presence => s.presence.then_some(Approval::Now),
            Access::Roster => s.in_group.then_some(Approval::Now),
            Access::Authorize => Some(Approval::Pending),
            Access::Whitelist => None,
        },
    }
}

/// §4.1, *Retrieve Items*.
fn may_retrieve(c: &Config, s: Standing) -> bool {
    match s.affiliation {
        Affiliation::Outcast | Affiliation::PublishOnly => false,
        Affiliation::Owner | Affiliation::Publisher | Affiliation::Member => true,
        Affiliation::None => match c.access_model {
            Access::Open => true,
            Access::Presence => s.presence,
            Access::Roster => s.in_group,
            Access::Authorize => s.subscribed,
            Access::Whitelist => false,
        },
    }
}

/// §4.1, *Publish Item*, and the publish model.
fn may_publish(c: &Config, s: Standing) -> bool {
    match s.affiliation {
        Affiliation::Outcast => false,
        Affiliation::PublishOnly | Affiliation::Publisher | Affiliation::Owner => true,
        Affiliation::Member | Affiliation::None => match c.publish_model {
            PublishModel::Open => true,
            PublishModel::Publishers => false,
            PublishModel::Subscribers => s.subscribed && may_retrieve(c, s),
        },
    }
}

proptest! {
    #[test]
    fn decisions_are_those_of_the_tables(
        access in 0_usize..5, model in 0_usize..3, affiliation in 0_usize..6,
        subscribe: bool, subscribed: bool, presence: bool, in_group: bool,
    ) {
        let c = Config {
            access_model: ACCESS[access],
            publish_model: MODELS[model],
            subscribe,
            ..Config::default()
        };
        let s = Standing { affiliation: Affiliation::ALL[affiliation], subscribed, presence, in_group };
        prop_assert_eq!(access::subscribe(&c, s).ok(), may_subscribe(&c, s));
        prop_assert_eq!(access::retrieve(&c, s).is_ok(), may_retrieve(&c, s));
        prop_assert_eq!(access::publish(&c, s).is_ok(), may_publish(&c, s));
        // Nobody finds what they may neither subscribe nor publish to.
        let found = may_subscribe(&c, s).is_some() || s.affiliation == Affiliation::PublishOnly;
        prop_assert_eq!(access::discover(&c, s), found);
    }
}

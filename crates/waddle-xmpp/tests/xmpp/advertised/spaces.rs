//! What tries the features of the waddles' host: Alice has the waddle `pond`.

use super::{Exchange, Row};

const SEEN: &[Exchange] = &[(
    "<iq type='get' id='p'{to}><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='pond'/></pubsub></iq>",
    "pond.general@muc.waddle.test",
)];
const DESCRIBED: &[Exchange] = &[(
    "<iq type='get' id='p'{to}><query xmlns='http://jabber.org/protocol/disco#info' node='pond'/></iq>",
    "urn:xmpp:spaces:0",
)];

/// The waddles' host.
pub const SPACES: &[Row] = &[
    ("urn:xmpp:spaces:0", DESCRIBED),
    (
        "http://jabber.org/protocol/commands",
        &[
            (
                "<iq type='get' id='p'{to}><query xmlns='http://jabber.org/protocol/disco#items' node='http://jabber.org/protocol/commands'/></iq>",
                "urn:waddle:moderation#timeout",
            ),
            (
                "<iq type='set' id='p'{to}><command xmlns='http://jabber.org/protocol/commands' node='urn:waddle:moderation#timeout'/></iq>",
                "executing",
            ),
        ],
    ),
    ("http://jabber.org/protocol/pubsub", SEEN),
    (
        "http://jabber.org/protocol/rsm",
        &[(
            "<iq type='get' id='p'{to}><query xmlns='http://jabber.org/protocol/disco#items'>\
             <set xmlns='http://jabber.org/protocol/rsm'><max>1</max></set></query></iq>",
            "pond",
        )],
    ),
    ("http://jabber.org/protocol/pubsub#retrieve-items", SEEN),
    ("http://jabber.org/protocol/pubsub#item-ids", SEEN),
    ("http://jabber.org/protocol/pubsub#multi-items", SEEN),
    ("http://jabber.org/protocol/pubsub#meta-data", DESCRIBED),
    (
        "http://jabber.org/protocol/pubsub#subscribe",
        &[(
            "<iq type='set' id='p'{to}><pubsub xmlns='http://jabber.org/protocol/pubsub'>\
             <subscribe node='pond' jid='{me}'/></pubsub></iq>",
            "subscribed",
        )],
    ),
];

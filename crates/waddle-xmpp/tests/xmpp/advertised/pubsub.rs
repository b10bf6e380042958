//! What tries the features of publish-subscribe, on its host and on an account.

use super::{Exchange, Row};

macro_rules! pubsub {
    (get $inner:literal => $part:literal) => {
        (
            concat!(
                "<iq type='get' id='p'{to}><pubsub xmlns='http://jabber.org/protocol/pubsub'>",
                $inner,
                "</pubsub></iq>"
            ),
            $part,
        )
    };
    (set $inner:literal => $part:literal) => {
        (
            concat!(
                "<iq type='set' id='p'{to}><pubsub xmlns='http://jabber.org/protocol/pubsub'>",
                $inner,
                "</pubsub></iq>"
            ),
            $part,
        )
    };
    (owner get $inner:literal => $part:literal) => {
        (
            concat!(
                "<iq type='get' id='p'{to}><pubsub xmlns='http://jabber.org/protocol/pubsub#owner'>",
                $inner,
                "</pubsub></iq>"
            ),
            $part,
        )
    };
    (owner set $inner:literal => $part:literal) => {
        (
            concat!(
                "<iq type='set' id='p'{to}><pubsub xmlns='http://jabber.org/protocol/pubsub#owner'>",
                $inner,
                "</pubsub></iq>"
            ),
            $part,
        )
    };
}

macro_rules! access {
    ($model:literal) => {
        &[
            MAKE,
            (concat!("<iq type='set' id='p'{to}><pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><configure node='{n}'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/pubsub#node_config</value></field><field var='pubsub#access_model'><value>", $model, "</value></field></x></configure></pubsub></iq>"), "type=\"result\""),
            ("<iq type='get' id='p'{to}><pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><configure node='{n}'/></pubsub></iq>", $model),
        ]
    };
}

macro_rules! affiliation {
    ($kind:literal) => {
        &[
            MAKE,
            (concat!("<iq type='set' id='p'{to}><pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><affiliations node='{n}'><affiliation jid='bob@waddle.test' affiliation='", $kind, "'/></affiliations></pubsub></iq>"), "type=\"result\""),
            ("<iq type='get' id='p'{to}><pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><affiliations node='{n}'/></pubsub></iq>", concat!("\"", $kind, "\"")),
        ]
    };
}

pub const MAKE: Exchange = pubsub!(set "<create node='{n}'/>" => "type=\"result\"");
pub const PUBLISH: Exchange =
    pubsub!(set "<publish node='{n}'><item id='i1'><a xmlns='urn:x'>first</a></item></publish>" => "i1");
pub const SUBSCRIBE: Exchange = pubsub!(set "<subscribe node='{n}' jid='{me}'/>" => "subscribed");
pub const NOTIFY: &[Exchange] = &[
    MAKE,
    SUBSCRIBE,
    pubsub!(set "<publish node='{n}'><item id='i9'><a xmlns='urn:x'>news</a></item></publish>" => "pubsub#event"),
];

/// Personal eventing and the pubsub service, without the common prefix.
pub const PUBSUB: &[Row] = &[
    ("access-authorize", access!("authorize")),
    ("access-open", access!("open")),
    ("access-presence", access!("presence")),
    ("access-roster", access!("roster")),
    ("access-whitelist", access!("whitelist")),
    (
        "auto-create",
        &[PUBLISH, pubsub!(get "<items node='{n}'/>" => "first")],
    ),
    ("auto-subscribe", &[INTEREST, PUBLISH_INTERESTING]),
    ("filtered-notifications", &[INTEREST, PUBLISH_INTERESTING]),
    ("presence-notifications", &[INTEREST, PUBLISH_INTERESTING]),
    ("presence-subscribe", &[INTEREST, PUBLISH_INTERESTING]),
    (
        "config-node",
        &[
            MAKE,
            pubsub!(owner get "<configure node='{n}'/>" => "pubsub#access_model"),
        ],
    ),
    (
        "config-node-max",
        &[
            MAKE,
            pubsub!(owner set "<configure node='{n}'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/pubsub#node_config</value></field><field var='pubsub#max_items'><value>max</value></field></x></configure>" => "type=\"result\""),
        ],
    ),
    (
        "create-and-configure",
        &[
            pubsub!(set "<create node='{n}'/><configure><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/pubsub#node_config</value></field><field var='pubsub#title'><value>News of {n}</value></field></x></configure>" => "type=\"result\""),
            pubsub!(owner get "<configure node='{n}'/>" => "News of"),
        ],
    ),
    ("create-nodes", &[MAKE]),
    (
        "delete-items",
        &[
            MAKE,
            PUBLISH,
            pubsub!(set "<retract node='{n}'><item id='i1'/></retract>" => "type=\"result\""),
        ],
    ),
    (
        "delete-nodes",
        &[
            MAKE,
            pubsub!(owner set "<delete node='{n}'/>" => "type=\"result\""),
        ],
    ),
    ("instant-nodes", &[pubsub!(set "<create/>" => "node=\"")]),
    ("item-ids", &[MAKE, PUBLISH]),
    (
        "last-published",
        &[
            MAKE,
            PUBLISH,
            pubsub!(set "<subscribe node='{n}' jid='{me}'/>" => "first"),
        ],
    ),
    (
        "manage-subscriptions",
        &[
            MAKE,
            SUBSCRIBE,
            pubsub!(owner get "<subscriptions node='{n}'/>" => "subscribed"),
        ],
    ),
    ("member-affiliation", affiliation!("member")),
    ("outcast-affiliation", affiliation!("outcast")),
    ("publish-only-affiliation", affiliation!("publish-only")),
    ("publisher-affiliation", affiliation!("publisher")),
    ("modify-affiliations", affiliation!("member")),
    (
        "meta-data",
        &[
            MAKE,
            (
                "<iq type='get' id='p'{to}><query xmlns='http://jabber.org/protocol/disco#info' node='{n}'/></iq>",
                "pubsub#meta-data",
            ),
        ],
    ),
    (
        "multi-items",
        &[
            MAKE,
            PUBLISH,
            pubsub!(owner set "<configure node='{n}'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/pubsub#node_config</value></field><field var='pubsub#max_items'><value>5</value></field></x></configure>" => "type=\"result\""),
            pubsub!(set "<publish node='{n}'><item id='i2'><a xmlns='urn:x'>second</a></item></publish>" => "i2"),
            pubsub!(get "<items node='{n}' max_items='2'/>" => "second"),
        ],
    ),
    (
        "persistent-items",
        &[MAKE, PUBLISH, pubsub!(get "<items node='{n}'/>" => "first")],
    ),
    ("publish", &[MAKE, PUBLISH]),
    ("publish-node-full", &[MAKE, PUBLISH]),
    (
        "publish-options",
        &[
            MAKE,
            pubsub!(set "<publish node='{n}'><item id='i1'><a xmlns='urn:x'/></item></publish><publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/pubsub#publish-options</value></field><field var='pubsub#access_model'><value>authorize</value></field></x></publish-options>" => "precondition-not-met"),
        ],
    ),
    (
        "purge-nodes",
        &[
            MAKE,
            PUBLISH,
            pubsub!(owner set "<purge node='{n}'/>" => "type=\"result\""),
        ],
    ),
    (
        "retract-items",
        &[
            MAKE,
            PUBLISH,
            pubsub!(set "<retract node='{n}' notify='true'><item id='i1'/></retract>" => "type=\"result\""),
        ],
    ),
    (
        "retrieve-affiliations",
        &[MAKE, pubsub!(get "<affiliations/>" => "owner")],
    ),
    (
        "retrieve-default",
        &[pubsub!(owner get "<default/>" => "pubsub#access_model")],
    ),
    ("retrieve-default-sub", &[pubsub!(get "<default/>" => "pubsub#")]),
    (
        "retrieve-items",
        &[
            MAKE,
            PUBLISH,
            pubsub!(get "<items node='{n}'><item id='i1'/></items>" => "first"),
        ],
    ),
    (
        "retrieve-subscriptions",
        &[MAKE, SUBSCRIBE, pubsub!(get "<subscriptions/>" => "subscribed")],
    ),
    (
        "rsm",
        &[
            MAKE,
            PUBLISH,
            pubsub!(get "<items node='{n}'/><set xmlns='http://jabber.org/protocol/rsm'><max>1</max></set>" => "<count>"),
        ],
    ),
    ("subscribe", &[MAKE, SUBSCRIBE]),
    ("subscription-notifications", NOTIFY),
    (
        "subscription-options",
        &[
            MAKE,
            SUBSCRIBE,
            pubsub!(get "<options node='{n}' jid='{me}'/>" => "pubsub#"),
        ],
    ),
];

/// Presence that says what its client wants to hear of; the server asks what is behind the hash.
pub const INTEREST: Exchange = (
    "<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:x' ver='{ver}'/></presence>",
    "interest",
);
pub const PUBLISH_INTERESTING: Exchange = (
    "<iq type='set' id='p'><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='urn:x:interesting'><item id='i1'><a xmlns='urn:x'/></item></publish></pubsub></iq>",
    "pubsub#event",
);

/// The pubsub service, beside what it has in common with accounts.
pub const SERVICE: &[Row] = &[
    ("http://jabber.org/protocol/pubsub", &[MAKE]),
    (
        "http://jabber.org/protocol/rsm",
        &[(
            "<iq type='get' id='p'{to}><query xmlns='http://jabber.org/protocol/disco#items'><set xmlns='http://jabber.org/protocol/rsm'><max>1</max></set></query></iq>",
            "id=\"p\"",
        )],
    ),
];

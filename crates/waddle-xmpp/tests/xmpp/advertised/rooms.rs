//! What tries the features of the rooms' host and of a room.

use super::{
    Exchange, Row,
    server::{FULLTEXT, MAM, MAM_EXTENDED, VCARD},
};

/// The rooms' host.
pub const MUC: &[Row] = &[
    (
        "http://jabber.org/protocol/muc",
        &[(
            "<presence to='{n}@{at}/Alice'><x xmlns='http://jabber.org/protocol/muc'/></presence>",
            "code=\"201\"",
        )],
    ),
    (
        "muc_rooms",
        &[(
            "<iq type='get' id='p'{to}><query xmlns='http://jabber.org/protocol/disco#items'/></iq>",
            "type=\"result\"",
        )],
    ),
    (
        "http://jabber.org/protocol/rsm",
        &[(
            "<iq type='get' id='p'{to}><query xmlns='http://jabber.org/protocol/disco#items'><set xmlns='http://jabber.org/protocol/rsm'><max>1</max></set></query></iq>",
            "<count>",
        )],
    ),
    (
        "http://jabber.org/protocol/muc#unique",
        &[(
            "<iq type='get' id='p'{to}><unique xmlns='http://jabber.org/protocol/muc#unique'/></iq>",
            "<unique",
        )],
    ),
    (
        "urn:xmpp:channel-search:0:search",
        &[(
            "<iq type='get' id='p'{to}><search xmlns='urn:xmpp:channel-search:0:search'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:xmpp:channel-search:0:search-params</value></field><field var='q'><value>tea</value></field><field var='sinname'><value>true</value></field></x></search></iq>",
            "id=\"p\"",
        )],
    ),
    (
        "jabber:iq:register",
        &[(
            "<iq type='set' id='p' to='room@{at}'><query xmlns='jabber:iq:register'><remove/></query></iq>",
            "id=\"p\"",
        )],
    ),
    ("http://jabber.org/protocol/muc#stable_id", SAY),
    ("http://jabber.org/protocol/muc#self-ping-optimization", SELF_PING),
    ("urn:xmpp:occupant-id:0", SAY),
    ("urn:xmpp:mam:2", ROOM_MAM),
    (
        "vcard-temp",
        &[(
            "<iq type='get' id='p' to='room@{at}'><vCard xmlns='vcard-temp'/></iq>",
            "id=\"p\"",
        )],
    ),
];
pub const SAY: &[Exchange] = &[(
    "<message to='room@muc.waddle.test' type='groupchat' id='stable-{n}'><body>hi</body></message>",
    "urn:xmpp:occupant-id:0",
)];
pub const SELF_PING: &[Exchange] = &[(
    "<iq type='get' id='p' to='room@muc.waddle.test/Alice'><ping xmlns='urn:xmpp:ping'/></iq>",
    "type=\"result\"",
)];
pub const ROOM_MAM: &[Exchange] = &[(
    "<iq type='set' id='p' to='room@muc.waddle.test'><query xmlns='urn:xmpp:mam:2'/></iq>",
    "<fin",
)];
pub const CONFIGURED: &[Exchange] = &[(
    "<iq type='get' id='p'{to}><query xmlns='http://jabber.org/protocol/muc#owner'/></iq>",
    "muc#roomconfig_",
)];

/// A room.
pub const ROOM: &[Row] = &[
    (
        "urn:xmpp:hats:0",
        &[(
            "<presence to='{at}/Alice'><status>hatless</status></presence>",
            "hatless",
        )],
    ),
    ("http://jabber.org/protocol/muc", SAY),
    (
        "http://jabber.org/protocol/muc#stable_id",
        &[(
            "<message to='{at}' type='groupchat' id='stable-{n}'><body>hi</body></message>",
            "id='stable-",
        )],
    ),
    ("http://jabber.org/protocol/muc#self-ping-optimization", SELF_PING),
    ("urn:xmpp:occupant-id:0", SAY),
    (
        "urn:xmpp:sid:0",
        &[(
            "<message to='{at}' type='groupchat'><body>hi</body></message>",
            "stanza-id",
        )],
    ),
    ("urn:xmpp:mam:2", MAM),
    ("urn:xmpp:fulltext:0", FULLTEXT),
    ("urn:xmpp:mam:2#extended", MAM_EXTENDED),
    ("urn:xmpp:message-retract:1", ROOM_RETRACT),
    ("urn:xmpp:message-retract:1#tombstone", ROOM_RETRACT),
    (
        "urn:xmpp:message-moderate:1",
        &[(
            "<iq type='set' id='p'{to}><moderate xmlns='urn:xmpp:message-moderate:1' id='no-such-message'><retract xmlns='urn:xmpp:message-retract:1'/></moderate></iq>",
            "item-not-found",
        )],
    ),
    ("vcard-temp", VCARD),
    (
        "http://jabber.org/protocol/muc#request",
        &[(
            "<message to='{at}'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#request</value></field><field var='muc#role'><value>participant</value></field></x></message><iq type='get' id='p'{to}><ping xmlns='urn:xmpp:ping'/></iq>",
            "id=\"p\"",
        )],
    ),
    ("http://jabber.org/protocol/muc#roomconfig", CONFIGURED),
    (
        "http://jabber.org/protocol/muc#roominfo",
        &[(
            "<iq type='get' id='p'{to}><query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
            "muc#roominfo_occupants",
        )],
    ),
    ("http://jabber.org/protocol/muc#register", REGISTER),
    ("jabber:iq:register", REGISTER),
    // what a room is, as its configuration says
    ("muc_membersonly", CONFIGURED),
    ("muc_open", CONFIGURED),
    ("muc_moderated", CONFIGURED),
    ("muc_unmoderated", CONFIGURED),
    ("muc_passwordprotected", CONFIGURED),
    ("muc_unsecured", CONFIGURED),
    ("muc_persistent", CONFIGURED),
    ("muc_temporary", CONFIGURED),
    ("muc_public", CONFIGURED),
    ("muc_hidden", CONFIGURED),
    ("muc_nonanonymous", CONFIGURED),
    ("muc_semianonymous", CONFIGURED),
];
pub const REGISTER: &[Exchange] = &[(
    "<iq type='get' id='p'{to}><query xmlns='jabber:iq:register'/></iq>",
    "jabber:iq:register",
)];
pub const ROOM_RETRACT: &[Exchange] = &[
    (
        "<message to='{at}' type='groupchat' id='said-{n}'><body>oh no</body></message>",
        "oh no",
    ),
    (
        "<message to='{at}' type='groupchat' id='p'><retract xmlns='urn:xmpp:message-retract:1' id='{stanza-id}'/></message>",
        "retract",
    ),
];

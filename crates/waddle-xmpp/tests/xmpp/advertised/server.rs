//! What tries the features of the server, and of all places.

use super::{Exchange, INFO, ITEMS, Row};

/// Everywhere.
pub const COMMON: &[Row] = &[
    (
        INFO,
        &[(
            "<iq type='get' id='p'{to}><query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
            "<identity",
        )],
    ),
    (
        ITEMS,
        &[(
            "<iq type='get' id='p'{to}><query xmlns='http://jabber.org/protocol/disco#items'/></iq>",
            "type=\"result\"",
        )],
    ),
    (
        "urn:xmpp:ping",
        &[(
            "<iq type='get' id='p'{to}><ping xmlns='urn:xmpp:ping'/></iq>",
            "type=\"result\"",
        )],
    ),
];

/// The server.
pub const SERVER: &[Row] = &[
    (
        "jabber:iq:private",
        &[(
            "<iq type='get' id='p'><query xmlns='jabber:iq:private'><a xmlns='urn:x'/></query></iq>",
            "jabber:iq:private",
        )],
    ),
    ("jabber:iq:roster", ROSTER),
    (
        "vcard-temp",
        &[(
            "<iq type='get' id='p'{to}><vCard xmlns='vcard-temp'/></iq>",
            "id=\"p\"",
        )],
    ),
    (
        "jabber:iq:last",
        &[(
            "<iq type='get' id='p'{to}><query xmlns='jabber:iq:last'/></iq>",
            "seconds=\"",
        )],
    ),
    (
        "http://jabber.org/protocol/commands",
        &[
            (
                "<iq type='get' id='p'{to}><query xmlns='http://jabber.org/protocol/disco#items' node='http://jabber.org/protocol/commands'/></iq>",
                "add-user",
            ),
            (
                "<iq type='set' id='p'{to}><command xmlns='http://jabber.org/protocol/commands' node='http://jabber.org/protocol/admin#get-online-users-num'/></iq>",
                "completed",
            ),
        ],
    ),
    (
        "jabber:iq:register",
        &[(
            "<iq type='get' id='p'{to}><query xmlns='jabber:iq:register'/></iq>",
            "<registered",
        )],
    ),
    (
        "jabber:iq:version",
        &[(
            "<iq type='get' id='p'{to}><query xmlns='jabber:iq:version'/></iq>",
            "<name>Waddle</name>",
        )],
    ),
    (
        "urn:xmpp:time",
        &[(
            "<iq type='get' id='p'{to}><time xmlns='urn:xmpp:time'/></iq>",
            "<utc>",
        )],
    ),
    (
        "http://jabber.org/protocol/caps",
        &[(
            "<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:x' ver='q07IKJEyjvHSyhy//CH0CxmKi8w='/></presence>",
            "hash=",
        )],
    ),
    (
        "msgoffline",
        &[
            ("<presence><priority>-1</priority></presence>", "-1</priority>"),
            (
                "<message to='{me}' type='chat'><body>for later</body></message><presence/>",
                "for later",
            ),
        ],
    ),
    (
        "urn:xmpp:blocking",
        &[(
            "<iq type='get' id='p'><blocklist xmlns='urn:xmpp:blocking'/></iq>",
            "<blocklist",
        )],
    ),
    (
        "urn:xmpp:extdisco:2",
        &[(
            "<iq type='get' id='p'{to}><services xmlns='urn:xmpp:extdisco:2'/></iq>",
            "<services",
        )],
    ),
    (
        "urn:xmpp:carbons:2",
        &[(
            "<iq type='set' id='p'><enable xmlns='urn:xmpp:carbons:2'/></iq>",
            "type=\"result\"",
        )],
    ),
    (
        "urn:xmpp:carbons:rules:0",
        &[(
            "<iq type='set' id='p'><enable xmlns='urn:xmpp:carbons:2'/></iq>",
            "type=\"result\"",
        )],
    ),
    (
        "urn:xmpp:sid:0",
        &[(
            "<message to='{me}' type='chat'><body>x</body><stanza-id xmlns='urn:xmpp:sid:0' by='{me}' id='forged'/></message>",
            "urn:xmpp:sid:0",
        )],
    ),
    (
        "urn:xmpp:reporting:1",
        &[(
            "<iq type='set' id='p'><block xmlns='urn:xmpp:blocking'><item jid='spam@waddle.test'><report xmlns='urn:xmpp:reporting:1' reason='urn:xmpp:reporting:spam'/></item></block></iq>",
            "type=\"result\"",
        )],
    ),
    ("urn:xmpp:message-retract:1", RETRACT),
    (
        "http://jabber.org/protocol/rsm",
        &[(
            "<iq type='set' id='p'><query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'><max>1</max></set></query></iq>",
            "<count>",
        )],
    ),
];

pub const ROSTER: &[Exchange] = &[(
    "<iq type='get' id='p'><query xmlns='jabber:iq:roster'/></iq>",
    "jabber:iq:roster",
)];
/// The other device gets the copy; this one is answered.
pub const CARBONS: &[Exchange] = &[(
    "<iq type='set' id='p'><enable xmlns='urn:xmpp:carbons:2'/></iq>",
    "type=\"result\"",
)];

pub const RETRACT: &[Exchange] = &[
    (
        "<message to='{me}' type='chat' id='said'><body>oh no</body></message>",
        "oh no",
    ),
    (
        "<message to='{me}' type='chat' id='p'><retract xmlns='urn:xmpp:message-retract:1' id='said'/></message>",
        "retract",
    ),
    (
        "<iq type='set' id='p'><query xmlns='urn:xmpp:mam:2'/></iq>",
        "<retracted",
    ),
];

pub const MAM: &[Exchange] = &[
    (
        "<iq type='get' id='p'{to}><query xmlns='urn:xmpp:mam:2'/></iq>",
        "jabber:x:data",
    ),
    (
        "<iq type='set' id='p'{to}><query xmlns='urn:xmpp:mam:2' queryid='q'/></iq>",
        "<fin",
    ),
];
pub const FULLTEXT: &[Exchange] = &[(
    "<iq type='set' id='p'{to}><query xmlns='urn:xmpp:mam:2'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field><field var='{urn:xmpp:fulltext:0}fulltext'><value>hi</value></field></x></query></iq>",
    "<fin",
)];
pub const MAM_EXTENDED: &[Exchange] = &[
    (
        "<iq type='get' id='p'{to}><metadata xmlns='urn:xmpp:mam:2'/></iq>",
        "<metadata",
    ),
    (
        "<iq type='set' id='p'{to}><query xmlns='urn:xmpp:mam:2'><flip-page/></query></iq>",
        "<fin",
    ),
];
pub const VCARD: &[Exchange] = &[(
    "<iq type='get' id='p'{to}><vCard xmlns='vcard-temp'/></iq>",
    "id=\"p\"",
)];

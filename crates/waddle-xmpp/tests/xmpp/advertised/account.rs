//! What tries the features of an account.

use super::{
    Row,
    pubsub::INTEREST,
    server::{CARBONS, FULLTEXT, MAM, MAM_EXTENDED, RETRACT, ROSTER},
};

/// The own account.
pub const ACCOUNT: &[Row] = &[
    ("jabber:iq:roster", ROSTER),
    ("http://jabber.org/protocol/caps", &[INTEREST]),
    ("urn:xmpp:carbons:2", CARBONS),
    ("urn:xmpp:carbons:rules:0", CARBONS),
    (
        "urn:xmpp:idle:1",
        &[(
            "<presence><idle xmlns='urn:xmpp:idle:1' since='2026-01-01T00:00:00Z'/></presence>",
            "urn:xmpp:idle:1",
        )],
    ),
    (
        "http://jabber.org/protocol/commands",
        &[(
            "<iq type='set' id='p'{to}><command xmlns='http://jabber.org/protocol/commands' node='http://jabber.org/protocol/admin#add-user'/></iq>",
            "executing",
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
        "jabber:iq:private",
        &[
            (
                "<iq type='set' id='p'><query xmlns='jabber:iq:private'><a xmlns='urn:x'>kept</a></query></iq>",
                "type=\"result\"",
            ),
            (
                "<iq type='get' id='p'><query xmlns='jabber:iq:private'><a xmlns='urn:x'/></query></iq>",
                "kept",
            ),
        ],
    ),
    (
        "vcard-temp",
        &[
            (
                "<iq type='set' id='p'><vCard xmlns='vcard-temp'><FN>Alice</FN></vCard></iq>",
                "type=\"result\"",
            ),
            (
                "<iq type='get' id='p'><vCard xmlns='vcard-temp'/></iq>",
                "Alice</FN>",
            ),
        ],
    ),
    ("urn:xmpp:mam:2", MAM),
    ("urn:xmpp:fulltext:0", FULLTEXT),
    (
        "urn:xmpp:inbox:1",
        &[(
            "<iq type='get' id='p'><inbox xmlns='urn:xmpp:inbox:1'/></iq>",
            "<fin xmlns=\"urn:xmpp:inbox:1\"",
        )],
    ),
    ("urn:xmpp:mam:2#extended", MAM_EXTENDED),
    (
        "urn:xmpp:mam:2#groupchat-field",
        &[(
            "<iq type='get' id='p'{to}><query xmlns='urn:xmpp:mam:2'/></iq>",
            "include-groupchat",
        )],
    ),
    (
        "urn:xmpp:push:0",
        &[
            (
                "<iq type='set' id='p'><enable xmlns='urn:xmpp:push:0' jid='push.waddle.test' node='n'/></iq>",
                "type=\"result\"",
            ),
            (
                "<iq type='set' id='p'><disable xmlns='urn:xmpp:push:0' jid='push.waddle.test'/></iq>",
                "type=\"result\"",
            ),
        ],
    ),
    (
        "urn:xmpp:sid:0",
        &[(
            "<message to='{me}' type='chat'><body>x</body></message>",
            "urn:xmpp:sid:0",
        )],
    ),
    (
        "urn:xmpp:pep-vcard-conversion:0",
        &[
            (
                "<iq type='set' id='p'><vCard xmlns='vcard-temp'><PHOTO><TYPE>image/png</TYPE><BINVAL>iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==</BINVAL></PHOTO></vCard></iq>",
                "id=\"p\"",
            ),
            (
                "<iq type='get' id='p'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:avatar:metadata'/></pubsub></iq>",
                "image/png",
            ),
        ],
    ),
    (
        "urn:xmpp:bookmarks:1#compat",
        &[
            (
                "<iq type='set' id='p'><query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'><conference jid='tea@muc.waddle.test' name='Tea'/></storage></query></iq>",
                "type=\"result\"",
            ),
            (
                "<iq type='get' id='p'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:bookmarks:1'/></pubsub></iq>",
                "tea@muc.waddle.test",
            ),
        ],
    ),
    ("urn:xmpp:message-retract:1", RETRACT),
    ("urn:xmpp:message-retract:1#tombstone", RETRACT),
    (
        "http://jabber.org/protocol/rsm",
        &[(
            "<iq type='set' id='p'><query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'><max>1</max></set></query></iq>",
            "<count>",
        )],
    ),
];

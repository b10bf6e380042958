//! XML namespaces of the protocols that are spoken here.

/// RFC 6120: the default namespace of client streams.
pub const CLIENT: &str = "jabber:client";
/// RFC 6120: the default namespace of server streams.
pub const SERVER: &str = "jabber:server";
/// RFC 6120: the stream element, its features and errors.
pub const STREAMS: &str = "http://etherx.jabber.org/streams";
/// RFC 6120 §4.9: conditions of stream errors.
pub const STREAM_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-streams";
/// RFC 6120 §8.3: conditions of stanza errors.
pub const STANZA_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
/// RFC 6120 §5: STARTTLS.
pub const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";
/// RFC 6120 §6: SASL.
pub const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
/// RFC 6120 §7: resource binding.
pub const BIND: &str = "urn:ietf:params:xml:ns:xmpp-bind";
/// RFC 3921 §3: session establishment, kept as a no-op for old clients.
pub const SESSION: &str = "urn:ietf:params:xml:ns:xmpp-session";
/// RFC 7395: framing over WebSocket.
pub const FRAMING: &str = "urn:ietf:params:xml:ns:xmpp-framing";
/// The `xml:` prefix.
pub const XML: &str = "http://www.w3.org/XML/1998/namespace";
/// The `xmlns:` prefix.
pub const XMLNS: &str = "http://www.w3.org/2000/xmlns/";
/// RFC 6121 §2: roster.
pub const ROSTER: &str = "jabber:iq:roster";
/// RFC 6121 §2.6: roster versioning.
pub const ROSTER_VERSIONING: &str = "urn:xmpp:features:rosterver";
/// RFC 6121 §3.4: subscription pre-approval.
pub const PRE_APPROVAL: &str = "urn:xmpp:features:pre-approval";
/// XEP-0004: data forms.
pub const DATA: &str = "jabber:x:data";
/// XEP-0030: disco#info.
pub const DISCO_INFO: &str = "http://jabber.org/protocol/disco#info";
/// XEP-0030: disco#items.
pub const DISCO_ITEMS: &str = "http://jabber.org/protocol/disco#items";
/// XEP-0045: joining a room.
pub const MUC: &str = "http://jabber.org/protocol/muc";
/// XEP-0045: what a room says to its occupants.
pub const MUC_USER: &str = "http://jabber.org/protocol/muc#user";
/// XEP-0045: administration of a room.
pub const MUC_ADMIN: &str = "http://jabber.org/protocol/muc#admin";
/// XEP-0045: ownership and configuration of a room.
pub const MUC_OWNER: &str = "http://jabber.org/protocol/muc#owner";
/// XEP-0045: form type of a room's configuration.
pub const MUC_ROOMCONFIG: &str = "http://jabber.org/protocol/muc#roomconfig";
/// XEP-0045: form type of a room's disco information.
pub const MUC_ROOMINFO: &str = "http://jabber.org/protocol/muc#roominfo";
/// XEP-0045 §7.13: asking for voice.
pub const MUC_REQUEST: &str = "http://jabber.org/protocol/muc#request";
/// XEP-0050: ad-hoc commands.
pub const COMMANDS: &str = "http://jabber.org/protocol/commands";
/// XEP-0059: result set management.
pub const RSM: &str = "http://jabber.org/protocol/rsm";
/// XEP-0077: in-band registration.
pub const REGISTER: &str = "jabber:iq:register";
/// XEP-0077: the stream feature of in-band registration.
pub const REGISTER_FEATURE: &str = "http://jabber.org/features/iq-register";
/// XEP-0012: last activity.
pub const LAST: &str = "jabber:iq:last";
/// XEP-0379: pre-authenticated roster subscriptions.
pub const PARS: &str = "urn:xmpp:pars:0";
/// XEP-0386: Bind 2.
pub const BIND2: &str = "urn:xmpp:bind:0";
/// XEP-0388: the extensible profile of SASL.
pub const SASL2: &str = "urn:xmpp:sasl:2";
/// XEP-0445: the stream feature of registration by invitation.
pub const REGISTER_TOKEN: &str = "urn:xmpp:ibr-token:0";
/// XEP-0484: fast authentication by tokens.
pub const FAST: &str = "urn:xmpp:fast:0";
/// XEP-0085: chat states.
pub const CHAT_STATES: &str = "http://jabber.org/protocol/chatstates";
/// XEP-0092: software version.
pub const VERSION: &str = "jabber:iq:version";
/// XEP-0115: entity capabilities.
pub const CAPS: &str = "http://jabber.org/protocol/caps";
/// XEP-0114: streams of components that accept connections.
pub const COMPONENT: &str = "jabber:component:accept";
/// XEP-0122: validation of data forms.
pub const VALIDATE: &str = "http://jabber.org/protocol/xdata-validate";
/// XEP-0133: service administration.
pub const ADMIN: &str = "http://jabber.org/protocol/admin";
/// XEP-0184: delivery receipts.
pub const RECEIPTS: &str = "urn:xmpp:receipts";
/// XEP-0191: blocking command.
pub const BLOCKING: &str = "urn:xmpp:blocking";
/// XEP-0191: the condition of an error.
pub const BLOCKING_ERRORS: &str = "urn:xmpp:blocking:errors";
/// XEP-0198: stream management.
pub const SM: &str = "urn:xmpp:sm:3";
/// XEP-0199: ping.
pub const PING: &str = "urn:xmpp:ping";
/// XEP-0202: entity time.
pub const TIME: &str = "urn:xmpp:time";
/// XEP-0203: delayed delivery.
pub const DELAY: &str = "urn:xmpp:delay";
/// XEP-0249: direct invitations.
pub const CONFERENCE: &str = "jabber:x:conference";
/// XEP-0280: message carbons.
pub const CSI: &str = "urn:xmpp:csi:0";
/// XEP-0280
pub const CARBONS: &str = "urn:xmpp:carbons:2";
/// XEP-0297: stanza forwarding.
pub const FORWARD: &str = "urn:xmpp:forward:0";
/// XEP-0313: message archive.
pub const MAM: &str = "urn:xmpp:mam:2";
/// XEP-0313: extended archive queries.
pub const MAM_EXTENDED: &str = "urn:xmpp:mam:2#extended";
/// XEP-0313: the field `include-groupchat` is understood.
pub const MAM_GROUPCHAT_FIELD: &str = "urn:xmpp:mam:2#groupchat-field";
/// XEP-0319: last user interaction in presence.
pub const IDLE: &str = "urn:xmpp:idle:1";
/// XEP-0377: reports with a block.
pub const REPORTING: &str = "urn:xmpp:reporting:1";
/// XEP-0333: chat markers.
pub const MARKERS: &str = "urn:xmpp:chat-markers:0";
/// XEP-0334: message processing hints.
pub const HINTS: &str = "urn:xmpp:hints";
/// XEP-0359: unique and stable stanza ids.
pub const SID: &str = "urn:xmpp:sid:0";
/// XEP-0410: optimization of self-pings in rooms.
pub const MUC_SELF_PING: &str = "http://jabber.org/protocol/muc#self-ping-optimization";
/// XEP-0421: occupant ids.
pub const OCCUPANT_ID: &str = "urn:xmpp:occupant-id:0";
/// XEP-0422: message fastening.
pub const FASTEN: &str = "urn:xmpp:fasten:0";
/// XEP-0424: message retraction.
pub const RETRACT: &str = "urn:xmpp:message-retract:1";
/// XEP-0424: archives keep tombstones.
pub const RETRACT_TOMBSTONE: &str = "urn:xmpp:message-retract:1#tombstone";
/// XEP-0425: moderated message retraction.
pub const MODERATE: &str = "urn:xmpp:message-moderate:1";
/// XEP-0440: channel binding types that SASL may use.
pub const SASL_CB: &str = "urn:xmpp:sasl-cb:0";
/// XEP-0478: stream limits.
pub const STREAM_LIMITS: &str = "urn:xmpp:stream-limits:0";
/// XEP-0172: nicknames.
pub const NICK: &str = "http://jabber.org/protocol/nick";
/// XEP-0317: hats.
pub const HATS: &str = "urn:xmpp:hats:0";

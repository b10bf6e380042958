//! How the words of the domain look in an OpenAPI document (`specs/http.md`): all are texts of a shape.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, RefOr,
        schema::{KnownFormat, Schema, SchemaFormat, Type},
    },
};

use crate::{
    AccessTokenId, BareJid, BindingId, BotId, CategoryId, ChannelId, DeviceId, Did, HookId, InteractionId,
    InviteId, JoinRequestId, MessageId, RoleId, SessionId, Slug, Timestamp, TopicFilter, UserId, WaddleId,
};

fn text(about: &str, pattern: Option<&str>, example: &str) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(about))
        .pattern(pattern)
        .examples([example])
        .into()
}

macro_rules! identifiers {
    ($($name:ident)*) => {$(
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                text("Identifier: 32 hexadecimal digits.", Some("^[0-9a-f]{32}$"), "019c1a2b3c4d7e8f90a1b2c3d4e5f607")
            }
        }
        impl ToSchema for $name {}
    )*};
}

identifiers! {
    WaddleId ChannelId DeviceId InviteId BindingId SessionId RoleId CategoryId JoinRequestId AccessTokenId BotId HookId
    InteractionId
}

macro_rules! texts {
    ($($name:ident, $about:literal, $pattern:expr, $example:literal;)*) => {$(
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                text($about, $pattern, $example)
            }
        }
        impl ToSchema for $name {}
    )*};
}

texts! {
    MessageId, "Identifier of a message (XEP-0359): 16 hexadecimal digits, in the order of the messages.",
        Some("^[0-9a-f]{16}$"), "0006390a1b2c3d4e";
    UserId, "A person, device or bot as a subject of permissions.", None, "local:alice";
    Did, "A decentralized identifier.", Some("^did:[a-z]+:.+$"), "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    BareJid, "An address without resource.", None, "alice@example.org";
    Slug, "A name in addresses: 1 to 40 of a to z, 0 to 9 and hyphens within.",
        Some("^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$"), "penguins";
    TopicFilter, "An MQTT topic filter.", None, "home/sensors/#";
}

impl PartialSchema for Timestamp {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .description(Some("RFC 3339 in UTC."))
            .examples(["2026-01-31T12:00:00Z"])
            .into()
    }
}
impl ToSchema for Timestamp {}

//! Enumerations that are stored, sent and shown as one lower-case word each.

/// Declares an enumeration with `as_str`, `Display`, `FromStr`, serde and both directions of a column.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $word)] $variant),*
        }
        impl $name {
            /// Every value, in order.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl std::str::FromStr for $name {
            type Err = $crate::repo::words::WordError;
            fn from_str(s: &str) -> Result<Self, Self::Err> {
                match s {
                    $($word => Ok(Self::$variant),)*
                    _ => Err($crate::repo::words::WordError(&[$($word),*])),
                }
            }
        }
        impl $crate::IntoValue for $name {
            fn into_value(self) -> $crate::Value {
                $crate::Value::Text(self.as_str().to_owned())
            }
        }
        impl $crate::FromColumn for $name {
            const EXPECTED: &'static str = stringify!($name);
            fn from_column(value: $crate::Value) -> Option<Self> {
                match value {
                    $crate::Value::Text(t) => t.parse().ok(),
                    _ => None,
                }
            }
        }
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                let text = utoipa::openapi::schema::Type::String;
                let words = utoipa::openapi::ObjectBuilder::new().schema_type(text);
                words.enum_values(Some([$($word),*])).into()
            }
        }
        impl utoipa::ToSchema for $name {}
    };
}
pub(crate) use words;

/// A text that is none of the words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected one of {}", .0.join(", "))]
pub struct WordError(pub &'static [&'static str]);

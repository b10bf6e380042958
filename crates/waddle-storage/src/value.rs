//! Parameters into a statement and columns out of a row, in the words of the domain.

use bytes::Bytes;
use waddle_core::{
    AccessTokenId, BareJid, BindingId, BotId, CategoryId, ChannelId, DeviceId, Did, HookId, InviteId, Jid,
    JoinRequestId, MessageId, RoleId, SessionId, Slug, Timestamp, TopicFilter, TopicName, UserId, WaddleId,
};

use crate::{Result, StorageError};

/// A value of SQLite: null, integer, real, text or blob.
pub type Value = libsql::Value;

/// What can be bound to a parameter.
pub trait IntoValue {
    /// The value to bind.
    fn into_value(self) -> Value;
}

/// What can be read from a column.
pub trait FromColumn: Sized {
    /// The name of the type, for the error.
    const EXPECTED: &'static str;
    /// The value, or nothing where the column holds something else.
    fn from_column(value: Value) -> Option<Self>;
}

macro_rules! integers {
    ($($ty:ident)*) => {$(
        impl IntoValue for $ty {
            #[allow(clippy::allow_attributes, clippy::unnecessary_fallible_conversions, reason = "one macro for all widths")]
            fn into_value(self) -> Value {
                Value::Integer(i64::try_from(self).unwrap_or(i64::MAX))
            }
        }
        impl FromColumn for $ty {
            const EXPECTED: &'static str = stringify!($ty);
            #[allow(clippy::allow_attributes, clippy::unnecessary_fallible_conversions, reason = "one macro for all widths")]
            fn from_column(value: Value) -> Option<Self> {
                match value {
                    Value::Integer(i) => $ty::try_from(i).ok(),
                    _ => None,
                }
            }
        }
    )*};
}
integers!(i64 i32 u8 u16 u32 u64 usize);

/// Types that are stored as the text that `Display` writes and `FromStr` reads.
macro_rules! texts {
    ($($ty:ident)*) => {$(
        impl IntoValue for &$ty {
            fn into_value(self) -> Value {
                Value::Text(self.to_string())
            }
        }
        impl IntoValue for $ty {
            fn into_value(self) -> Value {
                Value::Text(self.to_string())
            }
        }
        impl FromColumn for $ty {
            const EXPECTED: &'static str = stringify!($ty);
            fn from_column(value: Value) -> Option<Self> {
                match value {
                    Value::Text(t) => t.parse().ok(),
                    _ => None,
                }
            }
        }
    )*};
}
texts!(
    WaddleId ChannelId DeviceId InviteId BindingId SessionId AccessTokenId RoleId CategoryId JoinRequestId UserId
    BareJid Jid Slug Did TopicFilter TopicName HookId BotId
);

/// Types that are stored as the one integer that they hold.
macro_rules! numbers {
    ($($ty:ident)*) => {$(
        impl IntoValue for $ty {
            fn into_value(self) -> Value {
                Value::Integer(self.0)
            }
        }
        impl FromColumn for $ty {
            const EXPECTED: &'static str = stringify!($ty);
            fn from_column(value: Value) -> Option<Self> {
                i64::from_column(value).map($ty)
            }
        }
    )*};
}
numbers!(Timestamp MessageId);

impl IntoValue for Value {
    fn into_value(self) -> Value {
        self
    }
}
impl IntoValue for bool {
    fn into_value(self) -> Value {
        Value::Integer(self.into())
    }
}
impl IntoValue for f64 {
    fn into_value(self) -> Value {
        Value::Real(self)
    }
}
impl IntoValue for &str {
    fn into_value(self) -> Value {
        Value::Text(self.to_owned())
    }
}
impl IntoValue for String {
    fn into_value(self) -> Value {
        Value::Text(self)
    }
}
impl IntoValue for &String {
    fn into_value(self) -> Value {
        Value::Text(self.clone())
    }
}
impl IntoValue for &[u8] {
    fn into_value(self) -> Value {
        Value::Blob(self.to_vec())
    }
}
impl<const N: usize> IntoValue for &[u8; N] {
    fn into_value(self) -> Value {
        Value::Blob(self.to_vec())
    }
}
impl IntoValue for Vec<u8> {
    fn into_value(self) -> Value {
        Value::Blob(self)
    }
}
impl IntoValue for &Vec<u8> {
    fn into_value(self) -> Value {
        Value::Blob(self.clone())
    }
}
impl IntoValue for Bytes {
    fn into_value(self) -> Value {
        Value::Blob(self.into())
    }
}
impl IntoValue for &Bytes {
    fn into_value(self) -> Value {
        Value::Blob(self.to_vec())
    }
}
impl<T: IntoValue> IntoValue for Option<T> {
    fn into_value(self) -> Value {
        self.map_or(Value::Null, T::into_value)
    }
}

impl FromColumn for Value {
    const EXPECTED: &'static str = "value";
    fn from_column(value: Value) -> Option<Self> {
        Some(value)
    }
}
impl FromColumn for bool {
    const EXPECTED: &'static str = "0 or 1";
    fn from_column(value: Value) -> Option<Self> {
        match value {
            Value::Integer(0) => Some(false),
            Value::Integer(1) => Some(true),
            _ => None,
        }
    }
}
impl FromColumn for f64 {
    const EXPECTED: &'static str = "number";
    fn from_column(value: Value) -> Option<Self> {
        match value {
            Value::Real(r) => Some(r),
            Value::Integer(i) => Some(i as f64),
            _ => None,
        }
    }
}
impl FromColumn for String {
    const EXPECTED: &'static str = "text";
    fn from_column(value: Value) -> Option<Self> {
        match value {
            Value::Text(t) => Some(t),
            _ => None,
        }
    }
}
impl FromColumn for Vec<u8> {
    const EXPECTED: &'static str = "blob";
    fn from_column(value: Value) -> Option<Self> {
        match value {
            Value::Blob(b) => Some(b),
            _ => None,
        }
    }
}
impl FromColumn for Bytes {
    const EXPECTED: &'static str = "blob";
    fn from_column(value: Value) -> Option<Self> {
        Vec::from_column(value).map(Bytes::from)
    }
}
impl<T: FromColumn> FromColumn for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;
    fn from_column(value: Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            v => T::from_column(v).map(Some),
        }
    }
}

/// The parameters `?1`, `?2`, … of a statement: `()`, a tuple such as `(id, &name)`, an array, or [`params!`](crate::params).
pub trait IntoParams {
    /// The values in order.
    fn into_params(self) -> Vec<Value>;
}
impl IntoParams for () {
    fn into_params(self) -> Vec<Value> {
        Vec::new()
    }
}
impl<T: IntoValue> IntoParams for Vec<T> {
    fn into_params(self) -> Vec<Value> {
        self.into_iter().map(T::into_value).collect()
    }
}
impl<T: IntoValue, const N: usize> IntoParams for [T; N] {
    fn into_params(self) -> Vec<Value> {
        self.into_iter().map(T::into_value).collect()
    }
}
macro_rules! tuples {
    ($($t:ident)*) => {
        impl<$($t: IntoValue),*> IntoParams for ($($t,)*) {
            #[expect(non_snake_case, reason = "one macro for all lengths")]
            fn into_params(self) -> Vec<Value> {
                let ($($t,)*) = self;
                vec![$($t.into_value()),*]
            }
        }
    };
}
tuples!(A);
tuples!(A B);
tuples!(A B C);
tuples!(A B C D);
tuples!(A B C D E);
tuples!(A B C D E F);
tuples!(A B C D E F G);
tuples!(A B C D E F G H);
tuples!(A B C D E F G H I);
tuples!(A B C D E F G H I J);
tuples!(A B C D E F G H I J K);
tuples!(A B C D E F G H I J K L);

/// Parameters of any number: `params![id, &name, now]`.
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        ::std::vec![$($crate::IntoValue::into_value($value)),*] as ::std::vec::Vec<$crate::Value>
    };
}

/// One row of an answer.
#[derive(Debug)]
pub struct Row<'a>(pub(crate) &'a libsql::Row);

impl Row<'_> {
    /// The column `index`, counted from 0.
    pub fn get<T: FromColumn>(&self, index: usize) -> Result<T> {
        let wrong = || StorageError::Column {
            index,
            expected: T::EXPECTED,
        };
        let value = self.0.get_value(index as i32).map_err(|_| wrong())?;
        T::from_column(value).ok_or_else(wrong)
    }
}

//! Fields that are read whatever type they have: a record is never lost to a field of an
//! unexpected type, because a search that skipped it would deny an event that happened.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A text: what is written as a string, a number or a boolean. Anything else is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text<'r>(pub Option<Cow<'r, str>>);

/// A boolean, written as one or as a string. Anything else is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flag(pub Option<bool>);

/// A list of objects, or one object alone. Items of other types are left out.
#[derive(Debug, Clone)]
pub struct Objects<T>(pub Vec<T>);

/// An object. Anything else is absent.
#[derive(Debug, Clone)]
pub struct Object<T>(pub Option<T>);

/// What can be read from the members of an object.
pub trait FromMembers<'r>: Sized + Default {
    /// Takes the value of a member. Members that are not known are ignored.
    ///
    /// # Errors
    /// The text is not JSON.
    fn member<A: MapAccess<'r>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error>;
}

/// Reads all members of an object.
fn members<'r, T: FromMembers<'r>, A: MapAccess<'r>>(mut map: A) -> Result<T, A::Error> {
    let mut read = T::default();
    while let Some(Text(name)) = map.next_key()? {
        read.member(name.as_deref().unwrap_or_default(), &mut map)?;
    }
    Ok(read)
}

fn ignore_seq<'r, A: SeqAccess<'r>>(mut seq: A) -> Result<(), A::Error> {
    while seq.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

fn ignore_map<'r, A: MapAccess<'r>>(mut map: A) -> Result<(), A::Error> {
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

/// The values that an absent one is read from.
macro_rules! absent {
    ($value:expr; $($visit:ident: $type:ty),* $(,)?) => {
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($value)
        }
        $(fn $visit<E>(self, _: $type) -> Result<Self::Value, E> {
            Ok($value)
        })*
    };
}

impl<'r> Deserialize<'r> for Text<'r> {
    fn deserialize<D: Deserializer<'r>>(from: D) -> Result<Self, D::Error> {
        struct AsText;
        impl<'r> Visitor<'r> for AsText {
            type Value = Text<'r>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_borrowed_str<E>(self, text: &'r str) -> Result<Text<'r>, E> {
                Ok(Text(Some(Cow::Borrowed(text))))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'r>, E> {
                Ok(Text(Some(Cow::Owned(text.to_owned()))))
            }

            fn visit_bool<E>(self, flag: bool) -> Result<Text<'r>, E> {
                Ok(Text(Some(Cow::Borrowed(if flag { "true" } else { "false" }))))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Text<'r>, E> {
                Ok(Text(Some(Cow::Owned(number.to_string()))))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Text<'r>, E> {
                Ok(Text(Some(Cow::Owned(number.to_string()))))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Text<'r>, E> {
                Ok(Text(Some(Cow::Owned(number.to_string()))))
            }

            absent!(Text(None););

            fn visit_seq<A: SeqAccess<'r>>(self, seq: A) -> Result<Text<'r>, A::Error> {
                ignore_seq(seq).map(|()| Text(None))
            }

            fn visit_map<A: MapAccess<'r>>(self, map: A) -> Result<Text<'r>, A::Error> {
                ignore_map(map).map(|()| Text(None))
            }
        }
        from.deserialize_any(AsText)
    }
}

impl<'r> Deserialize<'r> for Flag {
    fn deserialize<D: Deserializer<'r>>(from: D) -> Result<Self, D::Error> {
        let Text(text) = Text::deserialize(from)?;
        Ok(Self(match text.as_deref() {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => None,
        }))
    }
}

impl<'r, T: FromMembers<'r>> Deserialize<'r> for Object<T> {
    fn deserialize<D: Deserializer<'r>>(from: D) -> Result<Self, D::Error> {
        struct AsObject<T>(std::marker::PhantomData<T>);
        impl<'r, T: FromMembers<'r>> Visitor<'r> for AsObject<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            absent!(Object(None); visit_str: &str, visit_bool: bool, visit_u64: u64, visit_i64: i64, visit_f64: f64);

            fn visit_seq<A: SeqAccess<'r>>(self, seq: A) -> Result<Object<T>, A::Error> {
                ignore_seq(seq).map(|()| Object(None))
            }

            fn visit_map<A: MapAccess<'r>>(self, map: A) -> Result<Object<T>, A::Error> {
                members(map).map(|object| Object(Some(object)))
            }
        }
        from.deserialize_any(AsObject(std::marker::PhantomData))
    }
}

impl<'r, T: FromMembers<'r>> Deserialize<'r> for Objects<T> {
    fn deserialize<D: Deserializer<'r>>(from: D) -> Result<Self, D::Error> {
        struct AsObjects<T>(std::marker::PhantomData<T>);
        impl<'r, T: FromMembers<'r>> Visitor<'r> for AsObjects<T> {
            type Value = Objects<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            absent!(Objects(Vec::new()); visit_str: &str, visit_bool: bool, visit_u64: u64, visit_i64: i64, visit_f64: f64);

            fn visit_seq<A: SeqAccess<'r>>(self, mut seq: A) -> Result<Objects<T>, A::Error> {
                let mut all = Vec::new();
                while let Some(Object(item)) = seq.next_element::<Object<T>>()? {
                    all.extend(item);
                }
                Ok(Objects(all))
            }

            fn visit_map<A: MapAccess<'r>>(self, map: A) -> Result<Objects<T>, A::Error> {
                members(map).map(|object| Objects(vec![object]))
            }
        }
        from.deserialize_any(AsObjects(std::marker::PhantomData))
    }
}

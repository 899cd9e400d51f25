//! Types of the contract that have the fields or the variants of a domain type.

/// Declares a type of the contract with its conversions: a field or variant that is added to
/// the domain type does not compile until it is added here.
///
/// `struct Name from domain::Type { … }` converts from the domain type, by value and by
/// reference; `of` instead of `from` also converts back. `from domain::Type, without a, b`
/// omits fields. A field is `name: Type`, then `= other` if the domain type names it
/// differently (`from` only), then `=> into`, `=> each`, `=> values` or `=> option` if its
/// value, its elements, its map's values or its content are converted, too. `enum Name of domain::Type { … }` is the same
/// for variants; without `enum`, it is a plain list of names.
macro_rules! mirror {
    (@convert $value:ident) => { $value };
    (@convert $value:ident into) => { $value.into() };
    (@convert $value:ident each) => { $value.into_iter().map(Into::into).collect() };
    (@convert $value:ident option) => { $value.map(Into::into) };
    (@convert $value:ident values) => {
        $value.into_iter().map(|(key, value)| (key, value.into())).collect()
    };

    (
        $(#[$meta:meta])*
        struct $name:ident from $domain:ty $(, without $($omitted:ident),+)? {
            $($(#[$attr:meta])* $field:ident: $ty:ty $(= $other:ident)? $(=> $how:ident)?,)+
        }
    ) => {
        $(#[$meta])*
        pub struct $name {
            $($(#[$attr])* pub $field: $ty,)+
        }

        impl From<$domain> for $name {
            fn from(it: $domain) -> Self {
                type Domain = $domain;
                let Domain { $($($other:)? $field,)+ $($($omitted: _,)+)? } = it;
                Self { $($field: mirror!(@convert $field $($how)?),)+ }
            }
        }

        impl From<&$domain> for $name {
            fn from(it: &$domain) -> Self {
                Self::from(Clone::clone(it))
            }
        }
    };

    (
        $(#[$meta:meta])*
        struct $name:ident of $domain:ty {
            $($(#[$attr:meta])* $field:ident: $ty:ty $(=> $how:ident)?,)+
        }
    ) => {
        mirror! {
            $(#[$meta])*
            struct $name from $domain { $($(#[$attr])* $field: $ty $(=> $how)?,)+ }
        }

        impl From<$name> for $domain {
            fn from(it: $name) -> Self {
                let $name { $($field,)+ } = it;
                Self { $($field: mirror!(@convert $field $($how)?),)+ }
            }
        }
    };

    (
        $(#[$meta:meta])*
        enum $name:ident from $domain:ty {
            $(
                $(#[$of_variant:meta])*
                $variant:ident $({
                    $($(#[$attr:meta])* $field:ident: $ty:ty $(=> $how:ident)?,)+
                })?,
            )+
        }
    ) => {
        $(#[$meta])*
        pub enum $name {
            $($(#[$of_variant])* $variant $({ $($(#[$attr])* $field: $ty,)+ })?,)+
        }

        impl From<$domain> for $name {
            fn from(it: $domain) -> Self {
                type Domain = $domain;
                match it {
                    $(Domain::$variant $({ $($field),+ })? => Self::$variant $({
                        $($field: mirror!(@convert $field $($how)?),)+
                    })?,)+
                }
            }
        }
    };

    (
        $(#[$meta:meta])*
        enum $name:ident of $domain:ty {
            $(
                $(#[$of_variant:meta])*
                $variant:ident $({ $($(#[$attr:meta])* $field:ident: $ty:ty,)+ })?,
            )+
        }
    ) => {
        mirror! {
            $(#[$meta])*
            enum $name from $domain {
                $($(#[$of_variant])* $variant $({ $($(#[$attr])* $field: $ty,)+ })?,)+
            }
        }

        impl From<$name> for $domain {
            fn from(it: $name) -> Self {
                match it {
                    $($name::$variant $({ $($field),+ })? => Self::$variant $({ $($field),+ })?,)+
                }
            }
        }
    };

    ($(#[$meta:meta])* $name:ident of $domain:ty {
        $($(#[$of_variant:meta])* $variant:ident,)+
    }) => {
        mirror! {
            $(#[$meta])*
            #[derive(
                Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord,
                serde::Serialize, serde::Deserialize, schemars::JsonSchema,
            )]
            #[serde(rename_all = "snake_case")]
            enum $name of $domain { $($(#[$of_variant])* $variant,)+ }
        }
    };
}

pub(super) use mirror;

//! Enumerations of the contract that have the variants of a domain type.

/// Declares an enumeration of the contract with conversions from and into the domain type of
/// the same variants: a variant that is added there does not compile until it is added here.
macro_rules! mirror {
    ($(#[$meta:meta])* $name:ident of $domain:ty { $($(#[$of_variant:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord,
            serde::Serialize, serde::Deserialize, schemars::JsonSchema,
        )]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$of_variant])* $variant,)+
        }

        impl From<$domain> for $name {
            fn from(it: $domain) -> Self {
                type Domain = $domain;
                match it {
                    $(Domain::$variant => Self::$variant,)+
                }
            }
        }

        impl From<$name> for $domain {
            fn from(it: $name) -> Self {
                match it {
                    $($name::$variant => Self::$variant,)+
                }
            }
        }
    };
}

pub(super) use mirror;

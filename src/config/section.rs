//! One documented line per key: its name, type, default and rule. From it come the struct, the
//! list of known keys, and the reading.

/// A key without a doc comment does not compile.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $name:ident in $word:literal {
            $($(#[doc = $help:literal])+ $key:ident: $kind:ty = $default:expr, $rule:expr;)+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            $($(#[doc = $help])+ pub $key: $kind,)+
        }

        impl $name {
            pub(super) const KEYS: super::Section = ($word, &[$(stringify!($key)),+]);

            pub(super) fn read(from: &mut super::read::Reader<'_>) -> Self {
                Self { $($key: from.get($word, stringify!($key), $default, $rule),)+ }
            }
        }
    };
}

pub(super) use section;

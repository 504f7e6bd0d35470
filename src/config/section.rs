//! One documented line per key: its name, type, default, rule, and when a change of it counts.
//! From it come the struct, the list of known keys, the reading, and what is told of each key.

/// A key without a doc comment does not compile.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $name:ident in $word:literal {
            $(
                $(#[doc = $help:literal])+
                $key:ident: $kind:ty = $default:expr, $rule:expr, $change:ident;
            )+
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
                Self { $($key: from.get($word, stringify!($key), $default, &$rule),)+ }
            }

            pub(super) fn describe() -> Vec<super::Setting> {
                vec![$(super::Setting {
                    section: $word,
                    key: stringify!($key),
                    help: [$($help.trim()),+].join(" "),
                    form: <$kind as super::value::Value>::FORM,
                    must: super::rule::Rule::<$kind>::must($rule),
                    default: super::value::Value::show(&{ let it: $kind = $default; it }),
                    change: super::table::Change::$change,
                },)+]
            }
        }
    };
}

pub(super) use section;

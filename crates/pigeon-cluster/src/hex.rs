//! Identifiers as hexadecimal digits: JSON parsers lose digits of larger numbers.

macro_rules! hex {
    ($name:ident, $number:ty, $digits:literal) => {
        pub(crate) mod $name {
            use serde::de::Error;
            use serde::{Deserialize, Deserializer, Serializer};

            pub(crate) fn serialize<S: Serializer>(n: &$number, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(&format_args!(concat!("{:0", $digits, "x}"), n))
            }

            pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
                from: D,
            ) -> Result<$number, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
                <$number>::from_str_radix(&text, 16).map_err(D::Error::custom)
            }
        }
    };
}

hex!(id, u128, 32);
hex!(digest, u64, 16);

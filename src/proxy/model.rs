//! Reading the model's name out of a request body, and nothing else.
//!
//! One pass over the bytes: other values are skipped without being built, and a name
//! without escapes is borrowed. Skipping does not recurse, so nesting costs no stack.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The top-level `model` of a JSON object, if it is a string.
///
/// Anything else, broken JSON included, has no model: whether the request is well
/// formed is the upstream's to say. Of repeated keys the last counts, as it does for
/// the servers behind the API.
pub(super) fn peek(body: &[u8]) -> Option<Cow<'_, str>> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let model = json.deserialize_map(TopLevel).ok()?;
    json.end().ok()?;
    model
}

struct TopLevel;

impl<'de> Visitor<'de> for TopLevel {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut model = None;
        while let Some(IsModel(is_model)) = map.next_key()? {
            if is_model {
                model = map.next_value::<Text<'de>>()?.0;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(model)
    }
}

/// Whether a key is `model`.
struct IsModel(bool);

impl<'de> Deserialize<'de> for IsModel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Key;

        impl Visitor<'_> for Key {
            type Value = IsModel;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_str<E: de::Error>(self, key: &str) -> Result<IsModel, E> {
                Ok(IsModel(key == "model"))
            }
        }

        deserializer.deserialize_identifier(Key)
    }
}

/// A value if it is a string; any other value is skipped.
struct Text<'a>(Option<Cow<'a, str>>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Borrowed(text))))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Owned(text.to_owned()))))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Text(None))
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Text(None))
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Text(None))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Text(None))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Text(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(body: &str) -> Option<String> {
        peek(body.as_bytes()).map(Cow::into_owned)
    }

    #[test]
    fn a_plain_name_is_borrowed_from_the_body() {
        let body = br#"{"messages":[{"role":"user","model":"inner"}],"model":"meta/llama","stream":true}"#;
        assert!(matches!(peek(body), Some(Cow::Borrowed("meta/llama"))));
    }

    #[test]
    fn escapes_in_key_and_name_are_read() {
        assert_eq!(model(r#"{"mod\u0065l":"a\u002fb \ud83e\udd99"}"#), Some("a/b 🦙".into()));
    }

    #[test]
    fn of_repeated_keys_the_last_counts() {
        assert_eq!(model(r#"{"model":"a","model":"b"}"#), Some("b".into()));
        assert_eq!(model(r#"{"model":"a","model":null}"#), None);
    }

    #[test]
    fn a_model_that_is_no_string_is_no_model() {
        for value in ["1", "-1", "1.5", "true", "null", r#"["a"]"#, r#"{"model":"a"}"#] {
            assert_eq!(model(&format!(r#"{{"model":{value}}}"#)), None, "{value}");
        }
    }

    #[test]
    fn what_is_no_json_object_has_no_model() {
        for body in ["", "[]", "\"model\"", "{", r#"{"model":"a""#, r#"{"model":"a"} x"#, "--boundary\r\n"] {
            assert_eq!(model(body), None, "{body}");
        }
        assert_eq!(peek(b"{\"model\":\"\xff\"}"), None);
    }

    #[test]
    fn deep_nesting_costs_no_stack() {
        let depth = 1_000_000;
        let body = format!(r#"{{"x":{}{},"model":"m"}}"#, "[".repeat(depth), "]".repeat(depth));
        assert_eq!(model(&body), Some("m".into()));
        let body = format!(r#"{{"model":{}{},"model":"m"}}"#, "[".repeat(depth), "]".repeat(depth));
        assert_eq!(model(&body), Some("m".into()));
    }

    #[test]
    fn a_body_of_32_mib_is_read() {
        let body = format!(r#"{{"image":"{}","model":"m"}}"#, "A".repeat(32 << 20));
        assert_eq!(model(&body), Some("m".into()));
    }
}

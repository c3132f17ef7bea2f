//! From the run's JSON input to the workflow's own type.
//!
//! Inputs given on a command line (`-i parallel=4 -i from=2024`) carry no types: what looks like a
//! number arrives as one. So scalars are read as the type that the workflow declares: a number or
//! boolean where it wants text, and text that reads as a number or boolean where it wants one of
//! those. A scalar where it wants a list is a list of one. Errors name the field.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

use crate::{Error, Result};

/// Reads `input` as `T`.
///
/// # Errors
/// `input.invalid`, naming the field.
pub(crate) fn parse<T: DeserializeOwned>(input: &str) -> Result<T> {
    let value: Value = serde_json::from_str(input)
        .map_err(|error| Error::new("input.invalid", format!("the input is not JSON: {error}")))?;
    T::deserialize(Lenient(&value)).map_err(|problem| Error::new("input.invalid", problem.to_string()))
}

/// What doesn't fit, and where.
#[derive(Debug)]
struct Problem {
    /// Field names and positions, the innermost first.
    path: Vec<String>,
    what: String,
}

impl Problem {
    fn within(mut self, place: impl fmt::Display) -> Self {
        self.path.push(place.to_string());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            return write!(f, "the input doesn't fit: {}", self.what);
        }
        let path: Vec<_> = self.path.iter().rev().map(String::as_str).collect();
        write!(f, "the input's `{}` doesn't fit: {}", path.join("."), self.what)
    }
}

impl std::error::Error for Problem {}

impl de::Error for Problem {
    fn custom<T: fmt::Display>(what: T) -> Self {
        Self { path: Vec::new(), what: what.to_string() }
    }
}

impl From<serde_json::Error> for Problem {
    fn from(error: serde_json::Error) -> Self {
        de::Error::custom(error)
    }
}

/// A JSON value that gives scalars in the type that is asked for.
struct Lenient<'de>(&'de Value);

/// Text that reads as a number or boolean.
fn scalar(text: &str) -> Option<Value> {
    serde_json::from_str(text.trim()).ok().filter(|value: &Value| value.is_number() || value.is_boolean())
}

macro_rules! from_text {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
            match self.0.as_str().and_then(scalar) {
                Some(value) => Ok(value.$method(visitor)?),
                None => self.deserialize_any(visitor),
            }
        }
    )*};
}

macro_rules! to_text {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
            match self.0 {
                Value::Number(_) | Value::Bool(_) => visitor.visit_string(self.0.to_string()),
                _ => self.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Lenient<'de> {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self.0 {
            Value::Array(items) => visitor.visit_seq(Items { items: items.iter(), index: 0 }),
            Value::Object(fields) => visitor.visit_map(Fields::new(fields)),
            scalar => Ok(scalar.deserialize_any(visitor)?),
        }
    }

    from_text! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64
    }

    to_text! { deserialize_str deserialize_string deserialize_char }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self.0 {
            Value::Null | Value::Array(_) | Value::Object(_) => self.deserialize_any(visitor),
            scalar => visitor.visit_seq(Items { items: std::slice::from_ref(scalar).iter(), index: 0 }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        Ok(self.0.deserialize_enum(name, variants, visitor)?)
    }

    forward_to_deserialize_any! {
        bytes byte_buf unit unit_struct tuple tuple_struct map struct identifier ignored_any
    }
}

/// The items of an array.
struct Items<'de> {
    items: std::slice::Iter<'de, Value>,
    index: usize,
}

impl<'de> de::SeqAccess<'de> for Items<'de> {
    type Error = Problem;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Problem> {
        let Some(item) = self.items.next() else { return Ok(None) };
        self.index += 1;
        seed.deserialize(Lenient(item)).map(Some).map_err(|problem| problem.within(self.index - 1))
    }
}

/// The fields of an object.
struct Fields<'de> {
    fields: serde_json::map::Iter<'de>,
    current: Option<(&'de str, &'de Value)>,
}

impl<'de> Fields<'de> {
    fn new(fields: &'de Map<String, Value>) -> Self {
        Self { fields: fields.iter(), current: None }
    }
}

impl<'de> de::MapAccess<'de> for Fields<'de> {
    type Error = Problem;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Problem> {
        let Some((key, value)) = self.fields.next() else { return Ok(None) };
        self.current = Some((key, value));
        let key: StrDeserializer<'de, Problem> = key.as_str().into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Problem> {
        let (key, value) =
            self.current.take().ok_or_else(|| <Problem as de::Error>::custom("a value without a key"))?;
        seed.deserialize(Lenient(value)).map_err(|problem| problem.within(key))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Mode {
        Pull,
        Push,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Input {
        from: String,
        parallel: u16,
        #[serde(default)]
        dry: bool,
        glob: Option<String>,
        mode: Mode,
        #[serde(default)]
        more: Vec<u8>,
    }

    fn error(text: &str) -> String {
        let error = parse::<Input>(text).unwrap_err();
        assert_eq!(error.code, "input.invalid");
        error.message
    }

    #[test]
    fn scalars_are_read_as_the_type_that_is_declared() {
        let input =
            parse::<Input>(r#"{"from": 2024, "parallel": "4", "dry": "true", "glob": 7, "mode": "push"}"#);
        assert_eq!(
            input.unwrap(),
            Input {
                from: "2024".into(),
                parallel: 4,
                dry: true,
                glob: Some("7".into()),
                mode: Mode::Push,
                more: vec![]
            }
        );
    }

    #[test]
    fn one_value_is_a_list_of_one() {
        assert_eq!(parse::<Vec<String>>("\"*.csv\"").unwrap(), ["*.csv"]);
        assert_eq!(parse::<Vec<u8>>("\"7\"").unwrap(), [7]);
        assert!(parse::<Vec<u8>>("{}").is_err() && parse::<Vec<u8>>("null").is_err());
    }

    #[test]
    fn errors_name_the_field() {
        assert_eq!(error("[1"), "the input is not JSON: EOF while parsing a list at line 1 column 2");
        assert_eq!(
            error(r#"{"from": "a", "parallel": "x", "mode": "pull"}"#),
            "the input's `parallel` doesn't fit: invalid type: string \"x\", expected u16"
        );
        assert_eq!(
            error(r#"{"from": "a", "parallel": 70000, "mode": "pull"}"#),
            "the input's `parallel` doesn't fit: invalid value: integer `70000`, expected u16"
        );
        assert_eq!(
            error(r#"{"from": "a", "mode": "pull"}"#),
            "the input doesn't fit: missing field `parallel`"
        );
        assert!(error(r#"{"from": "a", "paralel": 1}"#).contains("unknown field `paralel`, expected one of"));
        assert!(error(r#"{"from": "a", "parallel": 1, "mode": "up"}"#).contains("`mode` doesn't fit"));
        assert!(error(r#"{"from": "a", "parallel": 1, "more": [1, {}]}"#).contains("`more.1` doesn't fit"));
        assert!(error("null").contains("expected struct Input"));
    }
}

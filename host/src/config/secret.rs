//! A password in the file: only ever a reference.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use crate::model::SecretRef;

/// `{ env = "NAME" }`, `{ file = "path" }` or `{ command = "…" }`. A password in clear is refused,
/// and no error shows what was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TypedSecret(pub(super) SecretRef);

const EXPECTED: &str =
    "a password is a reference: { env = \"NAME\" }, { file = \"path\" } or { command = \"program\" }";

impl JsonSchema for TypedSecret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": EXPECTED,
            "type": "object",
            "properties": {
                "env": { "type": "string", "description": "the environment variable that holds it" },
                "file": { "type": "string", "description": "the file that holds it, relative to this one" },
                "command": { "type": "string", "description": "what `sh -c` runs to print it" },
            },
            "additionalProperties": false,
            "minProperties": 1,
            "maxProperties": 1,
        })
    }
}

impl<'de> Deserialize<'de> for TypedSecret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = SecretRef;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED)
            }

            fn visit_str<E: de::Error>(self, _: &str) -> Result<SecretRef, E> {
                Err(E::custom(format!("a password in clear isn't taken; {EXPECTED}")))
            }

            fn visit_i64<E: de::Error>(self, _: i64) -> Result<SecretRef, E> {
                self.visit_str("")
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<SecretRef, E> {
                self.visit_str("")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<SecretRef, A::Error> {
                let Some(kind) = map.next_key::<String>()? else {
                    return Err(de::Error::custom(EXPECTED));
                };
                let secret = match kind.as_str() {
                    "env" => SecretRef::Env(map.next_value()?),
                    "file" => SecretRef::File(map.next_value()?),
                    "command" => SecretRef::Command(map.next_value()?),
                    other => return Err(de::Error::unknown_field(other, &["env", "file", "command"])),
                };
                if map.next_key::<String>()?.is_some() {
                    return Err(de::Error::custom("a password has one source: env, file or command"));
                }
                Ok(secret)
            }
        }
        from.deserialize_any(Visitor).map(Self)
    }
}

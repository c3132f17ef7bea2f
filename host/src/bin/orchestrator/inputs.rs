//! A run's input from the command line.

use std::io::Read;
use std::path::Path;
use std::str::FromStr;

use serde_json::{Map, Value};

use crate::context::Context;
use crate::report::Failure;

/// The longest input that is read, in bytes: the engine's own bound is lower, and says so.
const INPUT_BYTES_MAX: u64 = 16 << 20;

/// One field: `key=value` or `key:=json`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pair {
    key: String,
    value: Value,
}

impl FromStr for Pair {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
        let (key, value) = match key.strip_suffix(':') {
            Some(key) => {
                let json =
                    serde_json::from_str(value).map_err(|error| format!("`{value}` is no JSON: {error}"))?;
                (key, json)
            }
            None => (key, guess(value)),
        };
        if key.is_empty() {
            return Err("the key is missing before the `=`".to_owned());
        }
        Ok(Self { key: key.to_owned(), value })
    }
}

/// JSON where the text is plainly meant as such, else the text itself. A number counts only if it
/// reads back as it was typed: `007` and `1.50` are texts, and so is what a double can't hold.
fn guess(text: &str) -> Value {
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Number(number)) if number.to_string() != text => text.into(),
        Ok(Value::String(_)) | Err(_) => text.into(),
        Ok(value) => value,
    }
}

/// The input: a file's, or none, with the fields on top.
pub(crate) fn read(context: &Context, file: Option<&Path>, fields: Vec<Pair>) -> Result<Value, Failure> {
    let Some(file) = file else {
        return Ok(Value::Object(fields.into_iter().map(|pair| (pair.key, pair.value)).collect()));
    };
    let mut text = String::new();
    let (name, read) = if file == Path::new("-") {
        ("standard input".to_owned(), std::io::stdin().lock().take(INPUT_BYTES_MAX).read_to_string(&mut text))
    } else {
        let path = context.absolute(file);
        let opened = std::fs::File::open(&path);
        let read = opened.and_then(|file| file.take(INPUT_BYTES_MAX).read_to_string(&mut text));
        (path.display().to_string(), read)
    };
    read.map_err(|error| Failure::local(format_args!("read the input from {name}"), &error))?;
    let mut input: Value = serde_json::from_str(&text)
        .map_err(|error| Failure::usage(format!("the input in {name} is no JSON: {error}")))?;
    if fields.is_empty() {
        return Ok(input);
    }
    let object: &mut Map<String, Value> = input.as_object_mut().ok_or_else(|| {
        Failure::usage(format!("the input in {name} is no object, so -i has nothing to add to"))
    })?;
    object.extend(fields.into_iter().map(|pair| (pair.key, pair.value)));
    Ok(input)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value(text: &str) -> Value {
        text.parse::<Pair>().unwrap().value
    }

    #[test]
    fn what_is_plainly_json_is_json_and_the_rest_is_text() {
        assert_eq!(value("k=5"), json!(5));
        assert_eq!(value("k=-0.5"), json!(-0.5));
        assert_eq!(value("k=true"), json!(true));
        assert_eq!(value("k=null"), json!(null));
        assert_eq!(value("k=[1,\"a\"]"), json!([1, "a"]));
        assert_eq!(value("k={\"a\":1}"), json!({"a": 1}));
        for text in
            ["", "007", "1.50", "1e5", "123456789012345678901234567890", "\"q\"", "a=b", "*.csv", "[a"]
        {
            assert_eq!(value(&format!("k={text}")), json!(text));
        }
    }

    #[test]
    fn a_colon_takes_any_json() {
        assert_eq!(value("k:=\"5\""), json!("5"));
        assert_eq!(value("k:=1e5"), json!(1e5));
        for wrong in ["k", "=v", ":=1", "k:=x"] {
            assert!(wrong.parse::<Pair>().is_err(), "{wrong}");
        }
    }
}

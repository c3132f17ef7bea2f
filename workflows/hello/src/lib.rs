//! The shortest workflow: greets, and says what the run was given.

use orchestrator_sdk::prelude::*;

workflow!(run);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    #[serde(default = "world")]
    name: String,
}

#[derive(Serialize)]
struct Greeting {
    greeting: String,
    sites: Vec<String>,
    folders: Vec<String>,
}

fn world() -> String {
    "world".to_owned()
}

fn run(input: Input) -> Result<Greeting> {
    let greeting = format!("Hello, {}!", input.name);
    info!("{greeting}");
    Ok(Greeting { greeting, sites: context::sites(), folders: context::folders() })
}

#[cfg(test)]
mod tests {
    use orchestrator_sdk::testing::MockHost;
    use serde_json::json;

    use super::run;

    #[test]
    fn greets_whom_it_is_told_to() {
        let host = MockHost::new().with_site("acme");
        let greeting = host.run(run, json!({"name": "Ada"})).unwrap();
        assert_eq!(
            (greeting.greeting.as_str(), greeting.sites.as_slice()),
            ("Hello, Ada!", &["acme".to_owned()][..])
        );
        assert_eq!(host.run(run, json!({})).unwrap().greeting, "Hello, world!");
    }

    #[test]
    fn an_unknown_input_is_named() {
        let error = MockHost::new().run(run, json!({"nmae": "Ada"})).map(|_| ()).unwrap_err();
        assert_eq!(error.code, "input.invalid");
        assert!(error.message.contains("unknown field `nmae`"), "{error}");
    }
}

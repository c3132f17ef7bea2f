//! Uses one capability at a time, as the input `what` says, so that a test can kill it in the middle of that.
//!
//! | `what` | what it does | its result |
//! |---|---|---|
//! | `wait` | waits `millis` at most until `path` on the site has kept its size for 300 ms | its size, or null |
//! | `policy` | asks for the retry policy `path`, waits `millis`, and asks again | the attempts of both |
//! | `remember` | notes each file of the folder `path` that it hasn't seen, counts its runs, and waits `millis` | the new files, and the count |
//! | `receive` | receives signals of the name `path`, each within `millis`, until one says `"enough"` or none comes | what they said |
//! | `mark` | writes `path` and `path.sum` on the site, waits `millis`, and reads both back | what it read |

use orchestrator_sdk::prelude::*;

workflow!(run);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    what: What,
    #[serde(default)]
    site: String,
    #[serde(default)]
    path: String,
    #[serde(default)]
    millis: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum What {
    Wait,
    Policy,
    Remember,
    Receive,
    Mark,
}

/// What any of them gives: the text, if there is one.
type Told = Option<String>;

fn run(input: Input) -> Result<Told> {
    let span = Duration::from_millis(input.millis);
    match input.what {
        What::Wait => {
            let found = Site::open(&input.site)?.wait_for(&input.path, Duration::from_millis(300), span)?;
            Ok(found.and_then(|file| file.size).map(|size| size.to_string()))
        }
        What::Policy => {
            let named = || RetryPolicy::named(&input.path);
            let attempts = || -> Result<_> { Ok(named()?.map(|policy| policy.max_attempts)) };
            let first = attempts()?;
            clock::sleep(span)?;
            Ok(Some(format!("{first:?} {:?}", attempts()?)))
        }
        What::Remember => remember(&Site::open(&input.site)?, &input.path, span).map(Some),
        What::Receive => receive(&input.path, span).map(Some),
        What::Mark => mark(&Site::open(&input.site)?, &input.path, span).map(Some),
    }
}

fn remember(site: &Site, folder: &str, span: Duration) -> Result<String> {
    let new = memory::unseen(site, site.list(folder, None)?)?;
    for file in &new {
        memory::seen(site, file)?;
    }
    let count = memory::update("runs", |count: Option<u64>| count.unwrap_or(0) + 1)?;
    clock::sleep(span)?;
    let names: Vec<_> = new.iter().map(FileInfo::name).collect();
    Ok(format!("{} {count}", names.join(",")))
}

fn receive(name: &str, span: Duration) -> Result<String> {
    let mut said = Vec::new();
    while let Some(word) = signals::receive_within::<String>(name, span)? {
        let enough = word == "enough";
        said.push(word);
        progress::status("said", said.len());
        if enough {
            break;
        }
    }
    Ok(said.join(" "))
}

fn mark(site: &Site, path: &str, span: Duration) -> Result<String> {
    let receipt = site.put_bytes(path, "done\n")?;
    let sum = receipt.hex(HashAlgorithm::Sha256).unwrap_or_default();
    site.put_bytes(format!("{path}.sum"), sum)?;
    clock::sleep(span)?;
    let too_small = site.read_small(path, 4).map_err(|error| error.code);
    let read = [site.read_small(path, 5)?, site.read_small(format!("{path}.sum"), 100)?].concat();
    Ok(format!("{} {:?}", String::from_utf8_lossy(&read), too_small.err()))
}

#[cfg(test)]
mod tests {
    use orchestrator_sdk::testing::MockHost;
    use serde_json::json;

    use super::*;

    #[test]
    fn it_does_natively_what_it_does_in_a_run() {
        let host = MockHost::new().with_site("acme");
        let wait = json!({"what": "wait", "site": "acme", "path": "in/a", "millis": 5000});
        assert_eq!(host.run(run, wait.clone()).unwrap(), None);
        host.site("acme").write_after(Duration::from_secs(2), "in/a", "seven b");
        let began = host.now();
        assert_eq!(host.run(run, wait).unwrap().as_deref(), Some("7"));
        assert_eq!(host.now().since(began), Duration::from_millis(2_300));

        let policy = json!({"what": "policy", "path": "patient"});
        assert_eq!(host.run(run, policy).unwrap().as_deref(), Some("None None"));
        host.site("acme").write("in/b", "");
        let remember = json!({"what": "remember", "site": "acme", "path": "in"});
        assert_eq!(host.run(run, remember.clone()).unwrap().as_deref(), Some("a,b 1"));
        host.site("acme").write("in/b", "changed");
        assert_eq!(host.run(run, remember).unwrap().as_deref(), Some("b 2"));
        assert_eq!(host.remembered("runs"), Some(json!(2)));

        let receive = json!({"what": "receive", "path": "news", "millis": 1000});
        host.signal_after(Duration::from_millis(700), "news", "two".into());
        host.signal("news", "one".into());
        host.signal("other", "three".into());
        assert_eq!(host.run(run, receive).unwrap().as_deref(), Some("one two"));

        let mark = json!({"what": "mark", "site": "acme", "path": "ok/a", "millis": 1});
        let told = host.run(run, mark).unwrap().unwrap();
        assert!(told.starts_with("done\n") && told.ends_with("Some(\"file.too-large\")"), "{told}");
        assert_eq!(host.site("acme").read("ok/a.sum").unwrap().len(), 64);
    }
}

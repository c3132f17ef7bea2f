//! The shape of the source: who may know whom, one door for each outside crate, sizes.
//!
//! A new arrow between modules is a decision: it is made here, in the same commit, with its reason.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use testkit::layout;

/// Module of the library → modules that it may name. `crash` is in reach of all: it is nothing in a
/// release build and knows nobody.
const ARROWS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("clock", &["model"]),
    ("crash", &[]),
    ("journal", &["model", "clock"]),
    ("transfer", &["model", "clock"]),
    ("wasm", &["model", "clock"]),
    ("telemetry", &["model", "clock"]),
    ("capability", &["wasm", "transfer", "journal", "model", "clock"]),
    // The engine hands the transfers that it was given on to the capabilities of a run.
    ("engine", &["capability", "wasm", "transfer", "journal", "model", "clock"]),
    // Schedules begin runs by the engine's handle, and keep what became of them in the journal's store.
    ("schedule", &["engine", "journal", "model", "clock"]),
    ("ftpd", &["model", "transfer"]),
    // What is configured becomes each part's own options.
    ("config", &["model", "journal", "transfer", "wasm", "engine", "schedule", "ftpd", "telemetry"]),
    (
        "node",
        &[
            "model",
            "clock",
            "journal",
            "transfer",
            "wasm",
            "capability",
            "engine",
            "schedule",
            "ftpd",
            "config",
            "telemetry",
        ],
    ),
    // The server hands requests to the node as commands do, and shows what a component asks for.
    ("server", &["model", "clock", "config", "node", "wasm"]),
];

/// Outside crate → the only places of `host/src` that may name it.
const DOORS: &[(&str, &[&str])] = &[
    ("suppaftp", &["transfer/ftp"]),
    ("sled", &["journal/sled"]),
    ("wasmtime", &["wasm", "capability", "engine"]),
    ("wasmtime_wasi", &["wasm", "capability"]),
    ("wasmparser", &["wasm"]),
    ("libunftp", &["ftpd"]),
    ("unftp_core", &["ftpd"]),
    ("unftp_sbe_fs", &["ftpd"]),
    ("rcgen", &["ftpd"]),
    ("cron", &["schedule/expression"]),
    // The times that the cron crate speaks in, and nothing else.
    ("chrono", &["schedule/expression"]),
    ("rustls", &["transfer/ftp", "ftpd", "server"]),
    ("axum", &["server"]),
    ("hyper", &["server"]),
    ("hyper_util", &["server"]),
    ("tower", &["server"]),
    ("utoipa", &["server"]),
    ("prometheus", &["telemetry/metrics"]),
    ("cap_std", &["transfer", "ftpd"]),
    ("toml", &["config"]),
    ("toml_edit", &["config", "bin"]),
    ("clap", &["bin"]),
    ("clap_complete", &["bin"]),
    ("indicatif", &["bin"]),
    ("comfy_table", &["bin"]),
];

/// Nothing below the binary reads the environment, but for the one place that knows all its names,
/// and the one that looks up a password under the name that a person gave it, when a login needs it.
const ENVIRONMENT: &[&str] = &["bin", "config", "transfer/ftp/secret"];

const LINES_MAX: usize = 800;

/// A source file of the host, without its comments and tests.
struct Source {
    /// Its path under `host/src`.
    path: PathBuf,
    code: String,
}

impl Source {
    fn module(&self) -> &str {
        let first = self.path.iter().next().and_then(|part| part.to_str()).unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    fn is_within(&self, places: &[&str]) -> bool {
        places.iter().any(|place| {
            let path = self.path.with_extension("");
            path.starts_with(place)
        })
    }
}

fn files_under(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() {
            if name != "target" && name != ".git" {
                found.extend(files_under(&path, extension));
            }
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<Source> {
    let root = layout::root().join("host/src");
    let sources: Vec<Source> = files_under(&root, "rs")
        .iter()
        .filter(|path| !path.iter().any(is_of_tests))
        .map(|path| Source {
            path: path.strip_prefix(&root).unwrap().to_owned(),
            code: without_comments_and_tests(&std::fs::read_to_string(path).unwrap()),
        })
        .collect();
    assert!(sources.len() > 20, "the sources weren't found under {}", root.display());
    sources
}

/// True for `tests`, `tests.rs` and `…_tests.rs`: what a module's own tests use isn't its business.
fn is_of_tests(part: &std::ffi::OsStr) -> bool {
    let part = part.to_string_lossy();
    part == "tests" || part == "tests.rs" || part.ends_with("_tests.rs")
}

fn without_comments_and_tests(text: &str) -> String {
    let mut code = String::new();
    for line in text.lines() {
        if line.trim() == "#[cfg(test)]" && !line.starts_with(' ') {
            let rest = text.split_once("#[cfg(test)]\nmod tests {").is_some();
            if rest {
                break;
            }
        }
        let line = line.split("//").next().unwrap_or_default();
        code.push_str(line);
        code.push('\n');
    }
    code
}

/// The names that follow `crate::`, one by one or in braces.
fn named_modules(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (position, _) in code.match_indices("crate::") {
        if code[..position]
            .ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == '$')
        {
            continue;
        }
        let rest = &code[position + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(list) => names.extend(first_names_of_list(list)),
            None => drop(names.insert(identifier(rest).to_owned())),
        }
    }
    names
}

fn identifier(text: &str) -> &str {
    let end = text.find(|letter: char| !(letter.is_alphanumeric() || letter == '_')).unwrap_or(text.len());
    &text[..end]
}

/// Of `a::{b, c}, d}` the names `a` and `d`.
fn first_names_of_list(list: &str) -> Vec<String> {
    let (mut names, mut depth, mut at_start) = (Vec::new(), 0, true);
    for (position, letter) in list.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => at_start = true,
            _ if at_start && !letter.is_whitespace() => {
                names.push(identifier(&list[position..]).to_owned());
                at_start = false;
            }
            _ => {}
        }
    }
    names
}

/// True when the code names the crate, as `name::` or `use name`, and not as part of a longer path.
fn names_crate(code: &str, name: &str) -> bool {
    // Our own module of this name hides the crate.
    if code.lines().any(|line| line.trim_start_matches("pub ") == format!("mod {name};")) {
        return false;
    }
    code.match_indices(name).any(|(position, _)| {
        let before = code[..position].chars().next_back();
        let after = &code[position + name.len()..];
        let begins = !before.is_some_and(|letter| letter.is_alphanumeric() || "_:.\"/-".contains(letter));
        let used = after.starts_with("::") && !after.starts_with("::*");
        let imported = code[..position].ends_with("use ") && after.starts_with([';', ' ']);
        begins && (used || imported)
    })
}

#[track_caller]
fn assert_none(faults: &[String], rule: &str) {
    assert!(faults.is_empty(), "{rule}:\n  {}", faults.join("\n  "));
}

#[test]
fn modules_know_only_whom_they_may() {
    let mut faults = Vec::new();
    for source in sources() {
        let module = source.module();
        if module == "bin" || module == "lib" {
            continue;
        }
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == module) else {
            faults.push(format!("{} is in no row of ARROWS", source.path.display()));
            continue;
        };
        for name in named_modules(&source.code) {
            let known = ARROWS.iter().any(|(module, _)| *module == name);
            if known && name != module && name != "crash" && !allowed.contains(&name.as_str()) {
                faults.push(format!("{} names crate::{name}", source.path.display()));
            }
        }
    }
    assert_none(&faults, "a module names one that it may not know");
}

#[test]
fn each_outside_crate_has_one_door() {
    let mut faults = Vec::new();
    for source in sources() {
        for (name, places) in DOORS {
            if names_crate(&source.code, name) && !source.is_within(places) {
                faults.push(format!("{} names {name}, whose place is {places:?}", source.path.display()));
            }
        }
    }
    assert_none(&faults, "an outside crate is named where it may not be");
}

#[test]
fn only_the_binary_reads_the_environment_and_ends_the_process() {
    let mut faults = Vec::new();
    for source in sources() {
        let reads = ["env::var(", "env::var_os(", "env::vars(", "env::current_dir("];
        if !source.is_within(ENVIRONMENT) && reads.iter().any(|call| source.code.contains(call)) {
            faults.push(format!("{} reads the environment", source.path.display()));
        }
        if !source.is_within(&["bin"]) && source.code.contains("process::exit(") {
            faults.push(format!("{} ends the process", source.path.display()));
        }
    }
    assert_none(&faults, "what belongs to the binary is done below it");
}

#[test]
fn the_binary_is_known_by_nobody_and_the_sdk_knows_no_host() {
    let mut faults = Vec::new();
    for folder in ["guest-sdk", "workflows", "tests/kit"] {
        for path in files_under(&layout::root().join(folder), "rs") {
            if names_crate(&std::fs::read_to_string(&path).unwrap(), "orchestrator_host") {
                faults.push(path.display().to_string());
            }
        }
    }
    assert_none(&faults, "the host's library is named from outside");
}

#[test]
fn a_module_page_holds_no_logic() {
    let mut faults = Vec::new();
    for source in sources().iter().filter(|source| source.path.ends_with("mod.rs")) {
        let logic = |line: &str| {
            let line = line.trim_start_matches("pub ").trim_start_matches("async ");
            line.starts_with("fn ") || line.starts_with("impl ") || line.starts_with("impl<")
        };
        if source.code.lines().any(logic) && !source.is_within(&["bin"]) {
            faults.push(source.path.display().to_string());
        }
    }
    assert_none(&faults, "a mod.rs holds more than its module's page and re-exports");
}

#[test]
fn no_file_is_too_long() {
    let mut faults = Vec::new();
    for path in files_under(layout::root(), "rs") {
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        if lines > LINES_MAX {
            faults.push(format!("{} has {lines} lines", path.display()));
        }
    }
    assert_none(&faults, &format!("a file is longer than {LINES_MAX} lines"));
}

#[test]
fn no_file_names_a_path_of_the_machine_it_was_written_on() {
    let mut needles = vec![layout::root().display().to_string()];
    if let Some(home) = std::env::var_os("HOME") {
        needles.push(format!("{}/", home.display()));
    }
    needles.retain(|needle| needle.len() > 2);
    let mut faults = Vec::new();
    for extension in ["rs", "toml", "md", "wit", "lock", "yml", "json"] {
        for path in files_under(layout::root(), extension) {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            for needle in needles.iter().filter(|needle| text.contains(needle.as_str())) {
                faults.push(format!("{} names {needle}", path.display()));
            }
        }
    }
    assert_none(&faults, "a file names a path of this machine");
}

#[test]
fn no_test_file_is_forgotten() {
    let folder = layout::root().join("tests/it");
    let mut faults = Vec::new();
    for path in files_under(&folder, "rs") {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let parent = path.parent().unwrap();
        let page = match name {
            "main" => continue,
            "mod" => {
                let module = parent.file_name().unwrap().to_str().unwrap().to_owned();
                (folder.join("main.rs"), module)
            }
            _ if parent == folder => (folder.join("main.rs"), name.to_owned()),
            _ => (parent.join("mod.rs"), name.to_owned()),
        };
        let declared = std::fs::read_to_string(&page.0).is_ok_and(|text| {
            text.lines().any(|line| line.trim_start_matches("pub ") == format!("mod {};", page.1))
        });
        if !declared {
            faults.push(path.display().to_string());
        }
    }
    assert_none(&faults, "a test file is in no mod line");
}

#[test]
fn the_rules_themselves_find_what_they_look_for() {
    assert_eq!(
        named_modules("use crate::{model::{A, B}, clock::Clock};\nlet x = crate::engine::y();"),
        BTreeSet::from(["clock".into(), "engine".into(), "model".into()])
    );
    assert!(names_crate("use sled::Db;", "sled") && names_crate("let db: sled::Db;", "sled"));
    assert!(!names_crate("mod sled;\nuse super::sled::Store;", "sled"));
    assert_eq!(without_comments_and_tests("a // b\n#[cfg(test)]\nmod tests {\nc\n}"), "a \n");
}

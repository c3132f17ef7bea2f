//! `[server]` as `config show` prints it, and what `config check` looks at in it.

use std::path::Path;

use orchestrator_host::config::ServerSettings;
use serde_json::{Value, json};

use super::quoted;

/// As it would stand in the file, with every default written out.
pub(super) fn text(server: &ServerSettings) -> String {
    let listen = server.listen.map_or_else(|| "off".to_owned(), |address| address.to_string());
    let mut text = format!("\n[server]\nlisten = \"{listen}\"\n");
    if let Some((chain, key)) = &server.tls {
        text.push_str(&format!("tls_cert = {}\ntls_key = {}\n", quoted(chain), quoted(key)));
    }
    if !server.hosts.is_empty() {
        text.push_str(&format!("hosts = {:?}\n", server.hosts));
    }
    if let Some(workflows) = &server.workflows {
        text.push_str(&format!("workflows = {}\n", quoted(workflows)));
    }
    if !server.folders.is_empty() {
        let folders: Vec<String> = server.folders.iter().map(|folder| quoted(folder)).collect();
        text.push_str(&format!("folders = [{}]\n", folders.join(", ")));
    }
    text.push_str(&format!("requests_per_second = {}\n", server.requests_per_second));
    for token in &server.tokens {
        text.push_str(&format!("# the token `{}` has the role {}\n", token.name, token.role));
    }
    text
}

/// In JSON. Of tokens only names and roles are shown.
pub(super) fn document(server: &ServerSettings) -> Value {
    let tokens: Vec<Value> =
        server.tokens.iter().map(|token| json!({ "name": token.name, "role": token.role })).collect();
    json!({
        "listen": server.listen,
        "tls_cert": server.tls.as_ref().map(|(chain, _)| chain),
        "tls_key": server.tls.as_ref().map(|(_, key)| key),
        "hosts": server.hosts,
        "workflows": server.workflows,
        "folders": server.folders,
        "requests_per_second": server.requests_per_second,
        "tokens": tokens,
    })
}

/// What it names and isn't there.
pub(super) fn wrong(server: &ServerSettings) -> Vec<String> {
    let files = server.tls.iter().flat_map(|(chain, key)| [("tls_cert", chain), ("tls_key", key)]);
    let files = files.filter_map(|(key, path)| {
        let error = std::fs::File::open(path).err()?;
        Some(format!("[server] {key}: {}: {error}", path.display()))
    });
    let folders = server.folders.iter().map(|path| ("folders", path));
    let folders = folders.chain(server.workflows.iter().map(|path| ("workflows", path)));
    let missing = |(key, path): (&str, &std::path::PathBuf)| {
        let there = Path::is_dir(path);
        (!there).then(|| format!("[server] {key}: there is no folder {}", path.display()))
    };
    files.chain(folders.filter_map(missing)).collect()
}

//! Changing the file as a person would: comments and order stay.

use std::io::Write;
use std::path::{Path, PathBuf};

use toml_edit::{DocumentMut, InlineTable, Item, Table, value};

use super::reader::check_name;
use super::{Error, SiteUrl};
use crate::model::{Role, SecretRef, TlsMode, TlsVerify};

/// A site as `site add` is told of it.
#[derive(Clone, Debug)]
pub struct NewSite {
    /// Its name.
    pub name: String,
    /// Its URL.
    pub url: String,
    /// Where the password comes from.
    pub password: Option<SecretRef>,
    /// When TLS begins; `None` leaves the default.
    pub tls: Option<TlsMode>,
    /// How the certificate is judged; `None` leaves the default.
    pub tls_verify: Option<TlsVerify>,
    /// The roots to trust.
    pub ca_file: Option<PathBuf>,
}

/// Writes a `[site.NAME]` into `file`, which is made if it isn't there.
///
/// # Errors
/// There is such a site already, the name or URL can't be used, the file can't be read or written.
pub fn add_site(file: &Path, site: &NewSite) -> Result<(), Error> {
    check_name(&site.name).map_err(Error::new)?;
    SiteUrl::parse(&site.url).map_err(Error::new)?;
    let mut document = read(file)?;
    let sites = below(document.as_table_mut(), "site", file)?;
    if sites.contains_key(&site.name) {
        return Err(Error::new(format!("there is a site `{}` already", site.name)).at(file, None).with_hint(
            format!("edit [site.{0}] there, or `orchestrator site remove {0}` first", site.name),
        ));
    }
    let mut table = Table::new();
    table["url"] = value(&site.url);
    if let Some(password) = &site.password {
        let (key, text) = match password {
            SecretRef::Env(name) => ("env", name.clone()),
            SecretRef::File(path) => ("file", path_text(path)?),
            SecretRef::Command(command) => ("command", command.clone()),
        };
        let mut inline = InlineTable::new();
        inline.insert(key, text.into());
        table["password"] = value(inline);
    }
    if let Some(tls) = site.tls {
        table["tls"] = value(match tls {
            TlsMode::Explicit => "explicit",
            TlsMode::Implicit => "implicit",
            TlsMode::None => "none",
        });
    }
    if let Some(verify) = site.tls_verify {
        table["tls_verify"] = value(match verify {
            TlsVerify::Full => "full",
            TlsVerify::None => "none",
        });
    }
    if let Some(ca_file) = &site.ca_file {
        table["ca_file"] = value(path_text(ca_file)?);
    }
    sites.insert(&site.name, Item::Table(table));
    write(file, &document)
}

/// Takes `[site.NAME]` out of `file`; false when it isn't there.
///
/// # Errors
/// The file can't be read or written.
pub fn remove_site(file: &Path, name: &str) -> Result<bool, Error> {
    let mut document = read(file)?;
    let removed = document
        .get_mut("site")
        .and_then(Item::as_table_like_mut)
        .is_some_and(|sites| sites.remove(name).is_some());
    if removed {
        write(file, &document)?;
    }
    Ok(removed)
}

/// Writes a `[server.token.NAME]` into `file`, which is made if it isn't there.
///
/// # Errors
/// There is such a token already, the name can't be used, the file can't be read or written.
pub fn add_token(file: &Path, name: &str, role: Role, sha256: &[u8; 32]) -> Result<(), Error> {
    check_name(name).map_err(Error::new)?;
    let mut document = read(file)?;
    let server = below(document.as_table_mut(), "server", file)?;
    let tokens = below(server, "token", file)?;
    if tokens.contains_key(name) {
        return Err(Error::new(format!("there is a token `{name}` already"))
            .at(file, None)
            .with_hint(format!("`orchestrator token remove {name}` first, or take another name")));
    }
    let mut table = Table::new();
    table["role"] = value(role.as_str());
    table["sha256"] = value(sha256.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    tokens.insert(name, Item::Table(table));
    write(file, &document)
}

/// Takes `[server.token.NAME]` out of `file`; false when it isn't there.
///
/// # Errors
/// The file can't be read or written.
pub fn remove_token(file: &Path, name: &str) -> Result<bool, Error> {
    let mut document = read(file)?;
    let removed = document
        .get_mut("server")
        .and_then(Item::as_table_like_mut)
        .and_then(|server| server.get_mut("token"))
        .and_then(Item::as_table_like_mut)
        .is_some_and(|tokens| tokens.remove(name).is_some());
    if removed {
        write(file, &document)?;
    }
    Ok(removed)
}

/// The table of this name in another one. One that has to be made shows only by what is in it.
fn below<'t>(parent: &'t mut Table, name: &str, file: &Path) -> Result<&'t mut Table, Error> {
    let item = parent.entry(name).or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    item.as_table_mut().ok_or_else(|| Error::new(format!("`{name}` isn't a table")).at(file, None))
}

fn path_text(path: &Path) -> Result<String, Error> {
    path.to_str()
        .map(str::to_owned)
        .ok_or_else(|| Error::new(format!("the path {} isn't UTF-8, and TOML is", path.display())))
}

fn read(file: &Path) -> Result<DocumentMut, Error> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(Error::new(format!("can't be read: {error}")).at(file, None)),
    };
    text.parse().map_err(|error: toml_edit::TomlError| {
        let line = error.span().map(|span| super::error::line_of(&text, span.start));
        Error::new(error.message().trim().replace('\n', ", ")).at(file, line)
    })
}

/// Writes aside and renames, so that a crash leaves the old file or the new one.
fn write(file: &Path, document: &DocumentMut) -> Result<(), Error> {
    let wrong = |error: std::io::Error| Error::new(format!("can't be written: {error}")).at(file, None);
    // A link stays a link: what it points to is replaced.
    let target = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let folder = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(wrong)?;
    let name = target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let aside = folder.join(format!(".{name}.{}.new", std::process::id()));
    let put = || -> std::io::Result<()> {
        let mut out = std::fs::File::create(&aside)?;
        if let Ok(old) = std::fs::metadata(&target) {
            out.set_permissions(old.permissions())?;
        }
        out.write_all(document.to_string().as_bytes())?;
        out.sync_all()?;
        std::fs::rename(&aside, &target)?;
        std::fs::File::open(folder)?.sync_all()
    };
    put().map_err(|error| {
        let _ = std::fs::remove_file(&aside);
        wrong(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(name: &str) -> NewSite {
        NewSite {
            name: name.to_owned(),
            url: "ftp://jane@h/in".to_owned(),
            password: Some(SecretRef::Env("PW".to_owned())),
            tls: Some(TlsMode::None),
            tls_verify: None,
            ca_file: None,
        }
    }

    #[test]
    fn a_site_is_added_and_comments_stay() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deep/orchestrator.toml");
        add_site(&file, &site("a")).unwrap();
        let first = std::fs::read_to_string(&file).unwrap();
        assert_eq!(
            first,
            "[site.a]\nurl = \"ftp://jane@h/in\"\npassword = { env = \"PW\" }\ntls = \"none\"\n"
        );
        std::fs::write(&file, format!("# ours\n{first}")).unwrap();
        add_site(&file, &site("b")).unwrap();
        assert!(add_site(&file, &site("b")).is_err());
        assert!(remove_site(&file, "a").unwrap());
        assert!(!remove_site(&file, "a").unwrap());
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains("[site.b]") && !text.contains("[site.a]"), "{text}");
        assert_eq!(std::fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_token_is_added_and_taken_out_beside_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("o.toml");
        std::fs::write(&file, "# ours\n[server]\nlisten = \"127.0.0.1:1\"\n").unwrap();
        add_token(&file, "ops", Role::Admin, &[0xab; 32]).unwrap();
        assert!(add_token(&file, "ops", Role::Read, &[0; 32]).is_err());
        assert!(add_token(&file, "o ps", Role::Read, &[0; 32]).is_err());
        let text = std::fs::read_to_string(&file).unwrap();
        let table = format!("[server.token.ops]\nrole = \"admin\"\nsha256 = \"{}\"\n", "ab".repeat(32));
        assert!(text.starts_with("# ours\n[server]\nlisten") && text.ends_with(&table), "{text}");
        assert!(!text.contains("[server.token]\n"), "{text}");
        assert!(remove_token(&file, "ops").unwrap());
        assert!(!remove_token(&file, "ops").unwrap());
    }

    #[test]
    fn what_could_not_be_read_back_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("o.toml");
        assert!(add_site(&file, &site("a:b")).is_err());
        assert!(add_site(&file, &NewSite { url: "h".to_owned(), ..site("a") }).is_err());
        assert!(!file.exists());
    }
}

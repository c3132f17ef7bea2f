//! Comparing a component with what workflows are given, before anything is compiled or linked, so
//! that a misfit is said in words and not in those of a linker.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use wasmparser::{Chunk, Encoding, Parser, Payload};

use super::runtime::digest_of;
use crate::model::{ByteCount, WorkflowDigest};

/// The WIT package of workflows.
pub const PACKAGE: &str = "orchestrator:workflow";

/// Its version. Up to 1.0 another minor version is another package (semver).
pub const VERSION: &str = "0.1.0";

/// The interfaces that the host gives.
const GIVEN: [&str; 12] = [
    "types",
    "context",
    "ftp",
    "files",
    "retry",
    "checkpoint",
    "memory",
    "clock",
    "random",
    "log",
    "progress",
    "signals",
];

/// The interface that a workflow must export.
const HANDLER: &str = "handler";

/// Packages of WASI that are linked, empty and denied, since language runtimes import them unasked.
const WASI: [&str; 6] =
    ["wasi:io", "wasi:clocks", "wasi:random", "wasi:cli", "wasi:filesystem", "wasi:sockets"];

/// The minor version of WASI that is linked: 0.2, whatever its patch.
const WASI_MINOR: &str = "0.2";

/// How many foreign imports a refusal names.
const NAMED_MAX: usize = 5;

/// Whose interface an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImportKind {
    /// A capability of ours.
    Workflow,
    /// WASI: linked, empty and denied.
    Wasi,
}

/// An interface that a component imports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Import {
    /// Its name as `package/interface@version`.
    pub name: String,
    /// Whose it is.
    pub kind: ImportKind,
}

/// What a component that fits asks for and gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// Its SHA-256.
    pub digest: WorkflowDigest,
    /// Its length in bytes.
    pub size: u64,
    /// The interfaces that it imports, in its own order.
    pub imports: Vec<Import>,
    /// What it exports.
    pub exports: Vec<String>,
}

/// Why a component isn't run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Over the size cap.
    TooLarge {
        /// Its length in bytes.
        size: u64,
        /// The bound.
        max: u64,
    },
    /// Not WebAssembly at all.
    NotWasm,
    /// A core module, which has no interfaces.
    CoreModule,
    /// WebAssembly that can't be read.
    Malformed {
        /// What is wrong, and where.
        why: String,
    },
    /// It needs what workflows don't get.
    ForeignImports {
        /// The first few of them.
        names: Vec<String>,
    },
    /// It needs an interface of our package that this version doesn't have.
    UnknownInterface {
        /// Its name.
        name: String,
    },
    /// It was built for another version of our package.
    OtherVersion {
        /// That version.
        found: String,
    },
    /// It has no handler to run.
    NoHandler {
        /// What it exports instead.
        exports: Vec<String>,
    },
    /// The compiler refuses it.
    Compile {
        /// What it says.
        why: String,
    },
    /// Compiling takes too long.
    CompileTime {
        /// The bound.
        max: Duration,
    },
    /// An interface is ours by name and has other functions or types.
    Mismatch {
        /// What the linker says.
        why: String,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { size, max } => {
                write!(f, "the component has {}; {} are allowed", ByteCount(*size), ByteCount(*max))
            }
            Self::NotWasm => f.write_str("this isn't WebAssembly"),
            Self::CoreModule => f.write_str("this is a core WebAssembly module; a workflow is a component"),
            Self::Malformed { why } => write!(f, "this component can't be read: {why}"),
            Self::ForeignImports { names } => {
                write!(f, "the component needs {}, which workflows don't get", names.join(", "))
            }
            Self::UnknownInterface { name } => {
                write!(f, "the component needs {name}, which this version doesn't have")
            }
            Self::OtherVersion { found } => {
                write!(f, "the component was built for {PACKAGE}@{found}; this program has {VERSION}")
            }
            Self::NoHandler { exports } if exports.is_empty() => {
                write!(f, "the component exports nothing; a workflow exports {PACKAGE}/{HANDLER}")
            }
            Self::NoHandler { exports } => write!(
                f,
                "the component exports {}; a workflow exports {PACKAGE}/{HANDLER}",
                exports.join(", ")
            ),
            Self::Compile { why } => write!(f, "the component can't be compiled: {why}"),
            Self::CompileTime { max } => {
                write!(f, "compiling the component takes longer than {} s", max.as_secs())
            }
            Self::Mismatch { why } => write!(f, "the component doesn't fit: {why}"),
        }
    }
}

impl std::error::Error for Refusal {}

impl Refusal {
    /// What helps.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "build it with the profile `guest` (opt-level \"s\", lto, strip)",
            Self::NotWasm | Self::Malformed { .. } => {
                "build it with `cargo build --target wasm32-wasip2` and pass the .wasm file"
            }
            Self::CoreModule => {
                "build it for wasm32-wasip2, or make a component of it with `wasm-tools component new`"
            }
            Self::ForeignImports { .. } => {
                "`orchestrator inspect` lists what it imports; only orchestrator:workflow and WASI 0.2 are there"
            }
            Self::UnknownInterface { .. } | Self::OtherVersion { .. } | Self::Mismatch { .. } => {
                "build it again with the orchestrator-sdk of this version"
            }
            Self::NoHandler { .. } => "a Rust workflow needs `orchestrator_sdk::workflow!(run);`",
            Self::Compile { .. } | Self::CompileTime { .. } => {
                "was it built for wasm32-wasip2 by a current compiler?"
            }
        }
    }
}

/// Reads what a component asks for and gives, from its outermost sections alone.
///
/// # Errors
/// Everything that can be said without compiling it.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, Refusal> {
    let names = read_names(bytes)?;
    let mut imports = Vec::new();
    let mut foreign = Vec::new();
    for name in names.imports {
        match judge(&name)? {
            Some(kind) => imports.push(Import { name, kind }),
            None => foreign.push(name),
        }
    }
    if !foreign.is_empty() {
        let more = foreign.len().saturating_sub(NAMED_MAX);
        foreign.truncate(NAMED_MAX);
        if more > 0 {
            foreign.push(format!("{more} more"));
        }
        return Err(Refusal::ForeignImports { names: foreign });
    }
    let handler = names.exports.iter().find_map(|name| {
        let (interface, version) = Interface::parse(name).own()?;
        (interface == HANDLER).then_some(version.to_owned())
    });
    match handler {
        Some(version) if !same_minor(&version, VERSION) => Err(Refusal::OtherVersion { found: version }),
        Some(_) => Ok(Inspection {
            digest: digest_of(bytes),
            size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            imports,
            exports: names.exports,
        }),
        None => Err(Refusal::NoHandler { exports: names.exports }),
    }
}

/// Whose an import is; `None` for a stranger's.
fn judge(name: &str) -> Result<Option<ImportKind>, Refusal> {
    let parsed = Interface::parse(name);
    if let Some((interface, version)) = parsed.own() {
        if !same_minor(version, VERSION) {
            return Err(Refusal::OtherVersion { found: version.to_owned() });
        }
        if !GIVEN.contains(&interface) {
            return Err(Refusal::UnknownInterface { name: name.to_owned() });
        }
        return Ok(Some(ImportKind::Workflow));
    }
    let wasi = WASI.contains(&parsed.package)
        && parsed.version.is_some_and(|version| same_minor(version, WASI_MINOR));
    Ok(wasi.then_some(ImportKind::Wasi))
}

/// The parts of `namespace:package/interface@version`.
struct Interface<'a> {
    package: &'a str,
    interface: &'a str,
    version: Option<&'a str>,
}

impl<'a> Interface<'a> {
    fn parse(name: &'a str) -> Self {
        let (path, version) = match name.split_once('@') {
            Some((path, version)) => (path, Some(version)),
            None => (name, None),
        };
        let (package, interface) = path.split_once('/').unwrap_or((path, ""));
        Self { package, interface, version }
    }

    /// Interface and version, if the package is ours.
    fn own(&self) -> Option<(&'a str, &'a str)> {
        (self.package == PACKAGE).then_some((self.interface, self.version.unwrap_or("no version")))
    }
}

/// Whether two versions have the same first two numbers.
fn same_minor(a: &str, b: &str) -> bool {
    let first_two = |version: &str| version.splitn(3, '.').take(2).map(str::to_owned).collect::<Vec<_>>();
    first_two(a) == first_two(b)
}

struct Names {
    imports: Vec<String>,
    exports: Vec<String>,
}

/// The names at the outermost level; nested modules and components are stepped over.
fn read_names(bytes: &[u8]) -> Result<Names, Refusal> {
    if !bytes.starts_with(b"\0asm") {
        return Err(Refusal::NotWasm);
    }
    let malformed = |error: wasmparser::BinaryReaderError| Refusal::Malformed {
        why: format!("{} at byte {}", error.message(), error.offset()),
    };
    let mut names = Names { imports: Vec::new(), exports: Vec::new() };
    let mut parser = Parser::new(0);
    let mut rest = bytes;
    loop {
        let (consumed, payload) = match parser.parse(rest, true).map_err(malformed)? {
            Chunk::Parsed { consumed, payload } => (consumed, payload),
            // All bytes are here, so nothing more can be needed.
            Chunk::NeedMoreData(_) => return Err(Refusal::Malformed { why: "it is cut short".to_owned() }),
        };
        let mut skip = 0;
        match payload {
            Payload::Version { encoding: Encoding::Module, .. } => return Err(Refusal::CoreModule),
            Payload::ComponentImportSection(section) => {
                for import in section {
                    names.imports.push(import.map_err(malformed)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    names.exports.push(export.map_err(malformed)?.name.name.to_owned());
                }
            }
            Payload::ModuleSection { unchecked_range, .. }
            | Payload::ComponentSection { unchecked_range, .. } => skip = unchecked_range.len(),
            Payload::End(_) => return Ok(names),
            _ => {}
        }
        rest = rest
            .get(consumed + skip..)
            .ok_or_else(|| Refusal::Malformed { why: "a section ends after the file".to_owned() })?;
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The smallest component that passes: an empty interface under the handler's name.
    pub(in super::super) const SMALLEST: &str = r#"(component
        (core module (func (export "f")))
        (import "wasi:cli/environment@0.2.9" (instance))
        (instance $i)
        (export "orchestrator:workflow/handler@0.1.0" (instance $i)))"#;

    fn look(wat: &str) -> Result<Inspection, Refusal> {
        inspect(&wat::parse_str(wat).unwrap())
    }

    fn refused(wat: &str) -> String {
        look(wat).unwrap_err().to_string()
    }

    #[test]
    fn what_fits_is_listed() {
        let found = look(SMALLEST).unwrap();
        assert_eq!(found.imports[0].kind, ImportKind::Wasi);
        assert_eq!(found.exports, ["orchestrator:workflow/handler@0.1.0"]);
        assert_eq!(found.digest.0.len(), 64);
    }

    #[test]
    fn strangers_are_named() {
        assert_eq!(
            refused(r#"(component (import "acme:database/sql@1.0.0" (instance)))"#),
            "the component needs acme:database/sql@1.0.0, which workflows don't get"
        );
        assert!(refused(r#"(component (import "wasi:http/types@0.2.0" (instance)))"#).contains("wasi:http"));
        assert!(refused(r#"(component (import "wasi:io/poll@0.3.0" (instance)))"#).contains("don't get"));
        assert!(refused(r#"(component (import "plain" (func)))"#).contains("plain"));
    }

    #[test]
    fn our_own_package_must_be_of_this_version() {
        assert_eq!(
            refused(r#"(component (import "orchestrator:workflow/log@0.2.0" (instance)))"#),
            "the component was built for orchestrator:workflow@0.2.0; this program has 0.1.0"
        );
        assert!(
            refused(r#"(component (import "orchestrator:workflow/teleport@0.1.0" (instance)))"#)
                .contains("teleport")
        );
        assert!(matches!(
            look(r#"(component (instance $i) (export "orchestrator:workflow/handler@0.9.0" (instance $i)))"#),
            Err(Refusal::OtherVersion { found }) if found == "0.9.0"
        ));
    }

    #[test]
    fn a_component_without_a_handler_is_refused() {
        assert!(refused("(component)").contains("exports nothing"));
        let other = r#"(component (instance $i) (export "wasi:cli/run@0.2.0" (instance $i)))"#;
        assert!(refused(other).contains("exports wasi:cli/run@0.2.0"));
    }

    #[test]
    fn what_is_no_component_is_said_so() {
        assert_eq!(inspect(b""), Err(Refusal::NotWasm));
        assert_eq!(inspect(b"#!/bin/sh\n"), Err(Refusal::NotWasm));
        assert_eq!(inspect(&wat::parse_str("(module)").unwrap()), Err(Refusal::CoreModule));
        assert!(matches!(inspect(b"\0asm"), Err(Refusal::Malformed { .. })));
    }

    #[test]
    fn every_cut_and_every_flip_is_survived() {
        let sound = wat::parse_str(SMALLEST).unwrap();
        for end in 0..sound.len() {
            let _ = inspect(&sound[..end]);
        }
        for at in 0..sound.len() {
            for bit in 0..8 {
                let mut damaged = sound.clone();
                damaged[at] ^= 1 << bit;
                let _ = inspect(&damaged);
            }
        }
    }
}

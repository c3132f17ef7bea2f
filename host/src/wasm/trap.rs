//! How a guest ended that didn't return.

use wasmtime::WasmBacktrace;

use super::LimitReached;

/// The most frames of a backtrace that are kept: the innermost are the ones that tell something.
const FRAMES_MAX: usize = 16;

/// The most of a frame's name: generic Rust functions have endless ones.
const FRAME_CHARS_MAX: usize = 160;

/// What kind of end it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrapKind {
    /// `unreachable`: what a panic or an abort becomes.
    Abort,
    /// It computed for too long without a step.
    Fuel,
    /// Its stack is used up: recursion without end.
    Stack,
    /// A bound of memory, tables, calls, handles or log lines.
    Limit(LimitReached),
    /// It called `exit` of WASI.
    Exit,
    /// Any other trap of WebAssembly: out of bounds, division by zero.
    Other,
}

/// How a guest ended that didn't return: for people, and for the pause that follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trap {
    /// What kind of end it was.
    pub kind: TrapKind,
    /// What happened, in words: a fragment without a full stop.
    pub message: String,
    /// Names of the guest's functions, innermost first; empty where it has no names.
    pub backtrace: Vec<String>,
}

impl Trap {
    /// Reads what wasmtime gives for a call that didn't return.
    #[must_use]
    pub fn from_error(error: &wasmtime::Error) -> Self {
        let (kind, message) = classify(error);
        Self { kind, message, backtrace: frames(error) }
    }

    /// The message and the backtrace, one frame a line.
    #[must_use]
    pub fn report(&self) -> String {
        let mut text = self.message.clone();
        for frame in &self.backtrace {
            text.push_str("\n  at ");
            text.push_str(frame);
        }
        text
    }
}

fn classify(error: &wasmtime::Error) -> (TrapKind, String) {
    if let Some(limit) = error.downcast_ref::<LimitReached>() {
        return (TrapKind::Limit(*limit), limit.to_string());
    }
    if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
        return (TrapKind::Exit, format!("it called exit({}) instead of returning", exit.0));
    }
    match error.downcast_ref::<wasmtime::Trap>() {
        Some(wasmtime::Trap::OutOfFuel) => {
            (TrapKind::Fuel, "it computed for too long without a step: a loop without end?".to_owned())
        }
        Some(wasmtime::Trap::StackOverflow) => {
            (TrapKind::Stack, "its stack is used up: a recursion without end?".to_owned())
        }
        Some(wasmtime::Trap::UnreachableCodeReached) => {
            (TrapKind::Abort, "it panicked or aborted".to_owned())
        }
        Some(other) => (TrapKind::Other, other.to_string()),
        None => {
            let text = error.root_cause().to_string();
            if text.contains(CALL_BYTES_TEXT) {
                (TrapKind::Limit(LimitReached::CallBytes), LimitReached::CallBytes.to_string())
            } else {
                (TrapKind::Other, plain(&text))
            }
        }
    }
}

/// The engine has no public type for this one of its errors.
const CALL_BYTES_TEXT: &str = "fuel allocated for hostcalls has been exhausted";

/// The first line, shortened: an error's text may quote what the guest sent.
fn plain(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(400).collect()
}

/// Where the guest was: one line a frame, `module!function` with demangled names, innermost first. The display of the engine's backtrace
/// is the one place that demangles, so its lines are taken apart here.
#[must_use]
pub fn frames(error: &wasmtime::Error) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return Vec::new();
    };
    let text = backtrace.to_string();
    let lines = text.lines().skip(1).filter_map(|line| line.split_once(" - "));
    // Glue that the engine puts between a component's modules has no name.
    let named = lines.filter(|(_, name)| !name.starts_with("<unknown>!"));
    named.take(FRAMES_MAX).map(|(_, name)| readable(name)).collect()
}

/// A frame's name without the hashes that the mangling of Rust leaves: `::h0123456789abcdef` at the
/// end, `[0123456789abcdef]` behind each crate.
fn readable(name: &str) -> String {
    let is_hash = |text: &str| text.len() >= 15 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let name = match name.rsplit_once("::h") {
        Some((rest, hash)) if is_hash(hash) => rest,
        _ => name,
    };
    let mut text = String::with_capacity(name.len());
    for part in name.split_inclusive(']') {
        match part.strip_suffix(']').and_then(|part| part.rsplit_once('[')) {
            Some((before, hash)) if is_hash(hash) => text.push_str(before),
            _ => text.push_str(part),
        }
    }
    text.chars().take(FRAME_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_names_that_people_know() {
        assert_eq!(
            readable("w.wasm!orchestrator_sdk::workflow::private::call::h5bfb9376577c3086"),
            "w.wasm!orchestrator_sdk::workflow::private::call"
        );
        assert_eq!(
            readable(
                "w.wasm!<alloc[60c8babfd1b21f68]::string::String as core[6d9e98711c484d2e]::fmt::Write>::f"
            ),
            "w.wasm!<alloc::string::String as core::fmt::Write>::f"
        );
        assert_eq!(readable("w.wasm!f::<[u8; 4]>"), "w.wasm!f::<[u8; 4]>");
    }
}

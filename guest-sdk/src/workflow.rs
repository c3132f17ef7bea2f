//! From a plain function to the component's export.

/// Makes a function the workflow's entry: `workflow!(run);`.
///
/// The function is `fn(Input) -> Result<Output>`, where `Input` implements `Deserialize` and `Output`
/// implements `Serialize`. The run's JSON input is read as `Input`; what doesn't fit fails the run with
/// `input.invalid`, naming the field. The result becomes JSON.
///
/// The package's library needs `crate-type = ["cdylib", "rlib"]`: a component from the one, native tests
/// from the other.
#[macro_export]
macro_rules! workflow {
    ($run:path) => {
        const _: () = {
            fn entry(input: &str) -> $crate::Result<::std::string::String> {
                $crate::private::call(input, $run)
            }
            $crate::__export!(entry);
        };
    };
}

/// In WebAssembly, the entry is exported.
#[cfg(target_family = "wasm")]
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($entry:ident) => {
        struct Component;
        impl $crate::private::Guest for Component {
            fn run(input: ::std::string::String) -> ::std::result::Result<::std::string::String, $crate::private::Failure> {
                $entry(&input).map_err(::std::convert::Into::into)
            }
        }
        $crate::private::export!(Component with_types_in $crate::private::bindings);
    };
}

/// Natively, only tests call the workflow; naming the entry keeps it from being dead code.
#[cfg(not(target_family = "wasm"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($entry:ident) => {
        const _: fn(&str) -> $crate::Result<::std::string::String> = $entry;
    };
}

/// What the macros expand to. No part of the interface.
#[doc(hidden)]
pub mod private {
    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use crate::{Error, Result, input};

    #[cfg(target_family = "wasm")]
    pub use crate::host::{Failure, Guest, bindings, export};
    #[cfg(target_family = "wasm")]
    pub use wit_bindgen::rt;

    /// Calls a workflow with JSON, as the component's export does.
    pub fn call<I, O>(text: &str, run: impl FnOnce(I) -> Result<O>) -> Result<String>
    where
        I: DeserializeOwned,
        O: Serialize,
    {
        #[cfg(target_family = "wasm")]
        std::panic::set_hook(Box::new(tell_panic));
        let output = run(input::parse(text)?)?;
        serde_json::to_string(&output)
            .map_err(|error| Error::new("workflow.output", format!("writing the result as JSON: {error}")))
    }

    /// One line, which the host makes part of its own message. There are no threads to name, and the
    /// host shows the frames.
    #[cfg(target_family = "wasm")]
    #[allow(clippy::print_stderr)] // A panic has no other way out.
    fn tell_panic(panic: &std::panic::PanicHookInfo<'_>) {
        let message = panic.payload_as_str().unwrap_or("without a message");
        match panic.location() {
            Some(place) => eprintln!("panicked at {}:{}: {message}", place.file(), place.line()),
            None => eprintln!("panicked: {message}"),
        }
    }
}

//! What wit-bindgen makes of the interface in `wit/`.

// Calls across the component's border are raw pointers underneath; all of this is generated.
#![allow(unsafe_code, missing_docs, unreachable_pub, clippy::all)]

wit_bindgen::generate!({
    path: "wit",
    world: "workflow",
    pub_export_macro: true,
    default_bindings_module: "orchestrator_sdk::private::bindings",
    runtime_path: "::orchestrator_sdk::private::rt",
});

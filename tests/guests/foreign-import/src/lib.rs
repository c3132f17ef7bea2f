//! Imports `acme:database/sql`, which no host of workflows has. It must be refused before it is linked,
//! with that name in the message; it never runs.

use orchestrator_sdk::prelude::*;

workflow!(run);

fn run(_: ()) -> Result<String> {
    Ok(query("select 1"))
}

#[cfg(target_family = "wasm")]
use bindings::acme::database::sql::query;

#[cfg(target_family = "wasm")]
mod bindings {
    // Generated calls across the component's border are raw pointers underneath.
    #![allow(unsafe_code, missing_docs, unreachable_pub, clippy::all)]

    wit_bindgen::generate!({
        inline: "
            package acme:database@1.2.0;
            interface sql {
                query: func(statement: string) -> string;
            }
            world client {
                import sql;
            }
        ",
    });
}

/// Natively there is nothing to import from.
#[cfg(not(target_family = "wasm"))]
fn query(statement: &str) -> String {
    statement.to_owned()
}

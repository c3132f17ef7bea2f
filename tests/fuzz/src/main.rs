//! One target under libFuzzer: the one that `FUZZ_TARGET` names. Started by `cargo xtask fuzz`.

#![no_main]

use std::sync::OnceLock;

static CHOSEN: OnceLock<&'static fuzz::Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let chosen = CHOSEN.get_or_init(|| {
        let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
        fuzz::target(&name).expect("FUZZ_TARGET names a target")
    });
    (chosen.run)(data);
});

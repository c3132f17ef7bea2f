//! Bad components: each gives a clear error and its own exit code, leaves the host unhurt and the
//! state clean.

use std::path::Path;

use testkit::environment::{Environment, Finished};

use crate::embedded::Embedded;
use crate::support::{environment, guest};

/// The workflow trapped, diverged or does not fit.
const WORKFLOW: i32 = 12;

/// Runs the guest that misbehaves in this way.
fn misbehave(environment: &Environment, how: &str, more: &[&str]) -> Finished {
    let mut command = environment.command();
    command.arg("run").arg(guest("misbehaving")).arg("-i").arg(format!("how={how}")).args(more);
    Finished::of(&mut command).unwrap()
}

/// The state is clean, and the next run is none the worse.
#[track_caller]
fn expect_unhurt(environment: &Environment) {
    environment.run(&["state", "check"]).unwrap().expect_code(0);
    let hello = guest("hello");
    let finished = environment.run(&[Path::new("run"), &hello]).unwrap().expect_code(0);
    assert!(finished.stdout.contains("Hello, world!"), "{finished}");
}

fn run_file(environment: &Environment, name: &str, content: &[u8]) -> Finished {
    let path = environment.path(name);
    std::fs::write(&path, content).unwrap();
    environment.run(&[Path::new("run"), &path]).unwrap()
}

#[test]
fn garbage_is_refused() {
    let environment = environment();
    let finished =
        run_file(&environment, "garbage.wasm", b"this is no WebAssembly at all").expect_code(WORKFLOW);
    finished.expect_stderr("garbage.wasm");
    run_file(&environment, "empty.wasm", b"").expect_code(WORKFLOW).expect_stderr("empty.wasm");
    expect_unhurt(&environment);
}

#[test]
fn a_component_cut_short_is_refused() {
    let environment = environment();
    let whole = std::fs::read(guest("hello")).unwrap();
    run_file(&environment, "half.wasm", &whole[..whole.len() / 2]).expect_code(WORKFLOW);
    expect_unhurt(&environment);
}

#[test]
fn a_core_module_is_told_from_a_component() {
    let environment = environment();
    // The magic number and version 1 of a core module, which is a whole, empty one.
    let finished = run_file(&environment, "core.wasm", b"\0asm\x01\0\0\0").expect_code(WORKFLOW);
    finished.expect_stderr("component").expect_stderr("module");
    expect_unhurt(&environment);
}

#[test]
fn a_missing_file_is_not_found() {
    let environment = environment();
    environment.run(&["run", "nowhere.wasm"]).unwrap().expect_code(3).expect_stderr("nowhere.wasm");
}

#[test]
fn a_foreign_import_is_named_before_anything_runs() {
    let environment = environment();
    let foreign = guest("foreign-import");
    let finished = environment.run(&[Path::new("run"), &foreign]).unwrap().expect_code(WORKFLOW);
    finished.expect_stderr("acme:database/sql");
    let inspected = environment.run(&[Path::new("inspect"), &foreign]).unwrap();
    assert!(format!("{inspected}").contains("acme:database/sql"), "{inspected}");
    expect_unhurt(&environment);
}

#[test]
fn a_trap_and_a_panic_are_told_with_their_words() {
    let environment = environment();
    // In the component a panic is an `unreachable` too, so that a bare one is told by both names.
    misbehave(&environment, "trap", &[]).expect_code(WORKFLOW).expect_stderr("panicked or aborted");
    misbehave(&environment, "panic", &[])
        .expect_code(WORKFLOW)
        .expect_stderr("this workflow panics on purpose");
    misbehave(&environment, "exit", &[]).expect_code(WORKFLOW).expect_stderr("exit");
    expect_unhurt(&environment);
}

#[test]
fn an_endless_loop_and_an_endless_recursion_end() {
    let mut environment = environment();
    environment.configure("[limits]\nfuel = 50_000_000").unwrap();
    misbehave(&environment, "spin", &[]).expect_code(WORKFLOW).expect_stderr("fuel");
    misbehave(&environment, "recurse", &[]).expect_code(WORKFLOW).expect_stderr("stack");
    expect_unhurt(&environment);
}

#[test]
fn memory_has_a_limit() {
    let mut environment = environment();
    environment.configure("[limits]\nmemory = \"16MiB\"").unwrap();
    misbehave(&environment, "eat-memory", &[]).expect_code(WORKFLOW).expect_stderr("memory");
    expect_unhurt(&environment);
}

#[test]
fn floods_are_bounded() {
    let environment = environment();
    for how in ["flood-logs", "flood-stdout"] {
        let finished = misbehave(&environment, how, &["-i", "count=5000"]).expect_code(0);
        // 5,000 lines of 8 KiB are 40 MiB; a run may log 10.
        assert!(finished.stderr.len() < 16 << 20, "{how}: {} bytes came out", finished.stderr.len());
        assert!(finished.stdout.len() < 4096, "{how}: standard output is the result's alone");
    }
    expect_unhurt(&environment);
}

#[test]
fn huge_arguments_results_and_handles_without_end_are_survived() {
    let server = Embedded::start(false);
    let mut environment = environment();
    environment.configure(&server.site("peer")).unwrap();
    let data = environment.make_folder("data").unwrap();
    let folder = format!("data={}", data.display());
    let granted = ["--site", "peer", "--dir", &folder, "-i", "site=peer", "-i", "folder=data"];
    let finished = misbehave(&environment, "huge-argument", &granted);
    assert!(matches!(finished.code, Some(0 | WORKFLOW)), "{finished}");
    let finished = misbehave(&environment, "huge-result", &granted);
    assert!(matches!(finished.code, Some(1 | WORKFLOW)), "{}", finished.stderr);
    let many = [granted.as_slice(), &["-i", "count=5000"]].concat();
    let finished = misbehave(&environment, "flood-handles", &many);
    assert!(matches!(finished.code, Some(1 | WORKFLOW)), "{finished}");
    expect_unhurt(&environment);
}

#[test]
fn what_was_not_granted_is_refused() {
    let server = Embedded::start(false);
    let mut environment = environment();
    environment.configure(&server.site("peer")).unwrap();
    let refused = misbehave(&environment, "flood-handles", &["-i", "site=peer", "-i", "count=1"]);
    refused.expect_code(2).expect_stderr("peer").expect_stderr("--site");
    assert!(server.effects().is_empty());
}

#[test]
fn a_trapped_run_goes_on_with_a_mended_workflow_and_with_no_other() {
    let environment = environment();
    let mended = guest("mended");
    let resume = |workflow: &Path| {
        let mut command = environment.command();
        Finished::of(command.args(["resume", "--last", "--workflow"]).arg(workflow)).unwrap()
    };
    let trapped = misbehave(&environment, "trap-later", &["-i", "count=1"]).expect_code(WORKFLOW);
    trapped.expect_stderr("--workflow");
    let other = resume(&mended).expect_code(WORKFLOW);
    other.expect_stderr("recorded: checkpoint.save").expect_stderr("now:      checkpoint.save");
    resume(&guest("foreign-import")).expect_code(WORKFLOW).expect_stderr("acme:database");
    resume(Path::new("nowhere.wasm")).expect_code(3);

    misbehave(&environment, "trap-later", &["-i", "count=2"]).expect_code(WORKFLOW);
    let finished = resume(&mended).expect_code(0);
    assert_eq!(finished.stdout.trim(), "\"mended\"", "{finished}");
    expect_unhurt(&environment);
}

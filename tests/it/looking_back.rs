//! `replay`, `export`, `import`, `retry` as they are typed, of runs that moved real files.

use serde_json::Value;
use testkit::oracle;
use testkit::servers::{Kind, Options, Server, Tls};

use crate::embedded::Embedded;
use crate::support::{document, environment, guest, last_document};

/// What is told of each step, in order.
fn steps(replay: &Value) -> Vec<(u64, &str)> {
    let events = replay["events"].as_array().unwrap().iter();
    events.filter_map(|event| Some((event["step"].as_u64()?, event["kind"].as_str()?))).collect()
}

#[test]
fn a_run_against_vsftpd_is_replayed_where_there_is_no_server() {
    let server = Server::start(Kind::Vsftpd, &Options { tls: Tls::None, ..Options::default() }).unwrap();
    let files = oracle::files();
    for file in &files {
        server.put(&format!("in/{}", file.name), &file.content).unwrap();
    }
    let mut here = environment();
    here.configure(&server.site("peer")).unwrap();
    let data = format!("data={}", here.make_folder("data").unwrap().display());
    let mirror = guest("mirror");
    let run = ["-ojson", "run", mirror.to_str().unwrap(), "--site", "peer", "--dir", &data];
    let inputs = ["-isite=peer", "-ifrom=in", "-ito=data", "-iparallel=3"];
    let arguments: Vec<_> = run.into_iter().chain(inputs).collect();
    let done = document(&here.run(&arguments).unwrap().expect_code(0));
    let id = done["run"].as_str().unwrap();
    let file = here.path("run.orch");
    let file = file.to_str().unwrap();
    here.run(&["export", id, file]).unwrap().expect_code(0);
    drop(server);

    // Without a server, a configuration or a state.
    let there = environment();
    let replay = document(&there.run(&["-ojson", "replay", file]).unwrap().expect_code(0));
    assert_eq!((&replay["end"]["end"], &replay["end"]["output"]), (&"done".into(), &done["output"]));
    let all = steps(&replay);
    assert_eq!(all.first(), Some(&(1, "ftp.open")), "{all:?}");
    assert!(!there.state().exists(), "it left a state behind");

    // It stops where it is told, and says where the workflow is then.
    let finished = there.run(&["-ojson", "replay", file, "--to", "2"]).unwrap().expect_code(0);
    let stopped = document(&finished);
    assert_eq!((&stopped["end"]["end"], &stopped["step"]), (&"stopped".into(), &2.into()));
    assert_eq!(steps(&stopped), all[..2]);
    assert!(stopped["at"].as_array().unwrap().iter().any(|at| at.as_str().unwrap().contains("mirror")));

    // Taken in, it can be looked at, and not gone on with.
    there.run(&["import", file]).unwrap().expect_code(0);
    there.run(&["import", file]).unwrap().expect_code(1).expect_stderr("run.exists");
    let shown = document(&there.run(&["-ojson", "show", id]).unwrap().expect_code(0));
    assert_eq!(shown["output"], done["output"]);
    there.run(&["replay", id]).unwrap().expect_code(0);
    there.run(&["state", "check"]).unwrap().expect_code(0);

    // Another workflow does something else.
    let hello = guest("hello");
    let other = there.run(&["replay", file, "--workflow", hello.to_str().unwrap()]).unwrap();
    other.expect_code(12).expect_stderr("recorded: ftp.open");
}

#[test]
fn a_failed_run_does_its_last_step_again() {
    let server = Embedded::start(false);
    let mut environment = environment();
    environment.configure(&server.site("peer")).unwrap();
    let data = format!("data={}", environment.make_folder("data").unwrap().display());
    let mirror = guest("mirror");
    let run = ["-ojson", "run", mirror.to_str().unwrap(), "--site", "peer", "--dir", &data];
    let inputs = ["-isite=peer", "-ifrom=late", "-ito=data"];
    let arguments: Vec<_> = run.into_iter().chain(inputs).collect();
    let failed = document(&environment.run(&arguments).unwrap().expect_code(4));
    let id = failed["run"].as_str().unwrap();
    environment.run(&["resume", id]).unwrap().expect_code(3).expect_stderr("retry");

    std::fs::create_dir(server.root().join("late")).unwrap();
    std::fs::write(server.root().join("late/a.txt"), "here after all").unwrap();
    let done = last_document(&environment.run(&["-ojson", "retry", id]).unwrap().expect_code(0));
    assert_eq!((&done["run"], &done["output"]["files"]), (&failed["run"], &1.into()), "{done}");
    let came = std::fs::read_to_string(environment.path("data/a.txt")).unwrap();
    assert_eq!(came, "here after all");
    environment.run(&["retry", id]).unwrap().expect_code(2).expect_stderr("--from");
    let history = document(&environment.run(&["-ojson", "history", id, "--kind", "retried"]).unwrap());
    assert_eq!(history["entries"].as_array().unwrap().len(), 1);
}

#[test]
fn what_is_no_export_is_refused_in_words() {
    let environment = environment();
    std::fs::write(environment.path("notes.txt"), "not an export").unwrap();
    let notes = environment.path("notes.txt");
    let notes = notes.to_str().unwrap();
    environment.run(&["replay", notes]).unwrap().expect_code(13).expect_stderr("no backup");
    environment.run(&["import", notes]).unwrap().expect_code(13);
    environment.run(&["import", "missing.orch"]).unwrap().expect_code(3);
    environment.run(&["replay", "01JD51"]).unwrap().expect_code(3);
}

//! The pages, one for each code.

use orchestrator_host::model::{Fault, FaultClass, FaultCode};
use serde_json::{Value, json};

use crate::exit::{self, Exit};

/// What a code means, and what to do.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) code: &'static str,
    pub(crate) exit: Exit,
    /// How the host treats it.
    pub(super) class: &'static str,
    /// What it means: a sentence's fragment, without a full stop.
    pub(crate) means: &'static str,
    /// What usually helps.
    pub(crate) action: &'static str,
}

impl Page {
    pub(crate) fn text(&self) -> String {
        format!(
            "{}: {}\n\n{}\n\n{} Exit code {} ({}).\n",
            self.code,
            self.means,
            self.action,
            self.class,
            self.exit.number(),
            self.exit.meaning()
        )
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "$type": "orchestrator.code/1",
            "code": self.code,
            "exit": self.exit.number(),
            "means": self.means,
            "action": self.action,
        })
    }
}

/// Codes of the command line and the node, which no workflow ever sees.
pub(crate) const OWN: &[Page] = &[
    Page {
        code: "schedule.not-found",
        exit: Exit::NotFound,
        class: ASKED,
        means: "the state has no schedule of that name",
        action: "`orchestrator schedule list` shows the schedules of this state; --state names another one.",
    },
    Page {
        code: "schedule.exists",
        exit: Exit::Usage,
        class: ASKED,
        means: "there is a schedule of that name already",
        action: "`orchestrator schedule edit NAME` changes it, and nothing but what is named.",
    },
    Page {
        code: "schedule.skipped",
        exit: Exit::Skipped,
        class: ASKED,
        means: "a run of the schedule is still under way, and its policy leaves the firing out",
        action: "Wait for the run or cancel it; `--overlap allow` begins another one beside it.",
    },
    Page {
        code: "schedule.changed",
        exit: Exit::Temporary,
        class: ASKED,
        means: "somebody else changed the schedule in the same moment",
        action: "Look at it with `orchestrator schedule show NAME`, and try again.",
    },
    Page {
        code: "schedule.backfill",
        exit: Exit::Failed,
        class: ASKED,
        means: "some runs of a backfill failed",
        action: "`orchestrator list` shows why. The same command with --failed does only those once more.",
    },
    Page {
        code: "run.not-found",
        exit: Exit::NotFound,
        class: ASKED,
        means: "the state has no such run, or several whose ids begin so",
        action: "`orchestrator list` shows the runs of this state; --state names another one. The first letters \
                 of an id are enough as long as no other id begins with them.",
    },
    Page {
        code: "run.nothing-to-resume",
        exit: Exit::NotFound,
        class: ASKED,
        means: "every run of this state has ended",
        action: "Nothing needs to be done. `orchestrator list` shows how they ended.",
    },
    Page {
        code: "run.closed",
        exit: Exit::NotFound,
        class: ASKED,
        means: "the run has ended, so it can't go on and can't be cancelled",
        action: "`orchestrator show RUN` prints its result; `orchestrator run` begins a new one.",
    },
    Page {
        code: "memory.not-found",
        exit: Exit::NotFound,
        class: ASKED,
        means: "the workflow remembers nothing of that name",
        action: "`orchestrator memory list` shows which workflows remember anything, and \
                 `orchestrator memory list WORKFLOW` what. A workflow's name is that of its file, without `.wasm`.",
    },
    Page {
        code: "run.imported",
        exit: Exit::Failed,
        class: ASKED,
        means: "the run was taken in from another state, where it may be going on",
        action: "It can be looked at (`orchestrator show`, `history`, `logs`) and replayed (`orchestrator replay`), \
                 here; it is resumed, retried and cancelled where it came from.",
    },
    Page {
        code: "run.exists",
        exit: Exit::Failed,
        class: ASKED,
        means: "the state has a run of this id already",
        action: "`orchestrator show RUN` shows it; `orchestrator purge RUN` forgets it once it has ended.",
    },
    Page {
        code: "workflow.refused",
        exit: Exit::Workflow,
        class: ASKED,
        means: "the file isn't a workflow that this host can run",
        action: "`orchestrator inspect FILE` lists what the component imports and exports and what doesn't fit. \
                 A workflow is a component (not a core module), exports the interface `handler`, and imports \
                 only our interfaces and WASI 0.2.",
    },
    Page {
        code: "workflow.trapped",
        exit: Exit::Workflow,
        class: PAUSED,
        means: "the workflow panicked, or ended itself",
        action: "The message shows where, and `orchestrator history RUN` how far it came. Mend the workflow and \
                 begin a new run.",
    },
    Page {
        code: "run.diverged",
        exit: Exit::Workflow,
        class: PAUSED,
        means: "replayed over its journal, the workflow asked for something else than the first time",
        action: "The message shows both calls. Workflows must take time, chance and all input from the host. \
                 Resume with the workflow that began the run, or with one that does what it did up to here: \
                 `orchestrator resume RUN --workflow W.wasm` tries that first.",
    },
    Page {
        code: "workflow.stack",
        exit: Exit::Workflow,
        class: PAUSED,
        means: "the workflow used up its stack: most often a recursion without end",
        action: "The message shows where. Mend the workflow and begin a new run.",
    },
    Page {
        code: "workflow.limit",
        exit: Exit::Workflow,
        class: PAUSED,
        means: "the workflow went over a limit: memory, fuel, calls or handles",
        action: "The message names the limit. Where the workflow really needs more, raise it in [limits] of the \
                 configuration and `orchestrator resume RUN`; else mend the workflow and begin a new run.",
    },
    Page {
        code: "workflow.output",
        exit: Exit::Failed,
        class: ASKED,
        means: "what the workflow returned is no JSON, or is too long",
        action: "Results are for people and scripts, at most 1 MiB; write files for anything larger.",
    },
    Page {
        code: "run.suspected",
        exit: Exit::Workflow,
        class: PAUSED,
        means: "the run was live at several unclean ends of the process and may be their cause",
        action: "Look at `orchestrator history RUN` and at what ended the process (memory? the system's log?), \
                 then `orchestrator resume RUN`.",
    },
    Page {
        code: "state.in-use",
        exit: Exit::StateDamaged,
        class: ASKED,
        means: "another process holds the state and doesn't answer on its socket",
        action: "The message names the process. If it hangs, end it: its runs are resumable. If it is another \
                 version of this program, use that version or let its runs end.",
    },
    Page {
        code: "node.lost",
        exit: Exit::Temporary,
        class: ASKED,
        means: "the process that held the state ended while it worked for this command",
        action: "`orchestrator list` shows what had begun; `orchestrator resume RUN` goes on.",
    },
];

const ASKED: &str = "It is about the command, not about a step of a run.";
const PAUSED: &str = "The run is paused and keeps its journal.";

/// The page of a fault's code.
pub(crate) fn of_fault(code: &'static FaultCode) -> Page {
    use FaultCode as C;
    let (means, action) = match code {
        C::FtpUnreachable => (
            "the address refused or reset the connection, or can't be routed to",
            "Check host and port in the site's url, the firewall, and that the server runs: \
             `orchestrator site test NAME`. Explicit TLS is on port 21, implicit on 990.",
        ),
        C::FtpUnknownHost => (
            "the host name has no address",
            "Check the name in the site's url and this machine's name service.",
        ),
        C::FtpProxy => (
            "the site's proxy can't be reached, or doesn't let us through",
            "Check `proxy` and `proxy_password` of the site, and that the proxy allows the server's data ports: \
             FTP needs a new one for each file. The message says what the proxy answered.",
        ),
        C::FtpTimeout => (
            "the server didn't answer in time",
            "Raise `timeout` (replies), `connect_timeout`, `greeting_timeout` or `idle_timeout` (data) of the \
             site if the server is slow, or lower `min_speed` if the link is; if data never comes, a firewall may block its data ports: try `mode = \"active\"` or \
             have the passive ports opened.",
        ),
        C::FtpConnectionLost => (
            "the control or data connection ended early",
            "Usually the network or the server's own limits. Transfers go on from the last safe byte; raise \
             `attempts` if the line is bad.",
        ),
        C::FtpTooMany => (
            "the server takes no more sessions for this user or address",
            "Lower `sessions` of the site, or `parallel` of the workflow.",
        ),
        C::FtpLogin => (
            "the server refused user or password",
            "Check the user in the site's url and what its password reference gives: \
             `orchestrator config check` says whether it can be read, without showing it.",
        ),
        C::FtpTls => (
            "the server has no TLS, or not the TLS that the site asks for",
            "Set `tls` of the site to \"explicit\" (AUTH TLS, port 21) or \"implicit\" (port 990). Only where \
             nobody can listen: tls = \"none\".",
        ),
        C::FtpCertificate => (
            "the server's certificate isn't trusted, or it wants one of ours",
            "For a private authority set `ca_file`; for mutual TLS `client_cert` and `client_key`. The name in \
             the url must be the certificate's.",
        ),
        C::FtpNotFound => (
            "there is no such file or folder on the server",
            "Paths start at the root in the site's url. `orchestrator site ls NAME:PATH` shows what is there.",
        ),
        C::FtpExists => (
            "the target exists and the policy says not to replace it",
            "Choose another if-exists policy in the workflow, or move the file away.",
        ),
        C::FtpDenied => (
            "the server doesn't permit it",
            "Ask whoever runs the server for the right to read, write, rename or delete there. A server that \
             lets you write but not rename needs direct transfers (`site put --direct`).",
        ),
        C::FtpBusy => (
            "the server is busy, or the file is locked",
            "It is tried again by itself. If it lasts, somebody else may be writing the file.",
        ),
        C::FtpNoSpace => (
            "the server is out of space, or the account is over its quota",
            "Have space made there, then `orchestrator resume RUN`: what was sent isn't sent again.",
        ),
        C::FtpUnsupported => {
            ("the server can't do what is needed", "`orchestrator site test NAME` lists what it can do.")
        }
        C::FtpBadName => (
            "the name can't be sent, or the server refuses it",
            "Names may not hold control characters or `..`; some servers refuse more.",
        ),
        C::FtpProtocol => (
            "the server's answer is outside the protocol, or over a bound",
            "If it lasts, run with -vv and report what the server said.",
        ),
        C::FtpNoDataConnection => (
            "a data connection couldn't be opened",
            "A firewall or NAT stands between. Try `mode = \"active\"`, or have the server's passive ports \
             opened.",
        ),
        C::FtpRemoteChanged => (
            "the remote file changed while it was read",
            "Somebody still writes it. Wait for it to settle (the workflow's wait-for, or `settle` of the site).",
        ),
        C::FtpTruncated => (
            "fewer bytes came than the server said",
            "It is tried again from the last safe byte. If it lasts, the file on the server is shorter than \
             its listing.",
        ),
        C::MemoryFull => (
            "the workflow remembers as many values or files as it may",
            "`orchestrator memory list WORKFLOW` shows what it remembers, and `orchestrator memory remove` \
             forgets it. A workflow has room for 1,000 values and 1,000,000 files.",
        ),
        C::FileNotFound => (
            "a local file or folder isn't there",
            "Check the path; relative paths are relative to where the command was started.",
        ),
        C::FileExists => (
            "the local target exists and the policy says not to replace it",
            "Choose another if-exists policy in the workflow, or move the file away.",
        ),
        C::FileDenied => (
            "the operating system doesn't permit it",
            "Check the owner and mode of the file and of its folder, and that the file system isn't read-only.",
        ),
        C::FileNoSpace => (
            "the local disk is full, or a quota is used up",
            "Make space, then `orchestrator resume RUN`: what has come isn't fetched again.",
        ),
        C::FileBadName => (
            "the path leaves the granted folder, or has a name that can't be used safely",
            "Local paths begin with the name of a granted folder: NAME/sub/file. Symbolic links as last part \
             aren't followed.",
        ),
        C::FileChanged => (
            "the local source changed while it was sent",
            "Send files that nobody writes any more: have the producer write aside and rename.",
        ),
        C::FileTooLarge => ("it is over a limit of size or number", "The message names the limit."),
        C::FileIo => (
            "the operating system failed",
            "The message has its words; look at the disk and the kernel's log.",
        ),
        C::VerifyDigest => (
            "the content isn't what its digest says",
            "The target was not touched. Fetch the file again, or ask the sender for the right digest.",
        ),
        C::VerifyRecords => (
            "the content hasn't the number of records that it should have",
            "The target was not touched. The file may be incomplete at its source.",
        ),
        C::VerifySize => (
            "the size isn't what it should be",
            "The target was not touched. Somebody may have written the file meanwhile.",
        ),
        C::GrantRefused => (
            "the workflow asked for a site or folder that this run wasn't given",
            "Grant it: `orchestrator run … --site NAME --dir NAME=PATH`.",
        ),
        C::InputInvalid => (
            "the run's input isn't what the workflow expects",
            "The message names the field. Inputs are -i key=value, or --input FILE.json.",
        ),
        C::CallInvalid => (
            "the workflow made a call that no host could carry out",
            "The message says of what call. It is a fault of the workflow, or of the input that it was given: a number out of bounds, a glob with an open bracket.",
        ),
        C::ConfigInvalid => (
            "the configuration, or a password that it refers to, can't be used",
            "The message names the file and line. `orchestrator config check` reads all of it.",
        ),
        C::RunCancelled => ("the run was cancelled", "Nothing more is done for it."),
        C::RunInterrupted => (
            "the process ended before the run did",
            "`orchestrator resume RUN` goes on at the last safe byte.",
        ),
        C::RunDeadline => (
            "the deadline of a step or of the run passed",
            "Raise it in the workflow, or find what was slow: `orchestrator history RUN`.",
        ),
        C::RunIndeterminate => (
            "it isn't known whether an effect took place",
            "The message names the effect and the file. Look at the server, put it right if need be, then \
             `orchestrator resume RUN`.",
        ),
        C::RunTooLong => (
            "the run's journal is over its limit",
            "Have the workflow move many files with a batch, which takes few entries of the journal.",
        ),
        C::StateUnwritable => (
            "the state folder couldn't be written",
            "Check space, owner and mode of the folder, and that its file system isn't read-only. Nothing that \
             was acknowledged is lost; `orchestrator resume` goes on.",
        ),
        C::StateDamaged => (
            "the state folder's content isn't what was written",
            "Nothing was changed. `orchestrator state check` says more; `orchestrator state restore` brings \
             back a backup. Keep the damaged folder until then.",
        ),
        C::HostBug => (
            "a fault of this program itself",
            "Please report it with the message and `orchestrator history RUN`.",
        ),
        C::Other(_) => ("a workflow made it up", "Its author knows."),
    };
    let class = match code.class() {
        FaultClass::Transient => "It may pass: it is tried again by the site's policy.",
        FaultClass::Permanent => "It lasts until somebody changes something, so it isn't tried again.",
        FaultClass::Cancelled => "It isn't tried again.",
        FaultClass::TimedOut => "It isn't tried again.",
        FaultClass::Indeterminate => "It is never repeated by itself.",
    };
    Page { code: code.as_str(), exit: exit::of_fault(&Fault::new(code.clone(), "")), class, means, action }
}

//! What goes wrong: rules for commands, twists of transfers, and what commands mean for files.

use std::time::Duration;

use super::tls::TlsPlan;

/// The pseudo-command that stands for a client's arrival: its answer is the greeting.
pub(super) const GREETING: &str = "(GREETING)";

/// Everything in which a server strays.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The first that fits a command is followed.
    pub rules: Vec<Rule>,
    /// What commands mean for files, and what is announced.
    pub quirks: Quirks,
    /// TLS, where the server has it.
    pub tls: Option<TlsPlan>,
    /// The control connection of this session, counted from 1, is cut after so many bytes, both ways
    /// together, TLS's own included.
    pub cut_control: Option<(u32, u64)>,
}

/// What is done for some commands instead of obeying them.
#[derive(Clone, Debug)]
pub struct Rule {
    verb: String,
    skip: u32,
    times: u32,
    acts: Vec<Act>,
}

impl Rule {
    /// For every command that begins with `verb`, in capitals.
    pub fn on(verb: &str, acts: impl Into<Vec<Act>>) -> Self {
        Self { verb: verb.to_owned(), skip: 0, times: u32::MAX, acts: acts.into() }
    }

    /// For the first of them only.
    pub fn once(verb: &str, acts: impl Into<Vec<Act>>) -> Self {
        Self { times: 1, ..Self::on(verb, acts) }
    }

    /// Leaves the first `skip` alone.
    pub fn after(self, skip: u32) -> Self {
        Self { skip, ..self }
    }

    /// For so many of them.
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }
}

/// One thing that the server does.
#[derive(Clone, Debug)]
pub enum Act {
    /// Sends these bytes as they are, line ends included.
    Say(Vec<u8>),
    /// The same byte by byte, each in a segment of its own.
    SaySlowly(Vec<u8>),
    /// Sends these bytes on the TCP connection, whatever is on top of it (F19).
    SayBelowTls(Vec<u8>),
    /// Sends these bytes over and over, until the client is gone.
    SayForEver(Vec<u8>),
    /// Waits.
    Wait(Duration),
    /// Closes the control connection without a word.
    HangUp,
    /// Does what the command asks for.
    Obey,
    /// Does it, and sends no reply.
    ObeyMutely,
    /// Does it, a transfer, with these twists.
    Transfer(Vec<Twist>),
    /// Another client replaces a file.
    Replace(String, Vec<u8>),
    /// Another client removes a file.
    Remove(String),
}

impl Act {
    /// Sends a reply; the line end is added.
    pub fn reply(text: &str) -> Self {
        Self::Say(format!("{text}\r\n").into_bytes())
    }
}

/// How a data connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As it should: under TLS with its goodbye.
    Clean,
    /// Without TLS's goodbye.
    NoGoodbye,
    /// With a reset.
    Reset,
}

/// How a transfer strays.
#[derive(Clone, Debug)]
pub enum Twist {
    /// This stands in place of "150 …"; empty for none.
    Opening(String),
    /// The data connection is refused with this reply, once it stands.
    Refuse(String),
    /// Only so many bytes pass, and the data connection ends so.
    EndAfter(u64, Ending),
    /// After so many bytes nothing passes any more; the connection stays open for so long.
    StallAfter(u64, Duration),
    /// So many bytes at a time, with a wait after each.
    Trickle(usize, Duration),
    /// The byte at this offset of what is sent is another one.
    Flip(u64),
    /// So many bytes follow the end of the file.
    Extra(u64),
    /// The control connection is closed after so many bytes; the transfer goes on.
    HangUpAt(u64),
    /// This stands in place of the final reply; empty for none.
    Final(String),
    /// The final reply comes before the data.
    FinalFirst,
    /// The final reply waits for so long.
    FinalAfter(Duration),
    /// The data connection ends so.
    End(Ending),
    /// What an upload brings reaches the file so much later, even when nobody waits for it.
    WriteLater(Duration),
    /// After so many bytes the disk is full: this is the reply, and the connection is reset.
    FullAfter(u64, String),
    /// Before the server connects in active mode, a stranger does, with these bytes (F27).
    Stranger(Vec<u8>),
    /// After so many bytes another client replaces the file with these.
    ReplaceAfter(u64, Vec<u8>),
    /// After so many bytes another client appends these.
    GrowAfter(u64, Vec<u8>),
}

/// What REST does to RETR.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RestOfRetr {
    /// The transfer begins there.
    #[default]
    Honoured,
    /// 350, and the transfer begins at 0 (F31).
    Ignored,
    /// This reply (F32).
    Refused(String),
    /// Forgotten when a data connection is asked for (F33).
    ForgottenByPasv,
}

/// What REST does to STOR (F34).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RestOfStor {
    /// What follows the offset is kept until it is written over; past the end 554: ProFTPD.
    #[default]
    KeepsTail,
    /// The file ends at the offset; past the end it is appended to: pure-ftpd.
    Truncates,
    /// What follows is kept; past the end there is a hole of zeros: vsftpd.
    LeavesHole,
    /// 350, and the file begins anew at 0.
    Ignored,
    /// 350, and the STOR is refused with 504.
    Refused,
}

/// What SIZE says (F36).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Size {
    /// The length.
    #[default]
    Right,
    /// 502.
    Missing,
    /// 550 for a file that is there.
    Refused,
    /// The length's low 32 bits.
    Wraps,
    /// 550 until TYPE I was sent.
    OnlyInBinary,
}

/// What MDTM says (F37).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Time {
    /// UTC to the second.
    #[default]
    Right,
    /// 502.
    Missing,
    /// So many hours off, while MLSD has UTC.
    Local(i64),
    /// With milliseconds.
    Fractions,
    /// The year as "19126": 19 and the years since 1900.
    Year19,
}

/// What commands mean for files, and what is announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quirks {
    /// REST before RETR.
    pub rest_retr: RestOfRetr,
    /// REST before STOR.
    pub rest_stor: RestOfStor,
    /// REST before APPE is obeyed: the file is overwritten there (F35, ProFTPD).
    pub rest_leaks_into_append: bool,
    /// What SIZE says.
    pub size: Size,
    /// What MDTM says.
    pub time: Time,
    /// MLST and MLSD are there.
    pub mlst: bool,
    /// HASH, XCRC and their like are there.
    pub hash: bool,
    /// The whole reply to FEAT, instead of the honest one.
    pub feat: Option<String>,
    /// A rename onto a name that exists is refused with 553 (F52).
    pub rename_refuses: bool,
    /// Listings come as these lines, whatever there is.
    pub listing: Option<Vec<u8>>,
    /// Listings never end.
    pub endless_listing: Option<Vec<u8>>,
    /// 227 names this address.
    pub pasv_address: Option<[u8; 4]>,
    /// The reply to PASV, with `{}` for the six numbers (F24).
    pub pasv_form: Vec<u8>,
    /// At most so many sessions; the next is sent away with this greeting.
    pub sessions_max: Option<(usize, String)>,
    /// The zone of LIST, in hours east of Greenwich (F60).
    pub time_zone_hours: i64,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            rest_retr: RestOfRetr::default(),
            rest_stor: RestOfStor::default(),
            rest_leaks_into_append: false,
            size: Size::default(),
            time: Time::default(),
            mlst: true,
            hash: false,
            feat: None,
            rename_refuses: false,
            listing: None,
            endless_listing: None,
            pasv_address: None,
            pasv_form: b"227 passive ({})".to_vec(),
            sessions_max: None,
            time_zone_hours: 0,
        }
    }
}

/// How far the rules have been used up.
#[derive(Debug, Default)]
pub(super) struct Progress {
    seen: Vec<u32>,
}

impl Progress {
    /// The acts for one command, of the first rule that fits; `None` where none does.
    pub(super) fn acts(&mut self, plan: &Plan, line: &str) -> Option<Vec<Act>> {
        self.seen.resize(plan.rules.len(), 0);
        let mut found = None;
        for (rule, seen) in plan.rules.iter().zip(&mut self.seen) {
            if !line.to_ascii_uppercase().starts_with(&rule.verb) || found.is_some() {
                continue;
            }
            *seen += 1;
            let number = *seen;
            if number > rule.skip && number - rule.skip <= rule.times {
                found = Some(rule.acts.clone());
            }
        }
        found
    }
}

//! The fold: what may follow what, and entries that come back as they were written.

use bytes::Bytes;
use proptest::prelude::*;

use super::created;
use crate::journal::disk::{self, Wanted};
use crate::journal::{
    BlobId, CallRecord, Ending, Entry, Error, Fact, Fingerprint, RunState, Stored, next_status,
};
use crate::model::{
    Fault, FaultClass, FaultCode, FolderGrant, LogLevel, PauseReason, RunStatus, StepSeq, Timestamp,
};

fn stored() -> impl Strategy<Value = Stored> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..64).prop_map(|bytes| Stored::Inline(bytes.into())),
        (any::<[u8; 32]>(), any::<u64>()).prop_map(|(id, bytes)| Stored::Blob { id: BlobId(id), bytes }),
    ]
}

fn call() -> impl Strategy<Value = CallRecord> {
    (".{0,8}", any::<u8>(), any::<[u8; 32]>(), ".{0,8}", proptest::option::of(".{0,8}")).prop_map(
        |(kind, encoding, hash, args, label)| CallRecord {
            kind,
            fingerprint: Fingerprint { encoding, hash },
            args,
            label,
        },
    )
}

fn code() -> impl Strategy<Value = FaultCode> {
    prop_oneof![
        proptest::sample::select(FaultCode::ALL.to_vec()),
        "[a-z]{1,4}\\.[a-z]{1,4}".prop_map(FaultCode::from)
    ]
}

fn fault() -> impl Strategy<Value = Fault> {
    use FaultClass as C;
    let class = proptest::sample::select(vec![
        C::Transient,
        C::Permanent,
        C::Cancelled,
        C::TimedOut,
        C::Indeterminate,
    ]);
    (code(), class, ".{0,16}", any::<Option<u16>>(), any::<u32>(), any::<Option<u64>>(), any::<bool>())
        .prop_map(|(code, class, message, reply, attempts, retry_after_ms, hint)| Fault {
            code,
            class,
            message,
            reply,
            attempts,
            retry_after_ms,
            hint: hint.then(|| "look".to_owned()),
        })
}

fn why() -> impl Strategy<Value = PauseReason> {
    use PauseReason as W;
    proptest::sample::select(vec![
        W::Trapped,
        W::Diverged,
        W::Exhausted,
        W::NoSpace,
        W::Indeterminate,
        W::Suspected,
        W::Restored,
        W::Asked,
    ])
}

fn level() -> impl Strategy<Value = LogLevel> {
    use LogLevel as L;
    proptest::sample::select(vec![L::Trace, L::Debug, L::Info, L::Warn, L::Error])
}

/// Facts of small steps, so that sequences of them are often legal.
fn fact() -> impl Strategy<Value = Fact> {
    let step = || (1..4_u64).prop_map(StepSeq);
    let after = || (0..3_u64).prop_map(StepSeq);
    let bytes = proptest::collection::vec(any::<u8>(), 0..16).prop_map(Bytes::from);
    let fields = proptest::collection::vec((".{0,4}", ".{0,4}"), 0..3);
    prop_oneof![
        (stored(), any::<[u8; 32]>(), proptest::option::of(stored())).prop_map(|(input, seed, resumed)| {
            let mut created = created(3);
            created.grants.folders = vec![FolderGrant { name: "out".to_owned(), path: "/srv/\u{e9}".into() }];
            created.grants.config = Some("/etc/o.toml".into());
            created.checkpoints = vec![("k".to_owned(), input.clone())];
            created.statuses = vec![("k".to_owned(), "v".to_owned())];
            Fact::RunCreated(Box::new(crate::journal::RunCreated { input, seed, resumed, ..created }))
        }),
        any::<u64>().prop_map(|deliveries| Fact::Resumed { deliveries }),
        (step(), call(), bytes).prop_map(|(step, call, evidence)| Fact::StepStarted { step, call, evidence }),
        (step(), any::<u32>(), fault(), any::<u64>()).prop_map(|(step, attempt, fault, at)| {
            Fact::StepAttempt { step, attempt, fault, next_at: Timestamp(at) }
        }),
        (step(), proptest::option::of(call()), stored(), proptest::option::of(code()), any::<bool>())
            .prop_map(|(step, call, result, fault, flag)| Fact::StepFinished {
                step,
                call,
                result,
                fault,
                checkpoint: flag.then(|| "key".to_owned()),
                cancel_told: flag,
            }),
        (after(), ".{0,4}", ".{0,4}").prop_map(|(after, key, value)| Fact::StatusSet { after, key, value }),
        (after(), level(), ".{0,16}", fields).prop_map(|(after, level, message, fields)| Fact::Logged {
            after,
            level,
            message,
            fields
        }),
        any::<Option<u64>>().prop_map(|at| Fact::CancelAsked { deadline: at.map(Timestamp) }),
        (why(), fault()).prop_map(|(why, fault)| Fact::Paused { why, fault }),
        Just(Fact::Unpaused),
        Just(Fact::Repinned { component: BlobId::of(b"another") }),
        stored().prop_map(|output| Fact::Ended(Ending::Done { output })),
        fault().prop_map(|fault| Fact::Ended(Ending::Failed { fault })),
        Just(Fact::Ended(Ending::Cancelled)),
        (any::<u64>(), any::<[u8; 32]>())
            .prop_map(|(from, seed)| Fact::Retried { from: StepSeq(from), seed }),
    ]
}

fn begun() -> RunState {
    let entry = Entry { at: Timestamp(1), fact: Fact::RunCreated(Box::new(created(1))) };
    RunState::begin(1, entry).unwrap()
}

proptest! {
    #[test]
    fn entries_come_back_as_they_were(fact in fact(), at in any::<u64>()) {
        let entry = Entry { at: Timestamp(at), fact };
        let bytes = disk::encode(&entry).unwrap();
        prop_assert_eq!(disk::decode(&bytes, Wanted::Whole).unwrap(), entry);
    }

    /// The fold doesn't look at what is left out for it, nor a replay at what is left out there.
    #[test]
    fn less_of_an_entry_is_enough(facts in proptest::collection::vec(fact(), 0..40)) {
        let (mut whole, mut folded) = (begun(), begun());
        for fact in facts {
            let bytes = disk::encode(&Entry { at: Timestamp(2), fact }).unwrap();
            let decode = |wanted| disk::decode(&bytes, wanted).unwrap();
            let applied = whole.apply(&decode(Wanted::Whole)).is_ok();
            prop_assert_eq!(folded.apply(&decode(Wanted::Fold)).is_ok(), applied);
            prop_assert_eq!(format!("{folded:?}"), format!("{whole:?}"));
            if let (Fact::StepFinished { result, call, .. }, Fact::StepFinished { result: all, call: said, .. }) =
                (decode(Wanted::Replay).fact, decode(Wanted::Whole).fact)
            {
                prop_assert_eq!(result, all);
                prop_assert_eq!(call.map(|call| call.fingerprint), said.map(|call| call.fingerprint));
            }
        }
    }

    #[test]
    fn bytes_that_are_cut_are_refused(fact in fact(), cut in any::<prop::sample::Index>()) {
        let bytes = disk::encode(&Entry { at: Timestamp(1), fact }).unwrap();
        prop_assert!(disk::decode(&bytes.slice(..cut.index(bytes.len())), Wanted::Whole).is_err());
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let bytes = Bytes::from(bytes);
        let read = |wanted| disk::decode(&bytes, wanted).is_ok();
        prop_assert_eq!(read(Wanted::Replay), read(Wanted::Whole));
        prop_assert_eq!(read(Wanted::Fold), read(Wanted::Whole));
    }

    #[test]
    fn a_refused_fact_changes_nothing(facts in proptest::collection::vec(fact(), 0..40)) {
        let mut state = begun();
        for (n, fact) in facts.into_iter().enumerate() {
            let before = format!("{state:?}");
            let was = state.clone();
            let entry = Entry { at: Timestamp(2 + n as u64), fact };
            match state.apply(&entry) {
                Err(Error::Damaged { .. }) => prop_assert_eq!(format!("{state:?}"), before),
                Err(other) => prop_assert!(false, "{other}"),
                Ok(()) => {
                    prop_assert_eq!(state.last_seq, was.last_seq + 1);
                    prop_assert_eq!(Some(state.status), next_status(was.status, &entry.fact));
                    prop_assert!(!was.status.is_closed(), "nothing follows an end");
                    prop_assert!(state.last_step.0 - was.last_step.0 <= 1, "steps are dense");
                    prop_assert_eq!(state.pause.is_some(), state.status == RunStatus::Paused);
                    prop_assert_eq!(state.ending.is_some(), state.status.is_closed());
                }
            }
        }
    }
}

#[test]
fn the_first_bad_entry_is_named() {
    let mut state = begun();
    let finished = |step| Fact::StepFinished {
        step: StepSeq(step),
        call: None,
        result: Stored::Inline(Bytes::new()),
        fault: None,
        checkpoint: None,
        cancel_told: false,
    };
    let error = state.apply(&Entry { at: Timestamp(2), fact: finished(1) }).unwrap_err().to_string();
    assert!(
        error.contains("entry 2 of run") && error.contains("its call stands twice or nowhere"),
        "{error}"
    );
    let error = state.apply(&Entry { at: Timestamp(2), fact: finished(5) }).unwrap_err().to_string();
    assert!(error.contains("it is of step 5, and the last one was 0"), "{error}");
}

#[test]
fn a_later_format_is_told_from_damage() {
    let error = disk::decode(&Bytes::from_static(&[9, 0, 0]), Wanted::Whole).unwrap_err();
    assert!(matches!(error, Error::Version { found: 9, supported: 1, .. }), "{error}");
    assert!(matches!(disk::decode(&Bytes::new(), Wanted::Whole), Err(Error::Damaged { .. })));
}

/// Bytes that the first release wrote: they must be read for ever.
#[test]
fn the_first_format_stays_what_it_is() {
    let entry = Entry {
        at: Timestamp(1000),
        fact: Fact::Logged {
            after: StepSeq(3),
            level: LogLevel::Warn,
            message: "slow".to_owned(),
            fields: vec![("site".to_owned(), "bank".to_owned())],
        },
    };
    let bytes = b"\x01\xe8\x07\x06\x03\x03\x04slow\x01\x04site\x04bank";
    assert_eq!(&disk::encode(&entry).unwrap()[..], bytes);
    assert_eq!(disk::decode(&Bytes::from_static(bytes), Wanted::Whole).unwrap(), entry);
}

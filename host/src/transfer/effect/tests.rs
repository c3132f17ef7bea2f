//! Effects whose replies are lost, and whose client is killed, at every step.

use crate::model::{Fault, FaultCode, ItemId, RemotePath, RunId, StepSeq, Timestamp};
use crate::transfer::fake::Rig;
use crate::transfer::{Evidence, PartName, Transfers};

fn path(text: &str) -> RemotePath {
    RemotePath::parse(text).unwrap()
}

fn part() -> PartName {
    PartName { run: RunId::new(Timestamp(0), [0; 10]), step: StepSeq(1), item: ItemId(0) }
}

/// One of the effects, as an engine drives it.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Rename,
    Remove,
    MakeDir,
    RemoveDir,
    Put,
}

const KINDS: [Kind; 5] = [Kind::Rename, Kind::Remove, Kind::MakeDir, Kind::RemoveDir, Kind::Put];

impl Kind {
    fn rig(self) -> Rig {
        let rig = Rig::new();
        rig.server.put("a", b"content");
        rig.server.put("marker", b"old");
        rig.server.state().dirs.insert("old-dir".into());
        rig
    }

    async fn plan(self, rig: &Rig, transfers: &Transfers) -> Result<Evidence, Fault> {
        match self {
            Self::Rename => transfers.plan_rename(&rig.site, &path("a"), &path("b"), None).await,
            Self::Remove => transfers.plan_remove(&rig.site, &path("a"), None).await,
            Self::MakeDir => transfers.plan_make_dir(&rig.site, &path("x/y")).await,
            Self::RemoveDir => transfers.plan_remove_dir(&rig.site, &path("old-dir")).await,
            Self::Put => transfers.plan_put(&rig.site, &path("marker")).await,
        }
    }

    async fn act(
        self,
        rig: &Rig,
        transfers: &Transfers,
        evidence: &Evidence,
        doubt: bool,
    ) -> Result<(), Fault> {
        let site = &rig.site;
        match self {
            Self::Rename => transfers.rename(site, &path("a"), &path("b"), evidence, doubt).await,
            Self::Remove => transfers.remove(site, &path("a"), evidence, doubt).await,
            Self::MakeDir => transfers.make_dir(site, &path("x/y"), evidence, doubt).await,
            Self::RemoveDir => transfers.remove_dir(site, &path("old-dir"), evidence, doubt).await,
            Self::Put => transfers
                .put_bytes(site, &path("marker"), b"done", &part(), evidence, doubt)
                .await
                .map(|receipt| assert_eq!(receipt.bytes.0, 4)),
        }
    }

    fn check(self, rig: &Rig, what: &str) {
        let once =
            |effect| assert_eq!(rig.server.count(effect), 1, "{what}: {:?}", rig.server.state().effects);
        match self {
            Self::Rename => {
                once("RNTO");
                assert_eq!(rig.server.names(), ["b", "marker"], "{what}");
            }
            Self::Remove => {
                once("DELE");
                assert_eq!(rig.server.names(), ["marker"], "{what}");
            }
            Self::MakeDir => assert_eq!(rig.server.state().effects, ["MKD x", "MKD x/y"], "{what}"),
            Self::RemoveDir => once("RMD"),
            Self::Put => {
                once("RNTO");
                assert_eq!(rig.server.get("marker").unwrap(), b"done", "{what}");
                assert_eq!(rig.server.names(), ["a", "marker"], "{what}");
            }
        }
    }
}

#[tokio::test]
async fn a_killed_effect_is_done_once() {
    for kind in KINDS {
        let rig = kind.rig();
        let transfers = rig.transfers();
        let evidence = kind.plan(&rig, &transfers).await.unwrap();
        rig.fuse.set(0);
        kind.act(&rig, &transfers, &evidence, false).await.unwrap();
        kind.check(&rig, "undisturbed");
        let steps = rig.fuse.passed();
        for kill in 1..=steps {
            let rig = kind.rig();
            let transfers = rig.transfers();
            let evidence = kind.plan(&rig, &transfers).await.unwrap();
            let evidence = Evidence::from_bytes(&evidence.to_bytes().unwrap()).unwrap();
            rig.fuse.set(kill);
            let first = rig.fuse.guard(kind.act(&rig, &transfers, &evidence, false)).await;
            rig.fuse.set(0);
            let what = format!("{kind:?} killed at {kill}");
            match first {
                Some(done) => done.unwrap(),
                None => kind.act(&rig, &rig.transfers(), &evidence, true).await.expect(&what),
            }
            kind.check(&rig, &what);
        }
    }
}

#[tokio::test]
async fn a_lost_reply_is_settled_by_looking() {
    let rig = Kind::Rename.rig();
    let transfers = rig.transfers();
    let evidence = Kind::Rename.plan(&rig, &transfers).await.unwrap();
    rig.server.state().faults.lost_rnto = 1;
    Kind::Rename.act(&rig, &transfers, &evidence, false).await.unwrap();
    Kind::Rename.check(&rig, "lost reply");
}

#[tokio::test]
async fn what_others_made_meanwhile_is_never_destroyed() {
    let rig = Rig::new();
    rig.server.put("a", b"content");
    let transfers = rig.transfers();
    let evidence = transfers.plan_remove(&rig.site, &path("a"), None).await.unwrap();
    rig.server.put("a", b"another file");
    transfers.remove(&rig.site, &path("a"), &evidence, true).await.unwrap();
    assert_eq!(rig.server.get("a").unwrap(), b"another file");

    let evidence = transfers.plan_rename(&rig.site, &path("a"), &path("b"), None).await.unwrap();
    rig.server.put("a", b"a third");
    let fault = transfers.rename(&rig.site, &path("a"), &path("b"), &evidence, true).await.unwrap_err();
    assert_eq!(fault.code, FaultCode::RunIndeterminate);
    assert_eq!(rig.server.count("RNTO"), 0);

    let evidence = transfers.plan_put(&rig.site, &path("a")).await.unwrap();
    rig.server.put("a", b"a fourth");
    let put = transfers.put_bytes(&rig.site, &path("a"), b"mine", &part(), &evidence, true).await;
    assert_eq!(put.unwrap_err().code, FaultCode::RunIndeterminate);
    assert_eq!(rig.server.get("a").unwrap(), b"a fourth");
}

#[tokio::test]
async fn an_effect_that_was_never_begun_is_not_in_doubt() {
    let rig = Kind::Rename.rig();
    let transfers = rig.transfers();
    let evidence = Kind::Rename.plan(&rig, &transfers).await.unwrap();
    let refused = Fault::new(FaultCode::FtpUnreachable, "refused");
    rig.server.state().faults.connect = vec![refused; 5];
    let fault = Kind::Rename.act(&rig, &rig.transfers(), &evidence, false).await.unwrap_err();
    assert_eq!((fault.code, fault.attempts), (FaultCode::FtpUnreachable, 5));
}

#[tokio::test]
async fn if_unchanged_is_held() {
    let rig = Kind::Rename.rig();
    let transfers = rig.transfers();
    let seen = transfers.stat(&rig.site, &path("a")).await.unwrap().unwrap();
    rig.server.put("a", b"longer content");
    for planned in [
        transfers.plan_rename(&rig.site, &path("a"), &path("b"), Some(&seen)).await,
        transfers.plan_remove(&rig.site, &path("a"), Some(&seen)).await,
    ] {
        assert_eq!(planned.unwrap_err().code, FaultCode::FtpRemoteChanged);
    }
    let fault = transfers.plan_remove(&rig.site, &path("none"), None).await.unwrap_err();
    assert_eq!(fault.code, FaultCode::FtpNotFound);
}

//! Whatever goes wrong, in whatever order: the file arrives whole, once, and nothing else is left.

use proptest::prelude::*;

use super::fake::{Faults, Rest, Rig, noise, sha256};
use crate::model::{FaultCode, RetryPolicy, TransferOptions};

/// One way through a transfer.
#[derive(Clone, Debug)]
struct Story {
    up: bool,
    size: usize,
    faults: Faults,
    /// After how many steps each process is killed.
    kills: Vec<u64>,
}

fn story() -> impl Strategy<Value = Story> {
    let rest = prop_oneof![
        4 => Just(Rest::Obeyed),
        1 => Just(Rest::Ignored),
        1 => Just(Rest::Refused),
        1 => Just(Rest::RefusedForStore),
    ];
    let size = prop_oneof![0..3usize, 1_000..200_000usize, 1_000_000..2_500_000usize];
    let cuts = prop::collection::vec(0..900_000u64, 0..4);
    let kills = prop::collection::vec(1..60u64, 0..5);
    (any::<bool>(), size, rest, cuts, kills, 0..3u32, 0..3u32, 0..300_000usize, any::<bool>()).prop_map(
        |(up, size, rest, cuts, kills, lost_final, lost_rnto, in_flight, refuses)| Story {
            up,
            size,
            kills,
            faults: Faults {
                rest,
                cuts,
                lost_final,
                lost_rnto,
                in_flight,
                zombie_step: 120_000,
                rnto_refuses: refuses,
                ..Faults::default()
            },
        },
    )
}

impl Story {
    async fn play(self) {
        let rig = Rig::new();
        let data = noise(self.size);
        let local = rig.folder.path().join("a");
        if self.up {
            std::fs::write(&local, &data).unwrap();
            rig.server.put("a", b"what was there before");
        } else {
            std::fs::write(&local, b"what was there before").unwrap();
            rig.server.put("a", &data);
        }
        rig.server.state().faults = self.faults;
        // As many attempts as it takes: what is tested is that each is right.
        let retry = Some(RetryPolicy { max_attempts: Some(30), ..RetryPolicy::default() });
        let options = TransferOptions { retry, ..TransferOptions::default() };
        let mut lives = self.kills.into_iter().chain([0]);
        let receipt = loop {
            rig.fuse.set(lives.next().unwrap_or(0));
            let ended = match self.up {
                true => rig.upload("a", "a", options.clone()).await,
                false => rig.download("a", "a", options.clone()).await,
            };
            if let Some(ended) = ended {
                break ended.unwrap();
            }
        };
        assert_eq!(std::fs::read(&local).unwrap(), data);
        assert_eq!(rig.server.get("a").unwrap(), data);
        assert_eq!((rig.names(), rig.server.names()), (vec!["a".to_owned()], vec!["a".to_owned()]));
        assert_eq!(receipt.digests[0].hex, sha256(&data));
        assert_eq!(receipt.bytes.0, data.len() as u64);
        assert_eq!(rig.server.count("RNTO"), usize::from(self.up), "{:?}", rig.server.state().effects);
        let moved = if self.up { rig.server.state().taken } else { rig.server.state().sent };
        // A buffer that was on its way when the client was killed was sent and never came.
        let lost_on_the_way = 64 * 1024 * 6;
        assert!(receipt.resent.0 + lost_on_the_way >= moved - data.len() as u64, "{receipt:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 60, ..ProptestConfig::default() })]

    #[test]
    fn the_file_arrives_whole_and_once(story in story()) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(story.play());
    }
}

#[tokio::test]
async fn what_never_succeeds_leaves_nothing() {
    for up in [false, true] {
        let rig = Rig::new();
        std::fs::write(rig.folder.path().join("b"), noise(700_000)).unwrap();
        rig.server.put("a", &noise(700_000));
        rig.server.state().faults.cuts = vec![1000; 50];
        let options = TransferOptions::default();
        let ended = match up {
            true => rig.upload("c", "b", options).await,
            false => rig.download("a", "c", options).await,
        };
        let fault = ended.unwrap().unwrap_err();
        assert_eq!((fault.code, fault.attempts), (FaultCode::FtpConnectionLost, 5));
        assert_eq!((rig.names(), rig.server.names()), (vec!["b".to_owned()], vec!["a".to_owned()]));
    }
}

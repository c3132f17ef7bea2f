//! Which of several servers is next.
//!
//! Turns are taken by the smooth weighted round robin of nginx: at each pick every server gains its
//! effective weight, the richest is taken and pays what all gained together. A server of weight 3 beside
//! two of weight 1 so comes as a b a c a, and not a a a b c. A failure lowers the effective weight; each
//! pick gives a step of it back.
//!
//! Consistent hashing places each server at many points of a ring; a path belongs to the first point
//! after its own hash whose server may be asked. When one of n goes, only its own paths move.

use crate::model::{Balance, Endpoint};

use super::health::FAILURES_MAX;

/// Steps of one unit of weight, so that a failure can take a part of it.
const STEPS: i64 = 12;

/// Points on the ring for one unit of weight.
const POINTS: u32 = 128;

/// What a pick may know of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Candidate {
    /// It may be picked.
    pub(super) eligible: bool,
    /// Sessions that it has, and those who wait for one.
    pub(super) load: usize,
}

#[derive(Clone, Debug)]
struct Weight {
    whole: i64,
    effective: i64,
    current: i64,
}

/// Whose turn it is among the servers of one site.
#[derive(Clone, Debug)]
pub(super) struct Balancer {
    balance: Balance,
    weights: Vec<Weight>,
    /// Points and their servers, in order; empty where paths don't matter.
    ring: Vec<(u64, usize)>,
}

impl Balancer {
    pub(super) fn new(balance: Balance, endpoints: &[Endpoint]) -> Self {
        let weight = |endpoint: &Endpoint| match balance {
            Balance::RoundRobin => 1,
            Balance::LeastConnections | Balance::Weighted | Balance::ConsistentHash => endpoint.weight.max(1),
        };
        let weights = endpoints
            .iter()
            .map(|endpoint| {
                let whole = i64::from(weight(endpoint)) * STEPS;
                Weight { whole, effective: whole, current: 0 }
            })
            .collect();
        let mut ring = Vec::new();
        if balance == Balance::ConsistentHash {
            for (index, endpoint) in endpoints.iter().enumerate() {
                let points = POINTS * u32::from(weight(endpoint));
                ring.extend((0..points).map(|point| (hash(&format!("{endpoint}#{point}")), index)));
            }
            ring.sort_unstable();
        }
        Self { balance, weights, ring }
    }

    /// The server for `path` among those that are eligible.
    pub(super) fn pick(&mut self, path: &str, candidates: &[Candidate]) -> Option<usize> {
        let may = |index: usize| candidates.get(index).is_some_and(|candidate| candidate.eligible);
        match self.balance {
            Balance::RoundRobin | Balance::Weighted => self.turn(may),
            Balance::LeastConnections => {
                let load = |index: usize| candidates.get(index).map_or(0, |candidate| candidate.load) as u128;
                let share = |index: usize| self.weights[index].effective.max(1) as u128;
                let all = (0..self.weights.len()).filter(|index| may(*index));
                // a has less than b: load a / share a < load b / share b, without dividing.
                let least = all.min_by(|a, b| (load(*a) * share(*b)).cmp(&(load(*b) * share(*a))))?;
                let (of_least, its_share) = (load(least), share(least));
                let ties: Vec<bool> = (0..self.weights.len())
                    .map(|index| may(index) && load(index) * its_share == of_least * share(index))
                    .collect();
                self.turn(|index| ties[index])
            }
            Balance::ConsistentHash => {
                let from = self.ring.partition_point(|(point, _)| *point < hash(path));
                let (before, after) = self.ring.split_at(from);
                after.iter().chain(before).map(|(_, index)| *index).find(|index| may(*index))
            }
        }
    }

    /// The next one in turn.
    fn turn(&mut self, may: impl Fn(usize) -> bool) -> Option<usize> {
        let (mut best, mut total): (Option<usize>, i64) = (None, 0);
        for index in 0..self.weights.len() {
            if !may(index) {
                continue;
            }
            let weight = &mut self.weights[index];
            weight.current += weight.effective;
            total += weight.effective;
            weight.effective = (weight.effective + 1).min(weight.whole);
            if best.is_none_or(|best| self.weights[index].current > self.weights[best].current) {
                best = Some(index);
            }
        }
        if let Some(best) = best {
            self.weights[best].current -= total;
        }
        best
    }

    /// A server failed: it is asked less often for a while.
    pub(super) fn failed(&mut self, index: usize) {
        if let Some(weight) = self.weights.get_mut(index) {
            weight.effective = (weight.effective - weight.whole / i64::from(FAILURES_MAX)).max(1);
        }
    }

    /// A server's share now, in percent of what it should be.
    pub(super) fn percent(&self, index: usize) -> u32 {
        self.weights.get(index).map_or(0, |w| u32::try_from(w.effective * 100 / w.whole).unwrap_or(0))
    }
}

fn hash(text: &str) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&blake3::hash(text.as_bytes()).as_bytes()[..8]);
    u64::from_le_bytes(first)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn endpoints(weights: &[u16]) -> Vec<Endpoint> {
        let one =
            |(at, weight): (usize, &u16)| Endpoint { host: format!("s{at}"), port: 21, weight: *weight };
        weights.iter().enumerate().map(one).collect()
    }

    fn all(count: usize) -> Vec<Candidate> {
        vec![Candidate { eligible: true, load: 0 }; count]
    }

    #[test]
    fn turns_are_smooth() {
        let mut balancer = Balancer::new(Balance::Weighted, &endpoints(&[5, 1, 1]));
        let order: Vec<_> = (0..7).map(|_| balancer.pick("", &all(3)).unwrap()).collect();
        assert_eq!(order, [0, 0, 1, 0, 2, 0, 0], "as nginx's commit message has it");
        let mut balancer = Balancer::new(Balance::RoundRobin, &endpoints(&[5, 1, 1]));
        let order: Vec<_> = (0..6).map(|_| balancer.pick("", &all(3)).unwrap()).collect();
        assert_eq!(order, [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn a_failure_lowers_a_share_and_time_gives_it_back() {
        let mut balancer = Balancer::new(Balance::RoundRobin, &endpoints(&[1, 1]));
        balancer.failed(0);
        balancer.failed(0);
        assert!(balancer.percent(0) < 40);
        let picks =
            |balancer: &mut Balancer| (0..8).filter(|_| balancer.pick("", &all(2)) == Some(0)).count();
        assert!(picks(&mut balancer) < 4);
        assert_eq!(balancer.percent(0), 100);
        assert_eq!((picks(&mut balancer), picks(&mut balancer)), (4, 4));
    }

    #[test]
    fn the_least_loaded_for_its_weight_is_taken() {
        let mut balancer = Balancer::new(Balance::LeastConnections, &endpoints(&[3, 1]));
        let loads = |a, b| [Candidate { eligible: true, load: a }, Candidate { eligible: true, load: b }];
        assert_eq!(balancer.pick("", &loads(2, 1)), Some(0));
        assert_eq!(balancer.pick("", &loads(4, 1)), Some(1));
        let tied = [0, 1].map(|_| balancer.pick("", &loads(0, 0)).unwrap());
        assert_eq!(tied.len(), 2);
        assert_eq!(balancer.pick("", &[Candidate::default(); 2]), None);
    }

    proptest! {
        /// Over one cycle, each server comes exactly as often as its weight says.
        #[test]
        fn shares_are_exact(weights in prop::collection::vec(1_u16..20, 2..6), cycles in 1_usize..4) {
            let mut balancer = Balancer::new(Balance::Weighted, &endpoints(&weights));
            let total: usize = weights.iter().map(|weight| usize::from(*weight)).sum();
            for _ in 0..cycles {
                let mut seen = vec![0; weights.len()];
                for _ in 0..total {
                    seen[balancer.pick("", &all(weights.len())).unwrap()] += 1;
                }
                prop_assert!(seen.iter().zip(&weights).all(|(seen, weight)| seen == weight));
            }
        }

        /// When a server goes, its own paths move and no other does; those are about one of n. The order
        /// in which servers are written doesn't matter.
        #[test]
        fn only_the_paths_of_a_lost_server_move(count in 2_usize..7, lost in 0_usize..7, salt: u32) {
            let lost = lost % count;
            let servers = endpoints(&vec![1; count]);
            let mut balancer = Balancer::new(Balance::ConsistentHash, &servers);
            let mut backwards = Balancer::new(Balance::ConsistentHash, &servers.iter().rev().cloned().collect::<Vec<_>>());
            let mut without = all(count);
            without[lost].eligible = false;
            let (mut moved, paths) = (0, 2000);
            for path in 0..paths {
                let path = format!("{salt}/{path}.csv");
                let before = balancer.pick(&path, &all(count)).unwrap();
                prop_assert_eq!(balancer.pick(&path, &all(count)), Some(before));
                prop_assert_eq!(backwards.pick(&path, &all(count)), Some(count - 1 - before));
                let after = balancer.pick(&path, &without).unwrap();
                prop_assert!(before == after || before == lost);
                moved += usize::from(before != after);
            }
            // 128 points a server: the shares differ by some ten percent of themselves.
            prop_assert!(moved <= paths * 3 / 2 / count, "{moved} of {paths} with {count} servers");
        }
    }
}

//! Who is next: runs in turn, and first come, first served within a run.
//!
//! With one queue for all, the single file of one run would wait for the five thousand of another that
//! came a moment before.

use std::collections::{HashMap, VecDeque};

use crate::model::RunId;

/// Whose turn it counts as: a run, or all that belongs to none.
pub(in crate::transfer) type Lane = Option<RunId>;

/// One who waits; numbers grow.
pub(super) type Ticket = u64;

/// Those who wait, each with what is handed to them in their turn.
pub(super) struct Queue<T> {
    /// Lanes with somebody in them, the next one first.
    turns: VecDeque<Lane>,
    lanes: HashMap<Lane, VecDeque<(Ticket, T)>>,
    tickets: Ticket,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { turns: VecDeque::new(), lanes: HashMap::new(), tickets: 0 }
    }
}

impl<T> Queue<T> {
    /// Gets in line; with `first`, before those of the same lane.
    pub(super) fn join(&mut self, lane: Lane, waiter: T, first: bool) -> Ticket {
        self.tickets += 1;
        let waiting = self.lanes.entry(lane.clone()).or_default();
        if waiting.is_empty() {
            if first {
                self.turns.push_front(lane);
            } else {
                self.turns.push_back(lane);
            }
        }
        if first {
            waiting.push_front((self.tickets, waiter));
        } else {
            waiting.push_back((self.tickets, waiter));
        }
        self.tickets
    }

    /// The next one, whose lane then comes after all others.
    pub(super) fn next(&mut self) -> Option<T> {
        let lane = self.turns.pop_front()?;
        let waiting = self.lanes.get_mut(&lane)?;
        let next = waiting.pop_front();
        if waiting.is_empty() {
            self.lanes.remove(&lane);
        } else {
            self.turns.push_back(lane);
        }
        next.map(|(_, waiter)| waiter)
    }

    /// Takes somebody out of the line who no longer waits.
    pub(super) fn leave(&mut self, lane: &Lane, ticket: Ticket) -> Option<T> {
        let waiting = self.lanes.get_mut(lane)?;
        let at = waiting.iter().position(|(other, _)| *other == ticket)?;
        let left = waiting.remove(at);
        if waiting.is_empty() {
            self.lanes.remove(lane);
            self.turns.retain(|other| other != lane);
        }
        left.map(|(_, waiter)| waiter)
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.lanes.values().map(VecDeque::len).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Timestamp;

    fn run(number: u8) -> Lane {
        Some(RunId::new(Timestamp(0), [number; 10]))
    }

    #[test]
    fn a_single_waiter_of_another_run_comes_second() {
        let mut queue = Queue::default();
        for file in 0..5000 {
            queue.join(run(1), (1, file), false);
        }
        queue.join(run(2), (2, 0), false);
        let order: Vec<_> = std::iter::from_fn(|| queue.next()).take(3).collect();
        assert_eq!(order, [(1, 0), (2, 0), (1, 1)]);
        assert_eq!(queue.len(), 4998);
    }

    #[test]
    fn who_leaves_is_not_called_and_an_empty_lane_has_no_turn() {
        let mut queue = Queue::default();
        let (a, b) = (queue.join(run(1), 'a', false), queue.join(run(1), 'b', false));
        queue.join(None, 'c', false);
        assert_eq!(queue.leave(&run(1), a), Some('a'));
        assert_eq!(queue.leave(&run(1), a), None);
        assert_eq!(queue.leave(&run(1), b), Some('b'));
        assert_eq!((queue.next(), queue.next(), queue.is_empty()), (Some('c'), None, true));
    }

    #[test]
    fn who_gives_a_turn_back_has_the_next() {
        let mut queue = Queue::default();
        queue.join(run(1), 'a', false);
        queue.join(run(2), 'b', false);
        assert_eq!(queue.next(), Some('a'));
        queue.join(run(1), 'a', true);
        assert_eq!(queue.next(), Some('a'));
    }

    proptest! {
        /// While two runs both wait, neither is called twice in a row; each is called in its order.
        #[test]
        fn turns_are_fair(joins in prop::collection::vec(0_u8..5, 1..200)) {
            let mut queue = Queue::default();
            for (at, number) in joins.iter().enumerate() {
                queue.join(run(*number), (*number, at), false);
            }
            let mut left = joins.clone();
            let mut last: HashMap<u8, usize> = HashMap::new();
            let mut before: Option<u8> = None;
            while let Some((number, at)) = queue.next() {
                prop_assert!(last.insert(number, at).is_none_or(|earlier| earlier < at));
                let others = left.iter().any(|other| *other != number);
                prop_assert!(before != Some(number) || !others);
                let index = left.iter().position(|other| *other == number).unwrap();
                left.remove(index);
                before = Some(number);
            }
            prop_assert!(left.is_empty());
        }
    }
}

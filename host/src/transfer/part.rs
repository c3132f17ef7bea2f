//! The name of an unfinished file.

use crate::model::{ItemId, RunId, StepSeq};

/// The most bytes of one name: NAME_MAX of Linux, and of most servers.
const NAME_BYTES_MAX: usize = 255;

/// Whose part a part is: `.<name>.<run>.<step>.<item>.<generation>.part`, beside the target.
///
/// Only the generation is in the name, never who owns the run at the moment: whoever takes the run
/// over must find the part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartName {
    /// The run that moves the file.
    pub run: RunId,
    /// The step that asked for it.
    pub step: StepSeq,
    /// Which of the step's transfers.
    pub item: ItemId,
}

impl PartName {
    /// The name of a generation's part for the target called `name` (one path part). A name that
    /// would be longer than 255 bytes has a hash in place of the target's name.
    #[must_use]
    pub fn of(&self, name: &str, generation: u32) -> String {
        let ending = format!(".{}.{}.{}.{generation}.part", self.run, self.step, self.item.0);
        if 1 + name.len() + ending.len() <= NAME_BYTES_MAX {
            return format!(".{name}{ending}");
        }
        let hash = blake3::hash(name.as_bytes()).to_hex();
        format!(".{}{ending}", &hash[..32])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    fn part() -> PartName {
        PartName { run: RunId::new(Timestamp(0), [7; 10]), step: StepSeq(12), item: ItemId(3) }
    }

    #[test]
    fn a_part_names_its_target_run_step_item_and_generation() {
        assert_eq!(part().of("a b.csv", 2), ".a b.csv.00000000000W3GE1R70W3GE1R7.12.3.2.part");
    }

    #[test]
    fn long_names_are_hashed_and_stay_distinct() {
        let (a, b) = (format!("{}a", "ä".repeat(126)), format!("{}b", "ä".repeat(126)));
        let (pa, pb) = (part().of(&a, 1), part().of(&b, 1));
        assert!(pa.len() <= NAME_BYTES_MAX && pb.len() <= NAME_BYTES_MAX);
        assert_ne!(pa, pb);
        assert!(pa.ends_with(".12.3.1.part"));
    }
}

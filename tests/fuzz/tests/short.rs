//! A short part of `cargo xtask fuzz`, always the same: seeds, changed at random from a fixed seed.

use testkit::chance::Chance;

/// How often the seeds of a target are changed.
const ROUNDS: u64 = 1_500;

#[test]
fn every_target_has_seeds_and_takes_them() {
    for target in fuzz::TARGETS {
        let seeds = fuzz::seeds(target.name);
        assert!(seeds.len() >= 3, "{} has {} seeds", target.name, seeds.len());
        seeds.iter().for_each(|seed| (target.run)(seed));
        (target.run)(b"");
    }
}

#[test]
fn seeds_changed_at_random_harm_nothing() {
    for target in fuzz::TARGETS {
        let (mut chance, seeds) = (Chance::from_seed(20_260_310), fuzz::seeds(target.name));
        for _ in 0..ROUNDS {
            let input = changed(&mut chance, &seeds);
            let outcome = std::panic::catch_unwind(|| (target.run)(&input));
            assert!(outcome.is_ok(), "{}: {:?}", target.name, String::from_utf8_lossy(&input));
        }
    }
}

/// A seed, or two put together, with a few changes.
fn changed(chance: &mut Chance, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut input = pick(chance, seeds).clone();
    if chance.below(4) == 0 {
        let other = pick(chance, seeds);
        let (cut, from) = (place(chance, input.len()), place(chance, other.len()));
        input.truncate(cut);
        input.extend_from_slice(&other[from..]);
    }
    for _ in 0..chance.below(6) {
        let at = place(chance, input.len());
        let byte = match chance.below(3) {
            0 => b" \t\r\n;=/\\.:-+0129(),\"\xff"[usize::try_from(chance.below(21)).unwrap()],
            _ => u8::try_from(chance.below(256)).unwrap(),
        };
        match chance.below(4) {
            0 => input.insert(at, byte),
            1 if at < input.len() => input[at] = byte,
            2 if at < input.len() => drop(input.remove(at)),
            _ => {
                let end = (at + place(chance, 8)).min(input.len());
                let again = input[at..end].to_vec();
                input.splice(at..at, again);
            }
        }
    }
    input
}

fn pick<'a>(chance: &mut Chance, seeds: &'a [Vec<u8>]) -> &'a Vec<u8> {
    &seeds[usize::try_from(chance.below(seeds.len() as u64)).unwrap()]
}

fn place(chance: &mut Chance, length: usize) -> usize {
    usize::try_from(chance.below(length as u64 + 1)).unwrap()
}

//! What `misbehaving` becomes once its `trap-later` is mended: for runs that are resumed with another
//! component. With an even `count` it does the steps that the other one did before its trap, and returns;
//! with an odd one it does something else first, so it must be refused before anything takes effect.

use orchestrator_sdk::prelude::*;

workflow!(run);

#[derive(Deserialize)]
struct Input {
    count: u64,
}

fn run(input: Input) -> Result<String> {
    if input.count % 2 == 1 {
        checkpoint::save("another", &input.count)?;
    }
    checkpoint::save("first", &input.count)?;
    checkpoint::save("second", &"mended")?;
    Ok("mended".to_owned())
}

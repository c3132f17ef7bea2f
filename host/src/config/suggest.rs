//! "Did you mean": the nearest of the names that would have been right.

/// The candidate most like `name`, if one is near enough that a slip of the hand explains it.
#[must_use]
pub fn closest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // One slip in three letters, a swap of two neighbours counting as one.
    const NEAR: f64 = 0.6;
    let likeness = |candidate: &str| {
        strsim::normalized_damerau_levenshtein(&name.to_lowercase(), &candidate.to_lowercase())
    };
    candidates
        .into_iter()
        .map(|candidate| (candidate, likeness(candidate)))
        .filter(|(_, likeness)| *likeness >= NEAR)
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(candidate, _)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let keys = ["url", "tls", "tls_verify", "timeout", "connect_timeout", "attempts"];
        assert_eq!(closest("tsl", keys), Some("tls"));
        assert_eq!(closest("time_out", keys), Some("timeout"));
        assert_eq!(closest("TLS-verify", keys), Some("tls_verify"));
        assert_eq!(closest("colour", keys), None);
    }
}

//! What a remote source turned out to be, compared with what it was.

use std::time::Duration;

use crate::model::FileInfo;

/// What became of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It is what it was.
    Same,
    /// It has more at its end.
    Grown,
    /// It is another file, or another content.
    Other,
}

/// Whether a file on one server can be told to be the one of this name on another: the same length, and
/// times that both know and that are no further apart than `tolerance`.
pub(super) fn same_on_both(here: &FileInfo, there: &FileInfo, tolerance: Duration) -> bool {
    let times = here.modified.zip(there.modified).map(|(here, there)| here.0.abs_diff(there.0));
    let near = times.is_some_and(|apart| Duration::from_millis(apart) <= tolerance);
    here.kind == there.kind && here.size.is_some() && here.size == there.size && near
}

/// Whether `now` is what was there `before`, or the same with more at its end.
pub(super) fn compare(now: &FileInfo, before: &FileInfo) -> Change {
    if now.same_file(before) {
        return Change::Same;
    }
    let without_growth =
        FileInfo { size: before.size, modified: before.modified, ..now.clone() }.same_file(before);
    match (now.size, before.size) {
        (Some(now), Some(before)) if now > before && without_growth => Change::Grown,
        _ => Change::Other,
    }
}

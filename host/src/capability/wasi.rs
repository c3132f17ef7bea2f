//! WASI 0.2 for language runtimes that import it unasked: everything links, and nothing is there. No
//! folders, sockets, environment or arguments. Clocks and random numbers come from the run's
//! journal, so that they are the same in a replay; standard output and error go to the run's log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use wasmtime::component::{HasSelf, Linker, Resource, ResourceTable};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi::p2::{DynPollable, OutputStream, Pollable, StreamResult, subscribe};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use super::ctx::Ctx;
use super::random::{Stream, generator};
use crate::model::{LogLevel, Timestamp};

/// The most bytes of one line of standard output; a longer one becomes several.
const LINE_BYTES_MAX: usize = 4096;

/// The most random bytes in one call.
const RANDOM_BYTES_MAX: u64 = 65_536;

/// Links WASI 0.2.
pub(super) fn add_to_linker(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    // A sleep on the monotonic clock can't be hooked otherwise.
    linker.allow_shadowing(true);
    monotonic_clock::add_to_linker::<Ctx, HasSelf<Ctx>>(linker, |ctx| ctx)?;
    linker.allow_shadowing(false);
    Ok(())
}

/// An empty context over the run's seed and time.
pub(super) fn context(seed: [u8; 32], time: &Arc<RunTime>, output: &Arc<Output>) -> WasiCtx {
    let mut insecure_seed = [0; 16];
    rand_chacha::rand_core::Rng::fill_bytes(&mut generator(seed, Stream::WasiSeed), &mut insecure_seed);
    WasiCtxBuilder::new()
        .stdout(Capture { output: Arc::clone(output), channel: Channel::Out })
        .stderr(Capture { output: Arc::clone(output), channel: Channel::Error })
        .secure_random(generator(seed, Stream::Wasi))
        .insecure_random(generator(seed, Stream::WasiInsecure))
        .insecure_random_seed(u128::from_le_bytes(insecure_seed))
        .max_random_size(RANDOM_BYTES_MAX)
        .wall_clock(WasiTime(Arc::clone(time)))
        .monotonic_clock(WasiTime(Arc::clone(time)))
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .build()
}

impl WasiView for Ctx {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// The run's time as WASI asks for it, which gives hooks no access to the run itself.
#[derive(Debug, Default)]
pub(super) struct RunTime {
    /// Time of the run's last entry, in milliseconds since 1970.
    now_ms: AtomicU64,
    /// What guests have slept on the monotonic clock, in nanoseconds.
    slept_ns: AtomicU64,
}

impl RunTime {
    /// The run has come so far.
    pub(super) fn set(&self, now: Timestamp) {
        self.now_ms.store(now.0, Ordering::Relaxed);
    }

    fn monotonic_ns(&self) -> u64 {
        let now = self.now_ms.load(Ordering::Relaxed).saturating_mul(1_000_000);
        now.saturating_add(self.slept_ns.load(Ordering::Relaxed))
    }

    fn sleep(&self, duration_ns: u64) {
        // Only the guest's thread sleeps, so nothing comes between the two.
        let slept = self.slept_ns.load(Ordering::Relaxed);
        self.slept_ns.store(slept.saturating_add(duration_ns), Ordering::Relaxed);
    }
}

/// The run's time in the hands of WASI.
struct WasiTime(Arc<RunTime>);

impl HostWallClock for WasiTime {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.0.now_ms.load(Ordering::Relaxed))
    }
}

impl HostMonotonicClock for WasiTime {
    fn resolution(&self) -> u64 {
        1_000_000
    }

    fn now(&self) -> u64 {
        self.0.monotonic_ns()
    }
}

/// Sleeping through WASI takes no time: the guest's monotonic clock moves on and the wait is over.
/// A real wait would hold the guest in memory and be forgotten by a crash; that is what
/// `orchestrator:workflow/clock.sleep` is for.
impl monotonic_clock::Host for Ctx {
    fn now(&mut self) -> wasmtime::Result<u64> {
        self.call()?;
        Ok(self.time.monotonic_ns())
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(1_000_000)
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let now = self.time.monotonic_ns();
        self.subscribe_duration(when.saturating_sub(now))
    }

    fn subscribe_duration(&mut self, duration: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.call()?;
        self.time.sleep(duration);
        passed(&mut self.table)
    }
}

/// A wait that is over.
fn passed(table: &mut ResourceTable) -> wasmtime::Result<Resource<DynPollable>> {
    struct Passed;
    #[async_trait::async_trait]
    impl Pollable for Passed {
        async fn ready(&mut self) {}
    }
    let passed = table.push(Passed)?;
    subscribe(table, passed)
}

/// What a guest wrote to its standard output and error and nobody has logged yet. A WASI stream
/// has no access to the run, so lines wait here for the guest's next call.
#[derive(Debug)]
pub(super) struct Output {
    bytes_max: usize,
    lines: Mutex<Lines>,
}

#[derive(Debug, Default)]
struct Lines {
    whole: Vec<(LogLevel, String)>,
    /// Bytes of all lines.
    bytes: usize,
    /// Lines that were over the bound.
    dropped: u64,
    out: Vec<u8>,
    error: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum Channel {
    Out,
    Error,
}

impl Output {
    /// An output that keeps so much between two calls.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, lines: Mutex::default() }
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lines that are whole, and how many were dropped.
    pub(super) fn take(&self) -> (Vec<(LogLevel, String)>, u64) {
        self.lines().take()
    }

    /// All there is: the guest writes no more.
    pub(super) fn take_rest(&self) -> (Vec<(LogLevel, String)>, u64) {
        let mut lines = self.lines();
        lines.end(Channel::Out, self.bytes_max);
        lines.end(Channel::Error, self.bytes_max);
        lines.take()
    }

    /// The last lines of the standard error, oldest first. They stay.
    pub(super) fn last_errors(&self, max: usize) -> Vec<String> {
        let mut lines = self.lines();
        lines.end(Channel::Error, usize::MAX);
        let errors = lines.whole.iter().rev().filter(|(level, _)| *level == LogLevel::Warn);
        let mut last: Vec<_> = errors.take(max).map(|(_, line)| line.clone()).collect();
        last.reverse();
        last
    }

    fn write(&self, channel: Channel, bytes: &[u8]) {
        let mut lines = self.lines();
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            let text = part.strip_suffix(b"\n").unwrap_or(part);
            for chunk in text.chunks(LINE_BYTES_MAX) {
                lines.open(channel).extend_from_slice(chunk);
                if lines.open(channel).len() >= LINE_BYTES_MAX {
                    lines.end(channel, self.bytes_max);
                }
            }
            if text.len() < part.len() {
                lines.end(channel, self.bytes_max);
            }
        }
    }
}

impl Lines {
    fn take(&mut self) -> (Vec<(LogLevel, String)>, u64) {
        self.bytes = 0;
        (std::mem::take(&mut self.whole), std::mem::take(&mut self.dropped))
    }

    fn open(&mut self, channel: Channel) -> &mut Vec<u8> {
        match channel {
            Channel::Out => &mut self.out,
            Channel::Error => &mut self.error,
        }
    }

    fn end(&mut self, channel: Channel, bytes_max: usize) {
        let bytes = std::mem::take(self.open(channel));
        if self.bytes + bytes.len() > bytes_max {
            self.dropped += 1;
            return;
        }
        let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
        if !line.is_empty() {
            self.bytes += line.len();
            let level = match channel {
                Channel::Out => LogLevel::Info,
                Channel::Error => LogLevel::Warn,
            };
            self.whole.push((level, line));
        }
    }
}

/// One of a guest's standard streams.
#[derive(Debug)]
struct Capture {
    output: Arc<Output>,
    channel: Channel,
}

impl IsTerminal for Capture {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Capture {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Asked for by WASI 0.3 only, which isn't linked.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(Self { output: Arc::clone(&self.output), channel: self.channel })
    }
}

#[async_trait::async_trait]
impl Pollable for Capture {
    async fn ready(&mut self) {}
}

impl OutputStream for Capture {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.output.write(self.channel, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_for_each_stream() {
        let output = Output::new(1 << 20);
        output.write(Channel::Out, b"on");
        output.write(Channel::Error, b"oops\r\n");
        output.write(Channel::Out, b"e\n\ntwo");
        let line = |level, text: &str| (level, text.to_owned());
        assert_eq!(output.last_errors(3), ["oops"]);
        assert_eq!(output.take(), (vec![line(LogLevel::Warn, "oops"), line(LogLevel::Info, "one")], 0));
        assert_eq!(output.take_rest(), (vec![line(LogLevel::Info, "two")], 0));
    }

    #[test]
    fn a_line_without_end_is_split_and_a_flood_is_dropped() {
        let output = Output::new(9_000);
        output.write(Channel::Out, &[b'x'; 9_000]);
        output.write(Channel::Out, b"\n");
        assert_eq!(output.take().0.len(), 3);
        output.write(Channel::Out, &b"xxxxxxxxx\n".repeat(1_001));
        let (kept, dropped) = output.take();
        assert_eq!((kept.len(), dropped), (1_000, 1));
    }
}

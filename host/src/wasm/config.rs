//! The one configuration of the engine. A change here is a change of every guest's world, and makes
//! every cached compilation useless; the cache's keys see to that by themselves.

use std::num::NonZeroUsize;

use wasmtime::{Config, Engine, InstanceAllocationStrategy, OptLevel, Strategy};

use super::Limits;

/// The host's share of a fiber's stack, on top of the guest's: host functions run on it as well.
const HOST_STACK_BYTES: usize = 1536 << 10;

/// An engine for guests within `limits`.
///
/// What isn't deterministic is off: threads, shared memory, relaxed SIMD that follows the processor,
/// NaN patterns that follow the processor. So is what guests don't need and what has been the way
/// out of sandboxes: 64-bit memories, garbage collection, exceptions, stack switching, async
/// components.
pub(super) fn engine(limits: &Limits) -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        .cranelift_nan_canonicalization(true)
        .wasm_component_model(true)
        .concurrency_support(false)
        .consume_fuel(true)
        .epoch_interruption(true)
        .wasm_relaxed_simd(true)
        .relaxed_simd_deterministic(true)
        .wasm_memory64(false)
        .wasm_wide_arithmetic(false)
        .wasm_stack_switching(false)
        .wasm_shared_everything_threads(false)
        .shared_memory(false)
        .max_wasm_stack(limits.stack_bytes_max)
        .async_stack_size(limits.stack_bytes_max + HOST_STACK_BYTES)
        .allocation_strategy(InstanceAllocationStrategy::OnDemand)
        .wasm_backtrace_max_frames(NonZeroUsize::new(32))
        // Names are enough for a report; the DWARF of guests is read by nobody here.
        .wasm_backtrace_details(wasmtime::WasmBacktraceDetails::Disable)
        .coredump_on_trap(false)
        .parallel_compilation(true);
    Engine::new(&config)
}

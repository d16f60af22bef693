//! What a workflow asks of Docker in text: container options, ports, volumes, amounts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pawl_core::container::{Role, options, ports, volume};
use pawl_core::quantity::{cpu_millis, duration_nanos, memory_bytes};

fuzz_target!(|text: &str| {
    for role in [Role::Job, Role::Service] {
        drop(options(text, role));
    }
    drop(ports(text));
    drop(volume(text));
    let _ = (memory_bytes(text), cpu_millis(text), duration_nanos(text));
});

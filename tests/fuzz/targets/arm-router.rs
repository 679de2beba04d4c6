#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::arm_router(data));

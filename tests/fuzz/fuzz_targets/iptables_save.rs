#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| remit_fuzz::confs::iptables_save(data));

//! How the binary for routers is linked (profile `size`), and no other.
//!
//! `docs/adr/0013-size-of-the-agent.md` says what each line saves and what it costs.

use std::{env, path::Path};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=router.ld");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|is| is == value);
    // Cargo names no profile here; `size` is the one that asks for this level.
    let size = is("OPT_LEVEL", "z");
    // There rustc brings LLD of its own. What other targets are linked with knows not all of this.
    if !size || !is("TARGET", "x86_64-unknown-linux-gnu") {
        return;
    }
    let root = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let script = Path::new(&root).join("router.ld");
    let arguments = [
        "--icf=all",
        "-zpack-relative-relocs",
        "--no-eh-frame-hdr",
        &format!("-T{}", script.display()),
    ];
    for argument in arguments {
        println!("cargo:rustc-link-arg-bins=-Wl,{argument}");
    }
}

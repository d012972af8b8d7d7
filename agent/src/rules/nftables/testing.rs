//! A network namespace for one test, and the real tools in it.
//!
//! Where a namespace is not permitted the test fails: a kernel test that skips is no test.

use std::process::Command;

/// Runs `test` in a thread of its own, in a fresh network namespace with `lo` up. Programs that it
/// starts are in there too.
pub(crate) fn in_namespace<T: Send>(test: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET)
                .expect("a network namespace of our own (run kernel tests as root)");
            run("ip", &["link", "set", "lo", "up"]);
            test()
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect(program);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Loads a ruleset with `nft -f`.
pub(crate) fn nft(ruleset: &str) {
    // nft wants a line to end between two closing braces; the tests need not.
    let ruleset = ruleset.replace("} }", "}\n}").replace("} }", "}\n}");
    crate::nft::load(&ruleset).expect("nft takes it");
}

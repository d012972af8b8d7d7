//! The whole line, as the demo plays it.

use remit_tests::demo::Demo;

use crate::{cases, summary};

#[test]
fn every_planted_case_gets_its_verdict_and_the_forged_history_is_contradicted() {
    let dir = tempfile::tempdir().unwrap();
    let demo = Demo::start(dir.path()).unwrap();
    demo.subscriber_acts().unwrap();
    demo.wait_for_hits().unwrap();
    let saved = dir.path().join("saved");
    demo.save_checkpoint(&saved).unwrap();
    demo.register_late().unwrap();
    let events = demo.operator.rows(&["events", "list"]).unwrap();
    demo.check_verdicts(&events).unwrap();
    summary::check(&demo, dir.path()).unwrap();
    cases::check(&demo, dir.path()).unwrap();

    let bundle = dir.path().join("bundle.tar");
    demo.export(&demo.assessor, &demo.collector.url, &bundle).unwrap();
    let (code, report) = demo.verify(&bundle, Some(&saved)).unwrap();
    assert_eq!(code, 0, "{report}");

    let (_, forged) = demo.forge_history().unwrap();
    let (code, report) = demo.verify(&forged, Some(&saved)).unwrap();
    assert_eq!(code, 1, "{report}");
    assert!(report.contains("CONTRADICTED"), "{report}");
    let (code, report) = demo.verify(&forged, None).unwrap();
    assert_eq!(code, 0, "without an old checkpoint nothing speaks against it: {report}");
}

//! Documents that the program writes itself.

use pawl_tests::pawl::Pawl;
use pawl_tests::project::Project;
use pawl_tests::repository::read;

#[test]
fn generated_references_are_those_that_are_committed() {
    for part in ["cli", "compatibility", "diagnostics"] {
        let outcome = Pawl::new(&Project::new()).args(["reference", part]).run();
        outcome.code(0);
        let file = format!("docs/{part}.md");
        assert!(outcome.stdout() == read(&file), "{file} is stale: run `sh docs/generate.sh`");
    }
}

//! The page for operators carries the help texts of the program as it is.

use std::path::Path;

const BEGIN: &str = "<!-- generated from the program: cargo xtask generate -->\n";
const END: &str = "<!-- end of the generated part -->\n";

#[test]
fn the_cli_page_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
    let stored = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = stored.split_once(BEGIN).expect("docs/cli.md has lost its first marker");
    let (_, after) = rest.split_once(END).expect("docs/cli.md has lost its last marker");

    let page = format!("{before}{BEGIN}\n{}\n{END}{after}", shoal::reference());
    if std::env::var_os("SHOAL_GENERATE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }

    let stored = std::fs::read_to_string(&path).unwrap();
    assert!(stored == page, "docs/cli.md is not what the program says: run `cargo xtask generate`");
}

//! The page about simulated BMCs leaves none of them out, and no habit either.

use shoal_redfish_mock::Persona;

const PAGE: &str = include_str!("../../../../docs/reference/simulated-bmcs.md");

#[test]
fn the_page_names_every_persona_twice() {
    for name in Persona::names() {
        let rows = PAGE.matches(&format!("\n| `{name}` |")).count();
        assert_eq!(rows, 2, "{name}: once for what it plays, once for what a life on it costs");
    }
}

#[test]
fn the_page_names_every_habit_that_is_tried() {
    let table: toml::Table = include_str!("../../habits.toml").parse().unwrap();
    for habit in table["habit"].as_array().unwrap() {
        for (section, keys) in habit["change"].as_table().unwrap() {
            assert!(PAGE.contains(&format!("`{section}`")), "{section} is not on the page");
            // The wording of a success is no habit by key.
            let keys = keys.as_table().filter(|_| section != "success");
            for (key, _) in keys.into_iter().flatten() {
                assert!(PAGE.contains(&format!("`{key}`")), "{section}.{key} is not on the page");
            }
        }
    }
}

//! The reference page of all keys, written from the table so that it cannot lag behind it.

use std::fmt::Write;

use shoal_core::Budgets;

use super::{
    budget::{FIELDS, WORKFLOWS},
    duration,
    key::{self, Default, LATER},
};

const INTRODUCTION: &str = "\
# Configuration

This page is generated from the table of keys; `cargo xtask generate` writes it.

Defaults are overridden by the file (`/etc/shoal/shoal.toml`, or `--config FILE`), that by the environment, and that by `--set NAME=VALUE`.
In the environment each key is `NAME` or `SHOAL_NAME`; in the file it is the same name in either case.
An empty value is no value.
Durations are numbers with units: `500ms`, `30s`, `15m`, `1h30m`, `7d`; sizes too: `512MiB`, `20GiB`, `1TiB`.
Secrets come from the environment, or from a file named by `<KEY>_FILE`, which holds one line.
Unknown keys are refused in the file, under `SHOAL_` and with `--set`; so is everything that contradicts itself, before a socket is bound (exit code 64).
`shoal-controller config check` says what would be used and who set it.

The last column says which keys a reload changes without a restart (SIGHUP, or `POST /api/v1/admin/reload`).
A reload is all or nothing: whatever is wrong, or a change of any other key, leaves the configuration in force as it is.
The environment of a running process cannot change; files that keys name are read again.

";

/// The page in Markdown.
pub fn reference() -> String {
    let mut page = String::from(INTRODUCTION);
    page.push_str("| key | default | meaning | reload |\n|---|---|---|---|\n");
    for key in key::all() {
        let default = match key.default {
            Default::Value(value) => format!("`{value}`"),
            Default::Unset(words) => words.to_owned(),
        };
        let secret = if key.secret { " Secret." } else { "" };
        let reload = if key.reload { "yes" } else { "no" };
        push(
            &mut page,
            format_args!("| `{}` | {default} | {}{secret} | {reload} |", key.name, key.meaning),
        );
    }
    page.push_str(
        "\n## Budgets\n\n\
         Only in the file, as tables `[budgets.linux]`, `[budgets.windows]`, `[budgets.esxi]`, `[budgets.firmware]` and `[budgets.maintenance]`.\n\
         A job keeps the budgets it was created with.\n\
         For every workflow `stuck` must be below `report`, and that at most `provisioning`.\n\n",
    );
    let names: Vec<&str> = WORKFLOWS.iter().map(|(name, _)| *name).collect();
    push(&mut page, format_args!("| key | {} | meaning |", names.join(" | ")));
    push(&mut page, format_args!("|---|{}---|", "---|".repeat(names.len())));
    for field in FIELDS {
        let defaults: Vec<String> = WORKFLOWS
            .iter()
            .map(|(_, workflow)| duration::show(*(field.of)(&mut Budgets::for_workflow(*workflow))))
            .collect();
        push(
            &mut page,
            format_args!("| `{}` | {} | {} |", field.name, defaults.join(" | "), field.meaning),
        );
    }
    page.push_str(
        "\n## Not in this release\n\n\
         These keys are refused in the file, under `SHOAL_` and with `--set`; without the prefix they are ignored, and the log says so at start.\n\n",
    );
    for name in LATER {
        push(&mut page, format_args!("- `{name}`"));
    }
    page
}

fn push(page: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(page, "{line}");
}

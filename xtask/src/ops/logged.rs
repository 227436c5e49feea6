//! What the product can log: the texts in its logging macros, and the routes, which access lines name.
//! A page that tells operators to search the journal is held against these; a word that stands only
//! in a comment or an identifier is never found there.

/// What begins a line of the log.
const MACROS: [&str; 4] =
    ["tracing::error!(", "tracing::warn!(", "tracing::info!(", "tracing::debug!("];

/// All texts of the code that may appear in the log, a line each.
pub(super) fn texts(code: &str) -> String {
    let calls = MACROS.iter().flat_map(|it| code.split(it).skip(1)).map(arguments);
    let routes = code.split('"').filter(|text| text.starts_with('/') && !text.contains('\n'));
    calls.chain(routes).flat_map(|text| [text, "\n"]).collect()
}

/// What stands before the parenthesis that closes a call.
fn arguments(rest: &str) -> &str {
    let (mut depth, mut quoted, mut escaped) = (1_u32, false, false);
    for (at, c) in rest.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return rest.get(..at).unwrap_or(rest);
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_logged_is_told_from_what_is_only_written() {
        let code = r#"
            // Files of task media.
            const PATH: &str = "/api/v1/status-webhook";
            let error = Error::new("no such place");
            tracing::warn!(reason = %chain(&error), "garbage (all of \"it\") stays");
            let after = "not logged";
        "#;
        let texts = texts(code);
        for there in ["chain(&error)", "\\\"it\\\") stays", "status-webhook"] {
            assert!(texts.contains(there), "{there}: {texts}");
        }
        for absent in ["task media", "no such place", "not logged"] {
            assert!(!texts.contains(absent), "{absent}: {texts}");
        }
    }
}

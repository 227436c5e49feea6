//! A recipe on its way from a file to the controller. It is checked here with the controller's own
//! validator, so that mistakes are told with the line of the file and before anything is sent.

use std::io::Read;
use std::path::Path;

use serde_json::Value;
use shoal_recipe::{Code, Lint, MAX_RECIPE_BYTES, Problem, Recipe};

use crate::error::{Error, Located};
use crate::pointer::line_of;

/// A recipe that passed the check.
pub(crate) struct Checked {
    /// As the file has it.
    pub(crate) document: Value,
    pub(crate) lints: Vec<Lint>,
}

/// Reads and checks a recipe; `-` stands for standard input.
pub(crate) fn read(path: &Path, stdin: &mut dyn Read) -> Result<Checked, Error> {
    let from_stdin = path == Path::new("-");
    let failed = |source| Error::File { path: path.to_owned(), source };
    // One byte more than allowed, so that the check can tell a file that is too long.
    let limit = MAX_RECIPE_BYTES as u64 + 1;
    let mut bytes = Vec::new();
    if from_stdin {
        stdin.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    }
    let name = if from_stdin { "the recipe".to_owned() } else { path.display().to_string() };
    check(&bytes).map_err(|problems| Error::Recipe { file: name, problems })
}

fn check(bytes: &[u8]) -> Result<Checked, Vec<Located>> {
    let located = |problem: Problem| {
        let text = std::str::from_utf8(bytes).ok().filter(|_| has_place(&problem));
        Located { line: text.map(|text| line_of(text, &problem.path)), problem }
    };
    let parsed = Recipe::parse(bytes)
        .map_err(|problems| problems.into_iter().map(located).collect::<Vec<_>>())?;
    // The validator has read the same bytes, so this is never the place where a mistake shows.
    let document = serde_json::from_slice(bytes).map_err(|_| Vec::new())?;
    Ok(Checked { document, lints: parsed.lints })
}

/// Whether the problem is about a member, rather than the document as a whole.
fn has_place(problem: &Problem) -> bool {
    !matches!(
        problem.code,
        Code::NotJson | Code::NotUtf8 | Code::TooLarge | Code::TooDeep | Code::TooManyProblems
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_carry_the_line_of_the_file() {
        let recipe =
            "{\n  \"task_target\": \"install-linux.target\",\n  \"target_disk\": \"sda\"\n}";

        let problems = read(Path::new("-"), &mut recipe.as_bytes()).err().unwrap();

        let Error::Recipe { file, problems } = problems else { panic!("{problems}") };
        let told: Vec<_> = problems.iter().map(|it| (it.line, it.problem.path.as_str())).collect();
        assert_eq!(file, "the recipe");
        assert_eq!(
            told,
            [(Some(1), "/oci_url"), (Some(1), "/partition_layout"), (Some(3), "/target_disk")]
        );
    }

    #[test]
    fn what_is_no_json_is_told_in_the_validators_words() {
        let Err(Error::Recipe { problems, .. }) = read(Path::new("-"), &mut b"{".as_slice()) else {
            panic!("accepted")
        };

        assert_eq!(problems[0].line, None);
        assert_eq!(problems[0].problem.message, "the recipe ends too early at line 1, column 1");
    }
}

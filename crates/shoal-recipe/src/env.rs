//! `recipe.env` hands the recipe to systemd units. The quoting must be exactly systemd's, as a value
//! that is read back differently would install the wrong thing on the wrong disk.
//!
//! The rules are those of `EnvironmentFile=` in the manual page systemd.exec(5): assignments on lines
//! of their own; in double quotes every character stands for itself, newlines included, except that
//! a backslash before one of `"`, `\`, `` ` ``, `$` stands for that character and a backslash before
//! a newline removes both. systemd reads the file as UTF-8 and refuses all of it when it finds an
//! invalid sequence or one of Unicode's non-characters. No variables are expanded inside it.
//!
//! Other readers follow other rules: `podman run --env-file` (Quadlet's `EnvironmentFile=` in
//! `[Container]`) takes quotes literally. Units load the file under `[Service]` and pass variables on
//! by name.

use crate::job_file::JobFile;
use crate::recipe::Recipe;
use crate::target::Workflow;

/// An environment file in the making.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct File {
    text: String,
}

/// Why an assignment cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The name is not made of upper case letters, digits and underscores.
    #[error("{0:?} is not the name of an environment variable")]
    Name(String),
    /// The value has a character that no environment variable or environment file can hold.
    #[error("the value of {name} contains U+{code_point:04X}, which systemd does not read")]
    Character {
        /// Variable.
        name: String,
        /// The first such character.
        code_point: u32,
    },
}

impl File {
    /// Adds `name="value"` as a line.
    ///
    /// # Errors
    ///
    /// [`Error`] when systemd would not read the assignment back; nothing is added then.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), Error> {
        let is_name = name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
            && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        if !is_name {
            return Err(Error::Name(name.to_owned()));
        }
        if let Some(character) = value.chars().find(|c| is_unreadable(*c)) {
            return Err(Error::Character { name: name.to_owned(), code_point: character.into() });
        }
        self.text.push_str(name);
        self.text.push_str("=\"");
        for character in value.chars() {
            if matches!(character, '"' | '\\' | '`' | '$') {
                self.text.push('\\');
            }
            self.text.push(character);
        }
        self.text.push_str("\"\n");
        Ok(())
    }

    /// The text of the file.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// NUL ends an environment string; systemd's UTF-8 check refuses U+FDD0 to U+FDEF and the last two
/// code points of every plane.
fn is_unreadable(character: char) -> bool {
    let code_point = u32::from(character);
    character == '\0' || (0xFDD0..=0xFDEF).contains(&code_point) || code_point & 0xFFFE == 0xFFFE
}

/// The `recipe.env` of a job: `TASK_TARGET`, `SERIAL_NUMBER`, `JOB_ID`, `LINEAGE` and `WEBHOOK_URL`
/// always; `TARGET_DISK`, `OCI_URL`, `FIRMWARE_URL`, `FIRMWARE_SHA256`, `WIM_INDEX`, `REGISTRY_URL`,
/// `REGISTRY_USER` and `TRACEPARENT` when they apply. It holds no secret.
///
/// # Errors
///
/// [`Error::Character`], which an admitted recipe and a parsed job file cannot cause, but a serial
/// number might.
pub fn recipe_env(recipe: &Recipe, job: &JobFile, serial_number: &str) -> Result<File, Error> {
    let mut file = File::default();
    let mut set =
        |name, value: Option<String>| value.map_or(Ok(()), |value| file.set(name, &value));
    set("TASK_TARGET", Some(recipe.task_target.to_string()))?;
    set("TARGET_DISK", recipe.target_disk.as_ref().map(ToString::to_string))?;
    set("OCI_URL", recipe.oci_url.as_ref().map(ToString::to_string))?;
    set("FIRMWARE_URL", recipe.firmware_url.as_ref().map(ToString::to_string))?;
    set("FIRMWARE_SHA256", recipe.firmware_sha256.clone())?;
    let applies_wim = recipe.workflow() == Workflow::Windows || recipe.wim_index.is_some();
    set("WIM_INDEX", applies_wim.then(|| recipe.wim_index_or_first().to_string()))?;
    set("SERIAL_NUMBER", Some(serial_number.to_owned()))?;
    set("JOB_ID", Some(job.job_id.clone()))?;
    set("LINEAGE", Some(job.lineage.clone()))?;
    set("WEBHOOK_URL", Some(job.webhook_url.to_string()))?;
    set("REGISTRY_URL", job.registry_url.as_ref().map(ToString::to_string))?;
    set("REGISTRY_USER", job.registry_user.clone())?;
    set("TRACEPARENT", job.traceparent.clone())?;
    Ok(file)
}

#[cfg(test)]
mod tests;

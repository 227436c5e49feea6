//! Entry point of the maintenance OS.
//!
//! # Purpose
//!
//! A server that has booted the maintenance image does not know why. The dispatcher finds the task
//! medium, makes sure that it is meant for this very machine, checks the recipe with the validator
//! the controller used, lays everything out under `/run/provision` for the steps, and starts the
//! systemd target that the recipe names.
//!
//! # Scope
//!
//! One run from medium to started target, as exit code, log lines and files.
//!
//! # Non-goals
//!
//! It opens no socket, pulls nothing, writes to no disk and reports nothing itself: on failure it
//! leaves `failure.json`, which the report unit posts.
//!
//! # Invariants
//!
//! - Nothing is started unless the medium, the recipe, the target and the machine have been checked.
//! - A run after another run with the same medium leaves the same files.
//! - Secrets go into files of mode 0600 and nowhere else: not into the log, `failure.json` or
//!   `recipe.env`.
//! - What the report unit needs is written first, so that every later failure can be reported.
//! - `systemctl start` is waited for, so the dispatcher's own unit must not be ordered before the
//!   targets it starts (`Type=exec`, not `oneshot`).
//!
//! # Example
//!
//! ```
//! use shoal_dispatcher::{Exit, Options, run};
//!
//! let empty = std::env::temp_dir().join("shoal-dispatcher-example");
//! let arguments = ["run", "--root", empty.to_str().unwrap_or_default(), "--medium", "/nonexistent"];
//! let options = Options::parse(arguments.map(Into::into)).map_err(|usage| usage.to_string()).unwrap();
//!
//! assert_eq!(run(&options, &mut Vec::new()), Exit::RecipeUnreadable);
//! # std::fs::remove_dir_all(empty).ok();
//! ```

mod control;
mod dmi;
mod exit;
mod files;
mod journal;
mod medium;
mod options;
mod provision;
mod run;
mod target;

pub use exit::Exit;
pub use options::{Options, Usage};
pub use run::{guarded, run};

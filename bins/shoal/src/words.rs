//! What the controller says in words for programs, in words for people. A word that this release
//! does not know is shown as it came.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::screen::Screen;
use crate::span::{age, span};
use crate::table::{Cell, visible};
use crate::wire::{Finding, MediaPlan};

/// Budgets that an operator waits for, and what they bound.
const BUDGETS: [(&str, &str); 7] = [
    ("boot_ms", "until the media are in, and again until the machine has read the boot medium"),
    ("poll_ms", "for the BMC to say what became of a power-on"),
    ("report_ms", "from the boot until the machine has reported"),
    ("stuck_ms", "without progress before the job counts as stuck"),
    ("cleanup_ms", "for the cleanup"),
    ("provisioning_ms", "for everything before the cleanup"),
    ("first_boot_grace_ms", "after delivery before another job may cut power"),
];

/// A point in time, for people and for comparing with logs.
pub(crate) fn moment(at: Timestamp, now: Timestamp) -> String {
    let age = age(at, now);
    let told = if age.starts_with("in ") { age } else { format!("{age} ago") };
    format!("{told} ({at:.0})")
}

/// What becomes of a server whose job failed.
pub(crate) fn on_failure(word: &str) -> &str {
    match word {
        "off" => "the server stays off",
        "reset" => "the server boots from its disk",
        "leave" => "the server is left as it is",
        other => other,
    }
}

/// How media get into a BMC.
pub(crate) fn media(plan: &MediaPlan) -> Vec<(&'static str, Cell)> {
    let shape = match plan.class.as_str() {
        "two_cd" => "two virtual CDs",
        "cd_plus_usb" => "a virtual CD and a virtual USB stick",
        "single_combined" => "one virtual CD for both media",
        other => other,
    };
    let place = |slot: &str, scheme: &Option<String>| match scheme {
        Some(scheme) => format!("slot {slot} over {scheme}"),
        None => format!("slot {slot}"),
    };
    let task = match &plan.task_slot {
        Some(slot) => place(slot, &plan.task_scheme),
        None => "inside the boot medium".to_owned(),
    };
    let mut facts = vec![
        ("shape", Cell::new(shape)),
        ("boot medium", Cell::new(place(&plan.boot_slot, &plan.boot_scheme))),
        ("task medium", Cell::new(task)),
    ];
    if plan.prefetches {
        let reads = "prove nothing: this BMC copies media when they are inserted";
        facts.push(("reads", Cell::new(reads)));
    }
    facts.extend(plan.notes.iter().map(|note| ("note", Cell::new(note))));
    facts
}

/// The budgets that an operator waits for, in the order in which a job meets them.
pub(crate) fn budgets(budgets: &Map<String, Value>) -> Vec<Vec<Cell>> {
    let row = |(name, bounds): (&str, &str)| {
        let millis = budgets.get(name)?.as_u64().filter(|millis| *millis > 0)?;
        let name = name.trim_end_matches("_ms");
        Some(vec![Cell::new(name), Cell::new(span(millis / 1000)), Cell::new(bounds)])
    };
    BUDGETS.into_iter().filter_map(row).collect()
}

/// What was seen in the reads of our media.
pub(crate) fn milestone(word: &str) -> &str {
    match word {
        "opened" => "the BMC opened the boot medium",
        "boot_image_read" => "the machine's firmware read the boot image",
        "os_loading" => "the system on the boot medium began to load",
        "task_read" => "the task medium was read",
        "payload" => "the installer's payload was read",
        "reopened" => "the machine looked at the boot medium anew",
        "boot_again" => "the boot image was read a second time",
        other => other,
    }
}

/// What would make an install fail, each with what to do about it.
pub(crate) fn findings(findings: &[Finding], screen: &mut Screen<'_>) -> Result<(), Error> {
    if findings.is_empty() {
        return Ok(());
    }
    screen.heading("WHAT WOULD FAIL")?;
    for finding in findings {
        screen.line(&visible(&format!("- {} ({})", finding.message, finding.code)))?;
        for seen in &finding.seen {
            let seen = seen.as_str().map_or_else(|| seen.to_string(), str::to_owned);
            screen.line(&visible(&format!("  seen: {seen}")))?;
        }
        if !finding.next_step.is_empty() {
            screen.line(&visible(&format!("  what to do: {}", finding.next_step)))?;
        }
    }
    Ok(())
}

/// Remarks, one per line, under a heading.
pub(crate) fn remarks(
    heading: &str,
    remarks: &[String],
    screen: &mut Screen<'_>,
) -> Result<(), Error> {
    if remarks.is_empty() {
        return Ok(());
    }
    screen.heading(heading)?;
    remarks.iter().try_for_each(|remark| screen.line(&visible(&format!("- {remark}"))))
}

/// A size in the largest binary unit that it fills, to a tenth: `4.0 KiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    let mut unit = 1_u64;
    for (name, larger) in ["B", "KiB", "MiB", "GiB", "TiB", "PiB"].into_iter().zip(1..) {
        let next = 1_u64 << (10 * larger);
        if bytes < next || name == "PiB" {
            let tenths = u128::from(bytes) * 10 / u128::from(unit);
            let (whole, tenth) = (tenths / 10, tenths % 10);
            return if unit == 1 {
                format!("{bytes} B")
            } else {
                format!("{whole}.{tenth} {name}")
            };
        }
        unit = next;
    }
    format!("{bytes} B")
}

/// A number of things: `1 problem`, `2 problems`.
pub(crate) fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_the_largest_unit_they_fill() {
        for (size, told) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_048_575, "1023.9 KiB"),
            (5 << 30, "5.0 GiB"),
            (u64::MAX, "16383.9 PiB"),
        ] {
            assert_eq!(bytes(size), told);
        }
    }
}

//! Which step of the taxonomy a failed unit stands for. systemd knows units, people and metrics
//! know step keys; this is the one table between them.

/// The step key of a workflow unit, with or without its `.service` ending; `None` for a unit
/// that is no step.
pub fn step_for_unit(unit: &str) -> Option<&'static str> {
    let key = match unit.strip_suffix(".service").unwrap_or(unit) {
        "dispatcher" | "shoal-dispatcher" => "workflow.dispatcher",
        "partition" => "workflow.partition",
        "image-linux" => "workflow.image-linux",
        "bootloader-linux" => "workflow.bootloader-linux",
        "config-drive" => "workflow.config-drive",
        "image-windows" => "workflow.image-windows",
        "bootloader-windows" => "workflow.bootloader-windows",
        "firmware" => "workflow.firmware",
        _ => return None,
    };
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_unit_has_its_key() {
        for name in [
            "dispatcher",
            "partition",
            "image-linux",
            "bootloader-linux",
            "config-drive",
            "image-windows",
            "bootloader-windows",
            "firmware",
        ] {
            let key = format!("workflow.{name}");
            assert_eq!(step_for_unit(&format!("{name}.service")), Some(key.as_str()));
            assert_eq!(step_for_unit(name), Some(key.as_str()));
        }
    }

    #[test]
    fn other_units_have_none() {
        for unit in ["install-linux.target", "podman.service", "partition.mount", ""] {
            assert_eq!(step_for_unit(unit), None);
        }
    }
}

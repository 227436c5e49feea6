//! Stored jobs of every phase: what an earlier version wrote must load, and be written alike.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;
use shoal_core::{Job, SCHEMA};

use crate::stands;

#[test]
fn every_stored_job_loads_and_is_written_as_it_was() {
    let mut phases = BTreeSet::new();
    for entry in fs::read_dir(corpus()).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let stored: Value = serde_json::from_str(&text).unwrap();
        let job: Job = serde_json::from_value(stored.clone())
            .unwrap_or_else(|error| panic!("{} does not load: {error}", path.display()));
        assert_eq!(serde_json::to_value(&job).unwrap(), stored, "{}", path.display());
        assert_eq!(job.schema(), SCHEMA);
        assert_eq!(stored["position"]["phase"], job.phase().name());
        phases.insert(job.phase().name());
    }
    let met: BTreeSet<&str> = stands::all().iter().map(|(_, run)| run.at()).collect();
    assert_eq!(phases, met, "a phase without a stored job");
}

/// Files are only ever added: what was written once stays readable. A new stand gets a new file.
#[test]
fn every_stand_has_a_stored_job() {
    for (stand, run) in stands::all() {
        let path = corpus()
            .join(format!("job-{}.json", stand.replace([',', ' '], "-").replace("--", "-")));
        if std::env::var_os("SHOAL_STORE").is_some() && !path.exists() {
            let text = serde_json::to_string_pretty(&run.job).unwrap() + "\n";
            fs::write(&path, text).unwrap();
        }
        assert!(path.exists(), "{} is missing: run the test with SHOAL_STORE=1", path.display());
    }
}

fn corpus() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stored")
}

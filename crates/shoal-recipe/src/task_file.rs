//! The files at the root of a task medium, by name. The controller writes them and the dispatcher
//! reads them, so their names and how they come from recipe and job are said once.

use crate::job_file::JobFile;
use crate::recipe::Recipe;
use crate::schema::SCHEMA;

/// The recipe with its sealed members.
pub const RECIPE: &str = "recipe.json";
/// The schema that the recipe was checked against.
pub const RECIPE_SCHEMA: &str = "recipe.schema.json";
/// Where the job comes from and reports to, with its tokens.
pub const JOB: &str = "job.json";
/// cloud-init user data.
pub const USER_DATA: &str = "user-data";
/// cloud-init meta data.
pub const META_DATA: &str = "meta-data";
/// Windows answer file.
pub const UNATTEND: &str = "unattend.xml";
/// ESXi kickstart file.
pub const KICKSTART: &str = "ks.cfg";

/// The files of a task medium that apply to `recipe`, sorted by name, **with all secrets**. Equal
/// values give equal bytes.
pub fn reveal_all(recipe: &Recipe, job: &JobFile) -> Vec<(&'static str, Vec<u8>)> {
    let mut files = vec![
        (RECIPE, recipe.reveal_document()),
        (RECIPE_SCHEMA, SCHEMA.as_bytes().to_vec()),
        (JOB, job.reveal_bytes()),
        (META_DATA, meta_data(job)),
    ];
    let texts = [
        (USER_DATA, &recipe.user_data),
        (UNATTEND, &recipe.unattend_xml),
        (KICKSTART, &recipe.ks_cfg),
    ];
    for (name, text) in texts {
        files.extend(text.as_ref().map(|text| (name, text.reveal().as_bytes().to_vec())));
    }
    files.sort();
    files
}

/// The `meta-data` of a job.
///
/// cloud-init takes a machine with another instance id for a new one. The lineage keeps it the same
/// when a job is retried, so that nothing runs twice.
pub fn meta_data(job: &JobFile) -> Vec<u8> {
    format!("instance-id: {}\n", job.lineage).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(example: &[u8]) -> Vec<&'static str> {
        let recipe = Recipe::parse(example).unwrap().recipe;
        let job = JobFile::parse(include_bytes!("../tests/golden/job.json")).unwrap();
        reveal_all(&recipe, &job).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn a_medium_carries_what_applies_to_its_recipe() {
        assert_eq!(
            names(include_bytes!("../../../schemas/examples/linux.json")),
            ["job.json", "meta-data", "recipe.json", "recipe.schema.json", "user-data"]
        );
        assert_eq!(
            names(include_bytes!("../../../schemas/examples/windows.json")),
            ["job.json", "meta-data", "recipe.json", "recipe.schema.json", "unattend.xml"]
        );
        assert_eq!(
            names(include_bytes!("../../../schemas/examples/esxi.json")),
            ["job.json", "ks.cfg", "meta-data", "recipe.json", "recipe.schema.json"]
        );
    }

    #[test]
    fn the_files_of_a_medium_read_back() {
        let example = include_bytes!("../../../schemas/examples/linux.json");
        let recipe = Recipe::parse(example).unwrap().recipe;
        let job = JobFile::parse(include_bytes!("../tests/golden/job.json")).unwrap();

        let files = reveal_all(&recipe, &job);

        let content = |name| files.iter().find(|(at, _)| *at == name).map(|(_, bytes)| &**bytes);
        assert_eq!(Recipe::parse(content(RECIPE).unwrap()).unwrap().recipe, recipe);
        assert_eq!(JobFile::parse(content(JOB).unwrap()).unwrap(), job);
        let meta_data: &[u8] = b"instance-id: 0199a7b2-3c4d-7e5f-8a6b-1c2d3e4f5a6b\n";
        assert_eq!(content(META_DATA), Some(meta_data));
    }
}

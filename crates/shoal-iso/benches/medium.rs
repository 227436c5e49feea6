//! What a task medium costs: this crate against hashing its bytes once, and against the two usual
//! tools making a medium of the same files. All are run in turn, so that a busy machine slows them
//! alike, and medians and best times are compared. Slow numbers are printed, never a failure.
//!
//! Run with `cargo bench -p shoal-iso`; needs
//! `apt-get install -y xorriso genisoimage libarchive-tools p7zip-full`.
#![expect(clippy::print_stdout, reason = "a benchmark reports to whoever ran it")]

use std::fmt;
use std::fs::File;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ring::digest::{SHA256, digest};
use shoal_iso::{FileName, Image, SourceDateEpoch, VolumeId};

const ROUNDS: usize = 18;

/// Runs per sample: many time slices, so that a busy machine stretches short work and long alike.
const BATCH: u32 = 8;

const LABEL: &str = "TASK_0123456789ABCDEF0123456789A";

/// Five files of a Linux job, 40 KiB in all.
const FILES: [(&str, usize); 5] = [
    ("recipe.json", 4096),
    ("recipe.schema.json", 16_384),
    ("user-data", 12_288),
    ("meta-data", 512),
    ("job.json", 7680),
];

fn main() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let tree = dir.path().join("tree");
    std::fs::create_dir(&tree)?;
    for (name, len) in FILES {
        std::fs::write(tree.join(name), content(name, len))?;
    }
    let image = build()?;
    let sparse = File::create(dir.path().join("ours.iso"))?;

    let mut hash = Contestant::new(|| {
        black_box(digest(&SHA256, image.bytes()));
        Ok(())
    });
    let mut build_only = Contestant::new(|| build().map(drop));
    let mut build_hash = Contestant::new(|| {
        black_box(build()?.sha256());
        Ok(())
    });
    let mut build_store = Contestant::new(|| Ok(build()?.write_sparse(&sparse)?));
    let mut xorriso = Contestant::new(|| tool("xorriso", &["-as", "mkisofs"], dir.path()));
    let mut genisoimage = Contestant::new(|| tool("genisoimage", &["-quiet"], dir.path()));

    // Whoever runs right after a process was waited for has a fresh time slice: take turns at it.
    let mut turns = [
        &mut hash,
        &mut build_only,
        &mut build_hash,
        &mut build_store,
        &mut xorriso,
        &mut genisoimage,
    ];
    for _ in 0..ROUNDS {
        for contestant in &mut turns {
            contestant.run()?;
        }
        turns.rotate_left(1);
    }

    println!("medium of {} bytes, {ROUNDS} rounds of {BATCH}: median, best", image.bytes().len());
    println!("hash once            {hash}");
    println!("build                {build_only}  {} x hash", build_only.against(&hash));
    println!(
        "build and hash       {build_hash}  {} x hash (target <= 1.5)",
        build_hash.against(&hash)
    );
    println!("build and store      {build_store}");
    println!(
        "xorriso process      {xorriso}  {} x build and store (target >= 20)",
        xorriso.against(&build_store)
    );
    println!(
        "genisoimage process  {genisoimage}  {} x build and store (target > 1)",
        genisoimage.against(&build_store)
    );
    Ok(())
}

/// One way to spend the time, and what it took each round.
struct Contestant<'a> {
    work: Box<dyn Fn() -> Result<()> + 'a>,
    samples: Vec<Duration>,
}

impl<'a> Contestant<'a> {
    fn new(work: impl Fn() -> Result<()> + 'a) -> Self {
        Self { work: Box::new(work), samples: Vec::new() }
    }

    fn run(&mut self) -> Result<()> {
        let start = Instant::now();
        for _ in 0..BATCH {
            (self.work)()?;
        }
        self.samples.push(start.elapsed() / BATCH);
        Ok(())
    }

    fn sorted(&self) -> Vec<Duration> {
        let mut sorted = self.samples.clone();
        sorted.sort();
        sorted
    }

    fn median(&self) -> Duration {
        self.sorted().get(self.samples.len() / 2).copied().unwrap_or_default()
    }

    fn best(&self) -> Duration {
        self.sorted().first().copied().unwrap_or_default()
    }

    /// How many times slower than `other`: by median and by best.
    fn against(&self, other: &Self) -> String {
        let ratio = |a: Duration, b: Duration| a.as_secs_f64() / b.as_secs_f64();
        format!(
            "{:.2} / {:.2}",
            ratio(self.median(), other.median()),
            ratio(self.best(), other.best())
        )
    }
}

impl fmt::Display for Contestant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>10.1?} {:>10.1?}", self.median(), self.best())
    }
}

fn build() -> Result<Image> {
    let mut builder = Image::builder(VolumeId::new(LABEL)?, SourceDateEpoch::new(1_700_000_000)?);
    for (name, len) in FILES {
        builder = builder.file(FileName::new(name)?, content(name, len));
    }
    Ok(builder.build()?)
}

fn content(name: &str, len: usize) -> Vec<u8> {
    name.bytes().cycle().take(len).collect()
}

fn tool(program: &str, first: &[&str], dir: &Path) -> Result<()> {
    let status = Command::new(program)
        .args(first)
        .args(["-R", "-J", "-V", LABEL, "-o"])
        .arg(dir.join(format!("{program}.iso")))
        .arg(dir.join("tree"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .with_context(|| {
            format!(
                "run {program}: apt-get install -y xorriso genisoimage libarchive-tools p7zip-full"
            )
        })?;
    ensure!(status.success(), "{program} ended with {status}");
    Ok(())
}

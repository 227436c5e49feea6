//! Finding the request form a BMC accepts costs refusals, and finding its resources costs reads. Both
//! are kept for the kind of BMC (vendor, model, firmware) and can be exported, so that the next
//! machine of the kind is driven with one request per change.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};

use crate::{bmc::Bmc, insertion::Payload, places::Layout, profile::Profile};

/// Characters of a kind.
const KIND_MOST: usize = 200;
/// Kinds that are known at one time; a data centre has dozens.
const KINDS_MOST: usize = 1000;
/// The life of what is not shared; no kind is forgotten so often.
const APART: u64 = u64::MAX;

/// What is known of one kind of BMC: the forms that worked where the profile's own did not.
///
/// It holds as long as the kind and the profile it was learned under are the same, and a form that
/// the BMC refuses later is forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Learned {
    /// Vendor label, manager model and firmware version.
    pub(crate) kind: String,
    /// Digest of the profile it was learned under.
    pub(crate) profile: String,
    pub(crate) payload: Option<Payload>,
    pub(crate) eject: Option<EjectForm>,
    pub(crate) etag: Option<EtagForm>,
    /// Whether a boot change must name all its properties.
    pub(crate) full_boot: bool,
    /// The boot override is taken by the resource that was not tried first.
    pub(crate) boot_elsewhere: bool,
    /// Expanded reads were refused or incomplete.
    pub(crate) no_expand: bool,
    /// Ids of slots that refused an image which another slot then took.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) refusing: BTreeSet<String>,
    pub(crate) layout: Layout,
    /// How often the kind had been forgotten when this was taken up.
    #[serde(skip)]
    life: u64,
}

impl Learned {
    /// The kind of BMC this holds for: vendor label, manager model and firmware version.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The kind of a BMC that names itself so, see [`Options::kind`](crate::Options::kind): vendor
    /// label, manager model, firmware version of the manager.
    pub fn kind_of(vendor: &str, model: Option<&str>, firmware: Option<&str>) -> String {
        let kind = [vendor, model.unwrap_or_default(), firmware.unwrap_or_default()].join("/");
        // It becomes a key, and BMCs say what they like.
        kind.chars().filter(|c| !c.is_control()).take(KIND_MOST).collect()
    }

    /// The same for one connection only, which teaches the others nothing.
    pub(crate) fn kept_apart(&self) -> Self {
        Self { life: APART, ..self.clone() }
    }

    /// Nothing yet.
    pub(crate) fn nothing(kind: &str, profile: &Profile) -> Self {
        Self { kind: kind.to_owned(), profile: digest(profile), ..Self::default() }
    }
}

/// What was learned of all kinds of BMCs, shared by the connections that are made with it. Cheap to
/// clone; all clones are one.
///
/// ```
/// use shoal_redfish::{Learning, Options};
///
/// let learning = Learning::default();
/// let options = Options { learning: learning.clone(), ..Options::default() };
/// // ... connections made with these options learn from each other ...
/// let stored = serde_json::to_string(&learning.all())?;
/// let restored = Learning::of(serde_json::from_str::<Vec<_>>(&stored)?);
/// # assert!(restored.all().is_empty());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Learning {
    book: Arc<Mutex<Book>>,
}

#[derive(Debug, Default)]
struct Book {
    kinds: BTreeMap<String, Learned>,
    changed: BTreeSet<String>,
    /// How often kinds were forgotten. Connections that know what was before do not bring it back.
    lives: BTreeMap<String, u64>,
}

impl Book {
    fn life(&self, kind: &str) -> u64 {
        self.lives.get(kind).copied().unwrap_or_default()
    }
}

impl Learning {
    /// What was known before, such as what was stored or exported elsewhere.
    pub fn of(known: impl IntoIterator<Item = Learned>) -> Self {
        let named = known.into_iter().filter(|learned| !learned.kind.is_empty());
        let kinds = named.map(|learned| (learned.kind.clone(), learned)).collect();
        let book = Book { kinds, ..Book::default() };
        Self { book: Arc::new(Mutex::new(book)) }
    }

    /// Everything, by kind.
    pub fn all(&self) -> Vec<Learned> {
        self.book().kinds.values().cloned().collect()
    }

    /// What is new or different since the last call, to be stored.
    pub fn changes(&self) -> Vec<Learned> {
        let mut book = self.book();
        let changed = std::mem::take(&mut book.changed);
        changed.iter().filter_map(|kind| book.kinds.get(kind).cloned()).collect()
    }

    /// Lets a change that could not be stored be told again.
    pub fn tell_again(&self, learned: &Learned) {
        self.book().changed.insert(learned.kind.clone());
    }

    /// Forgets a kind, as if none of its BMCs had been met; true where something was known of it.
    /// Connections that are open go on with what they know and teach the others nothing more of it.
    pub fn forget(&self, kind: &str) -> bool {
        let mut book = self.book();
        book.changed.remove(kind);
        let known = book.kinds.remove(kind).is_some();
        if known {
            *book.lives.entry(kind.to_owned()).or_default() += 1;
        }
        known
    }

    /// Whether anything is known of a kind.
    pub fn knows(&self, kind: &str) -> bool {
        self.book().kinds.contains_key(kind)
    }

    pub(crate) fn of_kind(&self, kind: &str) -> Option<Learned> {
        let book = self.book();
        let life = book.life(kind);
        book.kinds.get(kind).map(|known| Learned { life, ..known.clone() })
    }

    fn life(&self, kind: &str) -> u64 {
        self.book().life(kind)
    }

    fn put(&self, learned: &Learned) {
        let mut book = self.book();
        let full = book.kinds.len() >= KINDS_MOST && !book.kinds.contains_key(&learned.kind);
        if full || learned.life != book.life(&learned.kind) {
            return;
        }
        book.changed.insert(learned.kind.clone());
        book.kinds.insert(learned.kind.clone(), learned.clone());
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bmc {
    /// Changes what is known of this BMC's kind, for all of that kind.
    pub(crate) fn learn(&self, change: impl FnOnce(&mut Learned)) {
        let mut known = self.known();
        let before = known.learned.clone();
        change(&mut known.learned);
        if known.learned != before && !known.learned.kind.is_empty() {
            self.inner.options.learning.put(&known.learned);
        }
    }

    /// Takes up what is known of a kind of BMC, unless it was learned under another profile.
    pub(crate) fn recall(&self, kind: &str, profile: &Profile) {
        let known = self.inner.options.learning.of_kind(kind);
        let life = self.inner.options.learning.life(kind);
        let nothing = Learned { life, ..Learned::nothing(kind, profile) };
        let learned = known.filter(|known| known.profile == nothing.profile).unwrap_or(nothing);
        let mut known = self.known();
        // What the reads before the kind was known have shown holds for it.
        let no_expand = known.learned.no_expand && known.learned.kind.is_empty();
        known.learned = learned;
        known.learned.no_expand |= no_expand || !profile.media.expand;
    }
}

/// An operator's change of a profile is meant to be followed, so it ends what was learned before.
fn digest(profile: &Profile) -> String {
    let text = serde_json::to_vec(profile).unwrap_or_default();
    let digest = ring::digest::digest(&ring::digest::SHA256, &text);
    let start =
        digest.as_ref().iter().take(8).fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte));
    format!("{start:016x}")
}

/// Forms of the request that empties a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EjectForm {
    /// POST to the action with `{}`.
    EmptyObject,
    /// POST to the action without a body.
    NoBody,
    /// PATCH the slot with `Image: null, Inserted: false`.
    PatchInserted,
    /// PATCH the slot with `Image: null`.
    PatchImage,
}

/// Forms of the `If-Match` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EtagForm {
    /// The tag as the BMC sent it.
    Received,
    /// The tag without its weakness prefix.
    Strong,
    /// `*`.
    Any,
    /// No header.
    Nothing,
}

impl EtagForm {
    /// The header value for a tag; `None` when no header is sent.
    pub(crate) fn header(self, etag: Option<&str>) -> Option<String> {
        match self {
            Self::Received => etag.map(str::to_owned),
            Self::Strong => etag.map(|etag| etag.strip_prefix("W/").unwrap_or(etag).to_owned()),
            Self::Any => Some("*".to_owned()),
            Self::Nothing => None,
        }
    }
}

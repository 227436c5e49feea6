//! What a caller can get wrong, in one enum: every failure of this crate is an input that was
//! refused, so a repetition with the same input fails the same way.

/// An input that cannot become a medium.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The volume id is empty or longer than 32 characters (ECMA-119, 8.4.7).
    #[error("volume id has {length} characters, not 1 to 32")]
    VolumeIdLength {
        /// Characters given.
        length: usize,
    },
    /// The volume id has a character other than `A-Z`, `0-9` and `_` (ECMA-119, 7.4.1).
    #[error("volume id {value:?} has the character {character:?}, not one of A-Z 0-9 _")]
    VolumeIdCharacter {
        /// The volume id given.
        value: String,
        /// The first character that is not allowed.
        character: char,
    },
    /// The file name is empty, longer than 103 UTF-16 units (the limit of Joliet) or longer than
    /// 250 bytes of UTF-8 (the limit of one Rock Ridge name entry).
    #[error(
        "file name {name:?} has {utf16_units} UTF-16 units (1 to 103) and {bytes} bytes (up to 250)"
    )]
    FileNameLength {
        /// The name given.
        name: String,
        /// Its length in UTF-16 units.
        utf16_units: usize,
        /// Its length in bytes of UTF-8.
        bytes: usize,
    },
    /// The file name has a character which one of the three trees cannot hold.
    #[error("file name {name:?} has the character {character:?}, which a medium cannot hold")]
    FileNameCharacter {
        /// The name given.
        name: String,
        /// The first character that is not allowed.
        character: char,
    },
    /// The file name ends in a dot or a space (readers of Joliet drop those), begins with a
    /// space, or is made of dots.
    #[error("file name {name:?} begins or ends in a way that readers change")]
    FileNameEdge {
        /// The name given.
        name: String,
    },
    /// The label or file name of a stick is not one FAT keeps without a long form: a label of 1 to 11,
    /// a name of 1 to 8 and a suffix of up to 3 of `A-Z`, `0-9` and `_`.
    #[error("{name:?} is no short name of A-Z 0-9 _")]
    ShortName {
        /// The name given.
        name: String,
    },
    /// Two file names are equal, or differ in case only and so are one name to firmware and Windows.
    #[error("file name {name:?} is the same as {earlier:?} for a reader that ignores case")]
    DuplicateName {
        /// The later of the two names.
        name: String,
        /// The name already on the medium.
        earlier: String,
    },
    /// The time is after 2155-12-31T23:59:59Z, the last one a directory record can hold
    /// (ECMA-119, 9.1.5: one byte of years since 1900).
    #[error("time {seconds} s after 1970 is later than the year 2155")]
    TimeOutOfRange {
        /// Seconds since 1970-01-01T00:00:00Z.
        seconds: u64,
    },
    /// The medium would be larger than its limit.
    #[error("medium needs {bytes} bytes, more than its limit of {limit}")]
    TooLarge {
        /// Size the medium would have, in bytes.
        bytes: u64,
        /// The limit in force, in bytes.
        limit: u32,
    },
}

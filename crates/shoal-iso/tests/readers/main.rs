//! The medium as others read it: xorriso, isoinfo, isovfy, bsdtar, 7z and blkid, none of them
//! written for this crate, must find the names, the attributes and every byte.

#[cfg(test)]
mod attributes;
#[cfg(test)]
mod byte_order;
#[cfg(test)]
mod content;
#[cfg(test)]
mod layout;
#[cfg(test)]
mod names;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod roundtrip;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod stick;

//! What one connection must never show: its password, its tokens, and the places of the images it
//! inserts, whose paths may be capabilities. BMCs echo all of them, whole or in parts, so whatever
//! leaves the connection for people to read is cleaned with this list.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::{
    media_url::MediaUrl,
    redact::{self, Blank},
    secret::Secret,
};

/// Of the tokens only the newest two can still be echoed.
const TOKENS: usize = 2;
/// Places of images; a job has two media, and connections serve a few jobs.
const MEDIA: usize = 8;

pub(crate) struct Hidden {
    kept: Mutex<Kept>,
}

struct Kept {
    password: Secret,
    tokens: Vec<Secret>,
    /// Paths without their file names.
    media: Vec<Secret>,
}

impl Hidden {
    pub(crate) fn new(password: Secret) -> Self {
        Self { kept: Mutex::new(Kept { password, tokens: Vec::new(), media: Vec::new() }) }
    }

    pub(crate) fn token(&self, token: &Secret) {
        keep(&mut self.kept().tokens, token.clone(), TOKENS);
    }

    pub(crate) fn media(&self, url: &MediaUrl) {
        if let Some(directory) = url.directory() {
            keep(&mut self.kept().media, Secret::new(directory), MEDIA);
        }
    }

    /// See [`redact::text`].
    pub(crate) fn text(&self, input: &str, limit: usize) -> String {
        redact::text(input, &self.kept().blanks(), limit)
    }

    /// See [`redact::json`].
    pub(crate) fn json(&self, body: &Value, limit: usize) -> String {
        redact::json(body, &self.kept().blanks(), limit)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn blanks(&self) -> Vec<Blank<'_>> {
        let words = [&self.password].into_iter().chain(&self.tokens);
        let words = words.map(|word| Blank { secret: word.reveal(), shown: "***" });
        let mut media: Vec<&str> = self.media.iter().map(Secret::reveal).collect();
        // What lies below another place would otherwise be left standing behind it, and a place in
        // which a password is blanked is not found any more.
        media.sort_by_key(|place| std::cmp::Reverse(place.len()));
        let media = media.into_iter().map(|secret| Blank { secret, shown: "…/" });
        media.chain(words).collect()
    }
}

fn keep(list: &mut Vec<Secret>, new: Secret, most: usize) {
    list.retain(|known| *known != new);
    if list.len() == most {
        list.remove(0);
    }
    list.push(new);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_images_are_hidden_with_and_without_their_host() {
        let hidden = Hidden::new(Secret::new("capa"));
        for url in ["http://h/b/boot.iso", "http://h/b/t/capability/task.img", "http://h/x.iso"] {
            hidden.media(&MediaUrl::parse(url).unwrap());
        }
        let told =
            "/b/t/capability/task.img, b/t/capability/x and http://h/b/t/capability/task.img";
        assert_eq!(hidden.text(told, 500), "/…/task.img, …/x and http://h/…/task.img");
    }

    #[test]
    fn the_list_is_bounded_and_drops_the_oldest_first() {
        let hidden = Hidden::new(Secret::new("hunter2"));
        for number in 0..20 {
            hidden.token(&Secret::new(format!("token{number:02}")));
            hidden.media(&MediaUrl::parse(&format!("http://h/m{number:02}/a.iso")).unwrap());
        }
        assert_eq!(hidden.kept().blanks().len(), 1 + TOKENS + MEDIA);
        assert_eq!(hidden.text("token17 token18 m11/a m12/a", 500), "token17 *** m11/a …/a");
    }
}

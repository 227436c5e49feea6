//! Job tokens: what a machine shows to prove which attempt of which job it works for. They are
//! derived and never stored, so the same attempt has the same token after any restart, and a copied
//! database gives none away.
//!
//! A token is 37 bytes in lower-case base32 without padding, 60 characters: key id, job id, attempt
//! (four bytes, big endian), and the first 16 bytes of an HMAC-SHA256 over the purpose and all that.

use std::hint::black_box;

use data_encoding::BASE32_NOPAD;
use ring::hmac;
use shoal_core::JobId;

use crate::{Key, KeyPurpose, KeyRing, Secret};

/// Characters of a token.
pub const TOKEN_LEN: usize = 60;

const MAC_LEN: usize = 16;
const CLAIMS_LEN: usize = 1 + 16 + 4;
const DOMAIN: &[u8] = b"shoal job token\0";

/// The token of one attempt. The same arguments give the same token.
pub fn mint(key: &Key, purpose: KeyPurpose, job: JobId, attempt: u32) -> Secret {
    let mut bytes = claims(key.id, job, attempt).to_vec();
    bytes.extend(mac(key, purpose, &bytes));
    Secret::new(BASE32_NOPAD.encode(&bytes).to_ascii_lowercase())
}

/// The job and attempt a token was minted for; none unless a key of the ring minted it for this
/// purpose. Whether the attempt is still under way is the caller's question.
pub fn verify(keys: &KeyRing, purpose: KeyPurpose, text: &str) -> Option<(JobId, u32)> {
    // One spelling only: a token that was logged or compared elsewhere has no second form.
    if text.len() != TOKEN_LEN || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let bytes = BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).ok()?;
    let (said, given) = bytes.split_first_chunk::<CLAIMS_LEN>()?;
    let (id, rest) = said.split_first()?;
    let (job, attempt) = rest.split_first_chunk::<16>()?;
    let key = keys.find(*id)?;
    if !equal(&mac(key, purpose, said), given) {
        return None;
    }
    let attempt = u32::from_be_bytes(attempt.try_into().ok()?);
    keys.note_use(purpose, key.id);
    Some((JobId::from_u128(u128::from_be_bytes(*job)), attempt))
}

fn claims(key: u8, job: JobId, attempt: u32) -> [u8; CLAIMS_LEN] {
    let said = std::iter::once(key).chain(job.as_u128().to_be_bytes()).chain(attempt.to_be_bytes());
    let mut claims = [0; CLAIMS_LEN];
    for (to, from) in claims.iter_mut().zip(said) {
        *to = from;
    }
    claims
}

fn mac(key: &Key, purpose: KeyPurpose, claims: &[u8]) -> [u8; MAC_LEN] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.secret.expose());
    let mut context = hmac::Context::with_key(&key);
    context.update(DOMAIN);
    context.update(purpose.as_str().as_bytes());
    context.update(b"\0");
    context.update(claims);
    let mut mac = [0; MAC_LEN];
    for (to, from) in mac.iter_mut().zip(context.sign().as_ref()) {
        *to = *from;
    }
    mac
}

/// Takes the same time wherever the bytes differ.
fn equal(expected: &[u8; MAC_LEN], given: &[u8]) -> bool {
    given.len() == MAC_LEN
        && black_box(expected.iter().zip(given).fold(0, |all, (a, b)| black_box(all | (a ^ b))))
            == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: JobId = JobId::from_u128(0x0190_a5d2_7e1c_7cc3_8000_0000_0000_abcd);

    fn key(id: u8, byte: u8) -> Key {
        Key { id, secret: Secret::new([byte; 32]), accepted_until: None }
    }

    fn ring() -> KeyRing {
        KeyRing { current: key(2, 2), accepted: vec![key(1, 1)] }
    }

    #[test]
    fn token_says_which_attempt_it_is_for_and_never_changes() {
        let token = mint(&key(1, 1), KeyPurpose::WebhookToken, JOB, 7);

        assert_eq!(token.expose().len(), TOKEN_LEN);
        assert_eq!(verify(&ring(), KeyPurpose::WebhookToken, token.expose()), Some((JOB, 7)));
        assert_eq!(mint(&key(1, 1), KeyPurpose::WebhookToken, JOB, 7).expose(), token.expose());
    }

    #[test]
    fn mac_is_the_one_other_programs_compute() {
        // printf 'shoal job token\0webhook_token\0\x01\x01\x90...\xcd\0\0\0\x07' | openssl dgst
        //   -sha256 -mac HMAC -macopt hexkey:0101...01
        let claims = claims(1, JOB, 7);
        let hex =
            data_encoding::HEXLOWER.encode(&mac(&key(1, 1), KeyPurpose::WebhookToken, &claims));
        assert_eq!(hex, "12504cb839b825998499a465862f52af");
    }

    #[test]
    fn any_changed_character_voids_a_token() {
        let token = mint(&key(2, 2), KeyPurpose::WebhookToken, JOB, 1);
        let text = token.expose();
        for at in 0..text.len() {
            for other in ["a", "b", "7", "A", "=", " "] {
                let mut changed = text.clone();
                changed.replace_range(at..=at, other);
                let found = verify(&ring(), KeyPurpose::WebhookToken, &changed);
                assert!(found.is_none() || changed == *text, "{changed}");
            }
        }
        for odd in ["", "é", &text[1..], &format!("{text}a"), &text.to_uppercase()] {
            assert_eq!(verify(&ring(), KeyPurpose::WebhookToken, odd), None, "{odd}");
        }
    }

    #[test]
    fn token_is_good_for_its_purpose_and_key_only() {
        let token = mint(&key(1, 1), KeyPurpose::WebhookToken, JOB, 1);
        let other_secret = KeyRing { current: key(1, 9), accepted: Vec::new() };
        let other_id = KeyRing { current: key(3, 1), accepted: Vec::new() };

        assert_eq!(verify(&ring(), KeyPurpose::RegistryToken, token.expose()), None);
        assert_eq!(verify(&other_secret, KeyPurpose::WebhookToken, token.expose()), None);
        assert_eq!(verify(&other_id, KeyPurpose::WebhookToken, token.expose()), None);
    }
}

//! The body of `PUT /servers/{serial}`, from bytes to what is stored.

use shoal_core::ServerSerial;
use shoal_recipe::HttpUrl;
use shoal_store::{Credentials, Secret, Server, TlsPolicy};
use zeroize::Zeroizing;

use super::tls::Tls;
use crate::{document::Document, error::Error, job, prober::Stranger};

/// Longest text of a server's own fields but its certificates.
pub(super) const TEXT_MAX: usize = 1024;

/// Reads the body of a PUT. A new server needs credentials; a known one keeps those it has.
pub(super) fn parse(
    body: &[u8],
    serial: &ServerSerial,
    known: bool,
) -> Result<(Server, Option<Credentials>), Error> {
    read(Document::read(body)?, Some(serial), known)
}

/// Reads one record of an import, which names its server itself. Whether it needs credentials is
/// known only where it is stored.
pub(super) fn parse_record(body: &[u8]) -> Result<(Server, Option<Credentials>), Error> {
    let mut document = Document::read(body)?;
    let expected = "1 to 64 characters out of A-Z a-z 0-9 . _ -";
    let serial: Option<ServerSerial> = document.required("serial", expected);
    read(document, serial.as_ref(), true)
}

/// Reads the body of a look at a BMC no server is registered with.
pub(super) fn parse_stranger(body: &[u8]) -> Result<Stranger, Error> {
    let mut document = Document::read(body)?;
    let address = address(&mut document);
    let tls = optional_tls(&mut document);
    let credentials = credentials(&mut document, true);
    let bmc_address = document.finish_with(address)?;
    Ok(Stranger { bmc_address, tls, credentials })
}

fn read(
    mut document: Document<'_>,
    serial: Option<&ServerSerial>,
    known: bool,
) -> Result<(Server, Option<Credentials>), Error> {
    let required = address(&mut document).zip(tls(&mut document));
    let credentials = credentials(&mut document, known);
    let vendor_hint = text(&mut document, "vendor_hint");
    let media_scheme = document.optional("media_scheme", "https or http");
    let allow_plain_media = document.optional("allow_plain_media", "true or false");
    let media_host = text(&mut document, "media_host");
    let labels = job::labels(&mut document);
    let quarantine = text(&mut document, "quarantine");
    let ((bmc_address, tls), serial) = document.finish_with(required.zip(serial))?;
    let server = Server {
        vendor_hint,
        media_scheme,
        allow_plain_media: allow_plain_media.unwrap_or(false),
        media_host,
        labels,
        quarantine,
        ..Server::new(serial.clone(), bmc_address, tls)
    };
    Ok((server, credentials))
}

fn address(document: &mut Document<'_>) -> Option<String> {
    let expected = "the https URL of the BMC";
    let text: String = document.required("bmc_address", expected)?;
    let url = text.parse::<HttpUrl>().ok().filter(HttpUrl::is_https);
    if url.is_none() {
        document.problem("bmc_address", "bad_url", format!("must be {expected}"));
    }
    url.map(|url| url.as_str().to_owned())
}

const TLS_EXPECTED: &str =
    "an object with policy ca and pem, policy pin and sha256, or policy insecure and reason";

fn tls(document: &mut Document<'_>) -> Option<TlsPolicy> {
    let tls: Tls = document.required("tls", TLS_EXPECTED)?;
    Some(checked(tls, document))
}

fn optional_tls(document: &mut Document<'_>) -> Option<TlsPolicy> {
    let tls: Tls = document.optional("tls", TLS_EXPECTED)?;
    Some(checked(tls, document))
}

fn checked(tls: Tls, document: &mut Document<'_>) -> TlsPolicy {
    if let Some(problem) = tls.problem() {
        document.problem("tls", "bad_format", problem);
    }
    tls.into()
}

fn credentials(document: &mut Document<'_>, known: bool) -> Option<Credentials> {
    let before = document.problems();
    let Some(mut nested) = document.nested("credentials", "/credentials") else {
        if !known && document.problems() == before {
            let message = "is missing; a new server needs user and password";
            document.problem("credentials", "missing_field", message);
        }
        return None;
    };
    let expected = "a text of 1 to 1024 bytes without control characters";
    let user: Option<String> = nested.required("user", expected);
    let password: Option<Zeroizing<String>> =
        nested.required::<String>("password", expected).map(Zeroizing::new);
    let fits =
        |text: &str| (1..=TEXT_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
    for (name, text) in [
        ("user", user.as_deref()),
        ("password", password.as_ref().map(|password| password.as_str())),
    ] {
        if text.is_some_and(|text| !fits(text)) {
            nested.problem(name, "out_of_range", format!("must be {expected}"));
        }
    }
    document.close(nested);
    let password = Secret::new(password?.as_str().to_owned());
    Some(Credentials { user: user?, password })
}

/// A short text; an empty one counts as left out.
fn text(document: &mut Document<'_>, name: &str) -> Option<String> {
    let expected = "a text of at most 1024 bytes without control characters";
    let text: String = document.optional(name, expected)?;
    if text.len() > TEXT_MAX || text.chars().any(char::is_control) {
        document.problem(name, "out_of_range", format!("must be {expected}"));
    }
    (!text.is_empty()).then_some(text)
}

//! How the controller is to recognise a BMC, from flags or a line of a list to the API's words.

use std::path::Path;

use serde_json::{Value, json};

use crate::error::Error;
use crate::profile::read;
use crate::tls::{self, Pin};

/// At most one of the three ways.
pub(crate) struct Trust<'a> {
    pub(crate) pin: Option<Pin>,
    pub(crate) ca: Option<&'a Path>,
    /// Why nothing is checked.
    pub(crate) reason: Option<&'a str>,
}

impl Trust<'_> {
    /// The policy; none if no way was chosen.
    pub(crate) fn policy(&self) -> Result<Option<Value>, Error> {
        if let Some(pin) = &self.pin {
            return Ok(Some(json!({ "policy": "pin", "sha256": pin.to_string() })));
        }
        if let Some(path) = self.ca {
            let pem = read(path)?;
            tls::roots(&pem).map_err(|_| Error::BadValue {
                what: path.display().to_string(),
                why: "it holds no usable certificate",
            })?;
            return Ok(Some(json!({ "policy": "ca", "pem": pem })));
        }
        Ok(self.reason.map(|reason| json!({ "policy": "insecure", "reason": reason })))
    }
}

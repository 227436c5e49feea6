//! How values look in columns, in one place, so that every module reads and writes them alike.

use serde::{Serialize, de::DeserializeOwned};
use shoal_core::{JobId, Status, Time};
use shoal_sqlite::rusqlite::{Params, Row, Transaction};

use crate::Error;

/// SQLite knows signed integers only; both ends saturate.
pub(crate) fn millis(time: Time) -> i64 {
    signed(time.as_millis())
}

pub(crate) fn time(millis: i64) -> Time {
    Time::from_millis(unsigned(millis))
}

pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

pub(crate) fn to_json<T: Serialize>(what: &'static str, value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|source| Error::Stored { what, source })
}

pub(crate) fn from_json<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|source| Error::Stored { what, source })
}

pub(crate) fn job_id(text: &str) -> Result<JobId, Error> {
    text.parse().map_err(|_| unknown_word("job id", text))
}

pub(crate) fn status(text: &str) -> Result<Status, Error> {
    word("status", &Status::ALL, Status::as_str, text)
}

/// The member of `all` whose word this is.
pub(crate) fn word<T: Copy>(
    what: &'static str,
    all: &[T],
    as_str: fn(T) -> &'static str,
    text: &str,
) -> Result<T, Error> {
    let found = all.iter().copied().find(|one| as_str(*one) == text);
    found.ok_or_else(|| unknown_word(what, text))
}

/// All rows of a query.
pub(crate) fn all<T>(
    tx: &Transaction<'_>,
    sql: &str,
    params: impl Params,
    map: impl Fn(&Row<'_>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let mut statement = tx.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(map(row)?);
    }
    Ok(found)
}

/// The first row of a query.
pub(crate) fn first<T>(
    tx: &Transaction<'_>,
    sql: &str,
    params: impl Params,
    map: impl FnOnce(&Row<'_>) -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    let mut statement = tx.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    rows.next()?.map(map).transpose()
}

fn unknown_word(what: &'static str, found: &str) -> Error {
    Error::StoredWord { what, found: found.to_owned() }
}

/// How SQLite would carry out a statement, one line for each of its steps.
#[cfg(test)]
pub(crate) async fn explained(sql: impl AsRef<str>) -> String {
    let sql = format!("EXPLAIN QUERY PLAN {}", sql.as_ref());
    let store = crate::Store::scratch().unwrap();
    let steps = store.read(move |tx, _| {
        let mut statement = tx.prepare(&sql)?;
        let mut rows = statement.raw_query();
        let mut steps = Vec::new();
        while let Some(row) = rows.next()? {
            steps.push(row.get::<_, String>(3)?);
        }
        Ok(steps.join("\n"))
    });
    steps.await.unwrap()
}

//! The verbs on API tokens.

use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use crate::args::{NewToken, RevokeToken, TokensVerb};
use crate::client::{Client, Write, view};
use crate::error::Error;
use crate::exit::Exit;
use crate::once::Kept;
use crate::run::Context;
use crate::screen::Screen;
use crate::span::{age, until};
use crate::table::{Cell, visible};
use crate::wire::Token;

const PATH: [&str; 2] = ["admin", "tokens"];

pub(crate) async fn run(
    verb: TokensVerb,
    context: &Context<'_>,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    match verb {
        TokensVerb::List => list(&context.client()?, screen).await,
        TokensVerb::Create(new) => create(&new, &context.client()?, screen).await,
        TokensVerb::Revoke(which) => revoke(&which, context, screen).await,
    }
}

async fn list(client: &Client, screen: &mut Screen<'_>) -> Result<Exit, Error> {
    let value = client.get(&PATH, &[]).await?;
    if screen.is_json() {
        screen.json(&value)?;
        return Ok(Exit::Done);
    }
    let ago = |at: Option<Timestamp>| at.map_or("never".to_owned(), |at| age(at, screen.now));
    let row = |token: &Token| {
        vec![
            Cell::new(&token.id),
            Cell::new(&token.name),
            Cell::new(&token.role),
            Cell::new(token.created_at.map(|at| age(at, screen.now)).unwrap_or_default()),
            Cell::new(ago(token.last_used_at)),
            Cell::new(ago(token.expires_at)),
        ]
    };
    let rows: Vec<_> = tokens(&value)?.iter().map(row).collect();
    screen.table(&["ID", "NAME", "ROLE", "AGE", "LAST USED", "ENDS"], &rows)?;
    Ok(Exit::Done)
}

fn tokens(value: &Value) -> Result<Vec<Token>, Error> {
    view("GET /api/v1/admin/tokens", value.get("tokens").unwrap_or(&Value::Null))
}

async fn create(new: &NewToken, client: &Client, screen: &mut Screen<'_>) -> Result<Exit, Error> {
    let end = new.expires.as_ref().map(|text| {
        let why = "it is neither a span such as 90d nor a time such as 2030-01-31T00:00:00Z";
        let bad = || Error::BadValue { what: format!("--expires {text}"), why };
        Ok::<_, Error>(until(text, screen.now).ok_or_else(bad)?.to_string())
    });
    let end = end.transpose()?;
    let body = json!({ "name": new.name, "role": new.role.as_str(), "expires_at": end });
    let kept = new.write.as_deref().map(Kept::at).transpose()?;
    let write = Write {
        method: Method::POST,
        path: &PATH,
        body: Some(body.to_string()),
        ..Write::default()
    };
    let again = format!(
        "if shoal tokens list shows {}, revoke it, since its text is lost; then repeat the command",
        new.name
    );
    let mut answer = client.send(write, &again).await?.body;
    let made: Token = view("POST /api/v1/admin/tokens", &answer)?;
    let Some(text) = answer.get("token").and_then(Value::as_str).map(str::to_owned) else {
        let why = "it has no token".to_owned();
        return Err(Error::BadAnswer { call: "POST /api/v1/admin/tokens".to_owned(), why });
    };
    let what = format!("token {} of {} with the role {}", made.id, made.name, made.role);
    if let Some(kept) = kept {
        kept.keep(&text, &what, &format!("end it with shoal tokens revoke {}", made.id))?;
        answer.as_object_mut().map(|members| members.remove("token"));
    }
    match (screen.is_json(), &new.write) {
        (true, _) => screen.json(&answer)?,
        (false, Some(path)) => {
            screen.line(&visible(&format!("{what} is in {}", path.display())))?;
        }
        (false, None) => {
            screen.note(&format!("{what}; it is not shown again:"))?;
            screen.line(&visible(&text))?;
        }
    }
    Ok(Exit::Done)
}

async fn revoke(
    which: &RevokeToken,
    context: &Context<'_>,
    screen: &mut Screen<'_>,
) -> Result<Exit, Error> {
    let client = context.client()?;
    let tokens = tokens(&client.get(&PATH, &[]).await?)?;
    // An id names one token whatever the others are called.
    let named = |token: &&Token| token.name == which.token;
    let found = tokens.iter().find(|token| token.id == which.token);
    let found = found.or_else(|| tokens.iter().find(named));
    let Token { id, name, role, .. } = found.ok_or_else(|| Error::NoToken(which.token.clone()))?;
    let about = format!("token {id} of {name} with the role {role} will be ended");
    context.confirm(which.yes, &about)?;
    let write =
        Write { method: Method::DELETE, path: &["admin", "tokens", id], ..Write::default() };
    client.send(write, "look with shoal tokens list").await?;
    if !screen.is_json() {
        screen.line(&visible(&format!("token {id} of {name} ended")))?;
    }
    Ok(Exit::Done)
}

//! A client that only knows how things should be: it takes what comes first, says what the standard's
//! examples say, and believes that a change is there once it was accepted. It succeeds on a BMC
//! without habits, and every habit stops it at the step where the habit shows.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use shoal_redfish_mock::{BootFrom, Clock, ClockHand, Event, Persona};

use crate::support::{Rig, SERIAL, Wish, boot_medium, linux_task};

/// One entry of the table of habits.
#[derive(Deserialize)]
struct Habit {
    title: String,
    naive: String,
    #[serde(default)]
    asks: Vec<String>,
    change: toml::Table,
}

#[derive(Deserialize)]
struct Habits {
    habit: Vec<Habit>,
}

fn habits() -> Vec<Habit> {
    let table: Habits = toml::from_str(include_str!("../../habits.toml")).unwrap();
    table.habit
}

impl Habit {
    fn persona(&self) -> Persona {
        let mut text = self.change.clone();
        text.insert("like".to_owned(), "generic".into());
        Persona::from_toml(&text.to_string()).expect(&self.title)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_naive_client_succeeds_where_there_are_no_habits() {
    let asks = [
        &[][..],
        &["if_match"],
        &["if_match_any"],
        &["mode"],
        &["bare_insert"],
        &["object_on_eject"],
    ];
    for asks in asks {
        let asks: Vec<String> = asks.iter().map(|word| (*word).to_owned()).collect();
        let persona = Persona::built_in("generic").unwrap();
        assert_eq!(provision(persona, &asks).await, Ok(()), "{asks:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_naive_client_succeeds_on_no_real_bmc() {
    for name in Persona::names().filter(|name| *name != "generic") {
        let ended = provision(Persona::built_in(name).unwrap(), &[]).await;
        assert!(ended.is_err(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_habit_stops_a_naive_client() {
    for habit in habits() {
        let ended = provision(habit.persona(), &habit.asks).await;
        let step = ended.as_ref().err().map(|stopped| stopped.step);
        assert_eq!(step, Some(habit.naive.as_str()), "{}: {ended:?}", habit.title);
    }
}

/// Where a naive client stopped.
#[derive(Debug, PartialEq)]
struct Stopped {
    step: &'static str,
    saw: String,
}

/// Provisions a machine that is on, and cleans up.
async fn provision(persona: Persona, asks: &[String]) -> Result<(), Stopped> {
    let (clock, hand) = Clock::manual();
    let rig = Wish { persona: Box::new(persona), clock, ..Wish::of("generic") }.rig().await;
    rig.mock.press_power_button();
    let mut naive = Naive { rig: &rig, hand, asks, token: String::new(), step: "login" };
    naive.life().await.map_err(|saw| Stopped { step: naive.step, saw })
}

struct Naive<'a> {
    rig: &'a Rig,
    hand: ClockHand,
    asks: &'a [String],
    token: String,
    step: &'static str,
}

/// What is wrong, in words; steps end with it.
type Step<T> = Result<T, String>;

impl Naive<'_> {
    async fn life(&mut self) -> Step<()> {
        let root = self.log_in().await?;
        self.step = "find";
        let system = self.first_member(link(&root, "/Systems")?).await?;
        text(&system, "/Boot/BootSourceOverrideEnabled")?;
        let reset = text(&system, "/Actions/#ComputerSystem.Reset/target")?;
        self.step = "identify";
        expect(&system, "/SerialNumber", &json!(SERIAL))?;
        self.step = "slots";
        let slots = self.slots(&system).await?;
        self.step = "boot";
        self.boot_once(&system).await?;
        self.step = "off";
        self.power(&system, reset, ("ForceOff", "Off")).await?;
        self.step = "insert";
        // As long as signatures of addresses are.
        let query = format!("?token={}", "x".repeat(120));
        for (slot, (name, image)) in
            slots.iter().zip([("boot.iso", boot_medium()), ("task.iso", linux_task())])
        {
            let url = format!("{}{query}", self.plain_url(name, image));
            self.insert(slot, &url).await?;
        }
        self.step = "on";
        self.power(&system, reset, ("On", "On")).await?;
        self.step = "booted";
        self.wait_for_the_maintenance_system().await?;
        self.step = "eject";
        for slot in &slots {
            self.eject(slot).await?;
        }
        Ok(())
    }

    /// An address without TLS, whatever the server speaks.
    fn plain_url(&self, name: &str, image: Vec<u8>) -> String {
        self.rig.images.put(name, image).replacen("https://", "http://", 1)
    }

    async fn log_in(&mut self) -> Step<Value> {
        let root = self.get("/redfish/v1").await?;
        let sessions = link(&root, "/Links/Sessions")?;
        let login = json!({"UserName": "admin", "Password": "password"});
        let url = format!("{}{sessions}", self.rig.mock.url());
        let answer = self.rig.http.post(url).json(&login).send().await.map_err(words)?;
        let token = answer.headers().get("x-auth-token").ok_or("no token")?;
        token.to_str().map_err(words)?.clone_into(&mut self.token);
        Ok(root)
    }

    /// The first that can hold a CD, and any other.
    async fn slots(&self, system: &Value) -> Step<[Value; 2]> {
        let path = link(system, "/VirtualMedia")?;
        let collection = self.get(&format!("{path}?$expand=*")).await?;
        let mut slots = list(&collection, "/Members")?.clone();
        for slot in &slots {
            list(slot, "/MediaTypes")?;
        }
        let cd = |slot: &Value| slot["MediaTypes"].as_array().unwrap().contains(&json!("CD"));
        let boot = slots.iter().position(cd).ok_or("no slot for a CD")?;
        let boot = slots.remove(boot);
        let task = slots.into_iter().next().ok_or("no second slot")?;
        Ok([boot, task])
    }

    async fn boot_once(&self, system: &Value) -> Step<()> {
        let path = text(system, "/@odata.id")?;
        let targets = list(system, "/Boot/BootSourceOverrideTarget@Redfish.AllowableValues")?;
        if !targets.contains(&json!("Cd")) {
            return Err(format!("no Cd among {targets:?}"));
        }
        let mut boot =
            json!({"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Cd"});
        if self.asks_for("mode") {
            boot["BootSourceOverrideMode"] = json!("UEFI");
        }
        self.change("PATCH", path, Some(&json!({"Boot": boot}))).await?;
        let shown = self.get(path).await?;
        expect(&shown, "/Boot/BootSourceOverrideEnabled", &json!("Once"))?;
        expect(&shown, "/Boot/BootSourceOverrideTarget", &json!("Cd"))?;
        expect(&shown, "/Boot/BootSourceOverrideMode", &json!("UEFI"))
    }

    async fn power(&self, system: &Value, reset: &str, (kind, state): (&str, &str)) -> Step<()> {
        let values = "/Actions/#ComputerSystem.Reset/ResetType@Redfish.AllowableValues";
        if !list(system, values)?.contains(&json!(kind)) {
            return Err(format!("no {kind} is listed"));
        }
        self.change("POST", reset, Some(&json!({"ResetType": kind}))).await?;
        let shown = self.get(text(system, "/@odata.id")?).await?;
        expect(&shown, "/PowerState", &json!(state))
    }

    async fn insert(&self, slot: &Value, url: &str) -> Step<()> {
        let mut body = json!({"Image": url});
        if !self.asks_for("bare_insert") {
            body["Inserted"] = json!(true);
            body["WriteProtected"] = json!(true);
        }
        let action = text(slot, "/Actions/#VirtualMedia.InsertMedia/target")?;
        self.change("POST", action, Some(&body)).await?;
        let shown = self.get(text(slot, "/@odata.id")?).await?;
        expect(&shown, "/Inserted", &json!(true))?;
        expect(&shown, "/WriteProtected", &json!(true))?;
        expect(&shown, "/Image", &json!(url))
    }

    async fn eject(&self, slot: &Value) -> Step<()> {
        let action = text(slot, "/Actions/#VirtualMedia.EjectMedia/target")?;
        let object = json!({});
        self.change("POST", action, self.asks_for("object_on_eject").then_some(&object)).await?;
        let shown = self.get(text(slot, "/@odata.id")?).await?;
        expect(&shown, "/Inserted", &json!(false))?;
        expect(&shown, "/Image", &Value::Null)
    }

    async fn wait_for_the_maintenance_system(&self) -> Step<()> {
        // Long enough for a host, and too short for a session to expire.
        self.hand.advance(Duration::from_mins(20));
        let known = self.rig.mock.events();
        let on = known.iter().rposition(|moment| moment.event == Event::PoweredOn);
        let since = on.map_or(0, |at| known[at].seq);
        let ended = |event: &Event| {
            matches!(
                event,
                Event::Booted(BootFrom::Nothing | BootFrom::Disk)
                    | Event::TaskMediumFound { .. }
                    | Event::TaskMediumMissing
                    | Event::Hung
            )
        };
        let wanted =
            |moment: &shoal_redfish_mock::Moment| moment.seq > since && ended(&moment.event);
        let end = self.rig.mock.wait_for(crate::support::PATIENCE, wanted).await.map_err(words)?;
        match end.event {
            Event::TaskMediumFound { .. } => Ok(()),
            other => Err(format!("{other:?}")),
        }
    }

    async fn first_member(&self, collection: &str) -> Step<Value> {
        let collection = self.get(collection).await?;
        self.get(link(&collection, "/Members/0")?).await
    }

    async fn get(&self, path: &str) -> Step<Value> {
        let (status, body) = self.send("GET", path, None).await?;
        if status == 200 { Ok(body) } else { Err(format!("GET {path}: {status} {body}")) }
    }

    async fn change(&self, method: &str, path: &str, body: Option<&Value>) -> Step<()> {
        let (status, answer) = self.send(method, path, body).await?;
        let well = status < 300 && answer.get("error").is_none();
        if well { Ok(()) } else { Err(format!("{method} {path}: {status} {answer}")) }
    }

    async fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Step<(u16, Value)> {
        let mut request = self.with_token(method, path);
        if method != "GET" && self.asks_for("if_match_any") {
            request = request.header("if-match", "*");
        } else if method != "GET" && self.asks_for("if_match") {
            let resource = path.split("/Actions/").next().unwrap();
            let seen = self.with_token("GET", resource).send().await.map_err(words)?;
            if let Some(tag) = seen.headers().get("etag") {
                request = request.header("if-match", tag);
            }
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(words)?;
        let status = answer.status().as_u16();
        let body = answer.bytes().await.map_err(words)?;
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    }

    fn with_token(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let url = format!("{}{path}", self.rig.mock.url());
        self.rig.http.request(method, url).header("x-auth-token", &self.token)
    }

    fn asks_for(&self, word: &str) -> bool {
        self.asks.iter().any(|asked| asked == word)
    }
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn at<'a>(document: &'a Value, pointer: &str) -> Step<&'a Value> {
    // A key may contain a slash of its own nowhere, so that pointers need no escapes.
    document.pointer(pointer).ok_or_else(|| format!("no {pointer}"))
}

fn text<'a>(document: &'a Value, pointer: &str) -> Step<&'a str> {
    at(document, pointer)?.as_str().ok_or_else(|| format!("{pointer} is no text"))
}

fn list<'a>(document: &'a Value, pointer: &str) -> Step<&'a Vec<Value>> {
    at(document, pointer)?.as_array().ok_or_else(|| format!("{pointer} is no list"))
}

fn link<'a>(document: &'a Value, pointer: &str) -> Step<&'a str> {
    text(at(document, pointer)?, "/@odata.id")
}

fn expect(document: &Value, pointer: &str, wanted: &Value) -> Step<()> {
    let seen = at(document, pointer)?;
    if seen == wanted { Ok(()) } else { Err(format!("{pointer} is {seen}, not {wanted}")) }
}

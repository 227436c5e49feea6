//! Which address a BMC is given, and what becomes of a BMC nothing leads to.

use shoal_core::Time;
use shoal_store::{Server, TlsPolicy};

use super::*;

fn addresses() -> Addresses {
    Addresses {
        public: None,
        media_https: None,
        media_http: None,
        api: ([0, 0, 0, 0], 8443).into(),
        plain: None,
    }
}

fn server(bmc_address: &str, media_host: Option<&str>) -> ServerRecord {
    let at = Time::from_millis(0);
    ServerRecord {
        server: Server {
            serial: "SRV-1".parse().unwrap(),
            bmc_address: bmc_address.to_owned(),
            vendor_hint: None,
            tls: TlsPolicy::Ca { pem: String::new() },
            media_scheme: None,
            media_host: media_host.map(str::to_owned),
            allow_plain_media: false,
            labels: std::collections::BTreeMap::new(),
            quarantine: None,
        },
        hardware: None,
        hardware_at: None,
        created_at: at,
        updated_at: at,
        hands_off_until: None,
        residue: Vec::new(),
    }
}

#[tokio::test]
async fn a_bmc_is_given_the_address_from_which_we_reach_it() {
    let base = addresses().media(true, &server("https://127.0.0.1:9", None)).await.unwrap();
    assert_eq!(base.as_str(), "https://127.0.0.1:8443/");
    let webhook =
        addresses().webhook(&"SRV-1".parse().unwrap(), "https://127.0.0.1:9").await.unwrap();
    assert_eq!(webhook, "https://127.0.0.1:8443/api/v1/status-webhook/SRV-1");
}

#[tokio::test]
async fn a_missing_route_is_said_and_may_mend() {
    // Nothing leads to the broadcast address for a socket that did not ask for it, on any machine, and
    // names under `invalid` are kept from ever existing.
    for unreachable in ["https://255.255.255.255", "https://a.name.invalid"] {
        let error = addresses().media(true, &server(unreachable, None)).await.unwrap_err();
        assert!(error.is_transient(), "{error}");
        let text = error.to_string();
        assert!(text.contains("no route to the BMC at ") && text.contains("MEDIA_URL_HTTPS"));
        let webhook = addresses().webhook(&"SRV-1".parse().unwrap(), unreachable).await;
        assert!(webhook.unwrap_err().to_string().contains("PUBLIC_URL"));
    }
}

#[tokio::test]
async fn what_an_operator_says_needs_no_route() {
    let named = server("https://a.name.invalid", Some("192.0.2.7"));
    let base = addresses().media(true, &named).await.unwrap();
    assert_eq!(base.as_str(), "https://192.0.2.7:8443/");
    let configured =
        Addresses { media_https: Url::parse("https://proxy.example/shoal/").ok(), ..addresses() };
    let base = configured.media(true, &server("https://a.name.invalid", None)).await.unwrap();
    assert_eq!(base.as_str(), "https://proxy.example/shoal/");
    assert_eq!(configured.ours(), ["/media/b/", "/media/t/", "/shoal/media/b/", "/shoal/media/t/"]);
    let none = addresses().media(false, &named).await.unwrap_err();
    assert!(matches!(none, NoAddress::NoPlainListener) && !none.is_transient());
}

#[tokio::test]
async fn a_registry_is_ours_if_it_is_named_as_machines_reach_us() {
    let bmc = "https://127.0.0.1:9";
    let mut ours = Addresses { api: ([127, 0, 0, 1], 8443).into(), ..addresses() };
    let named = async |ours: &Addresses, text: &str| ours.registry(text, bmc).await.unwrap();
    assert_eq!(named(&ours, "127.0.0.1:8443").await.unwrap(), "https://127.0.0.1:8443");
    assert_eq!(named(&ours, "127.0.0.1:5000").await, None);
    assert_eq!(named(&ours, "127.0.0.1").await, None);

    ours.public = Some("https://shoal.example/".parse().unwrap());
    assert_eq!(named(&ours, "shoal.example").await.unwrap(), "https://shoal.example");
    assert_eq!(named(&ours, "shoal.example:443").await.unwrap(), "https://shoal.example");
    assert_eq!(named(&ours, "SHOAL.example").await.unwrap(), "https://shoal.example");
    assert_eq!(named(&ours, "shoal.example.org").await, None);
    assert_eq!(named(&ours, "127.0.0.1:8443").await, None, "hosts were told another name");
    ours.media_https = Some("https://media.example:8443/".parse().unwrap());
    assert_eq!(named(&ours, "media.example:8443").await.unwrap(), "https://media.example:8443");
}

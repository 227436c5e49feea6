//! How a BMC treats the servers that its media come from.

use http::StatusCode;
use shoal_redfish_mock::{BootFrom, Event};

use crate::support::{
    ImageServer, Manner, Rig, Wish, boot_medium, certificate, linux_task, message_id,
};

#[tokio::test(flavor = "multi_thread")]
async fn media_servers_are_checked_only_against_a_configured_authority() {
    let (own, acceptor) = certificate();
    let (other, _) = certificate();
    for (media_ca, taken) in [(None, true), (Some(own), true), (Some(other), false)] {
        let images = ImageServer::start(Some(acceptor.clone())).await;
        let rig = Wish { media_ca, ..Wish::of("ilo5") }.rig_with(images).await;
        let task = rig.images.put("task.iso", linux_task());
        assert!(task.starts_with("https://"));
        assert_eq!(rig.insert("1", &task).await.0 < 300, taken);
        assert_eq!(rig.mock.state().slots[0].image.is_some(), taken);
    }
}

#[tokio::test]
async fn a_server_without_ranges_or_without_the_image_is_refused() {
    let rig = Rig::of("idrac9-6x").await;
    let task = rig.images.put("task.iso", linux_task());
    rig.images.behave(Manner::Whole);
    let (status, body) = rig.insert("1", &task).await;
    assert_eq!((status, message_id(&body)), (500, "IDRAC.2.5.RAC0904"));
    rig.images.behave(Manner::Ranges);
    let (status, body) = rig.insert("1", &rig.images.url("other.iso")).await;
    assert_eq!((status, message_id(&body)), (500, "IDRAC.2.5.RAC0720"));
    let (status, _) = rig.insert("1", "http://127.0.0.1:1/x.iso").await;
    assert_eq!(status, 500);
    assert!(rig.mock.journal().effects().is_empty());
    let events = format!("{:?}", rig.mock.events());
    assert!(events.contains("ReadFailed") && !events.contains("sekrit"), "{events}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_outage_of_the_media_server_does_not_stop_a_boot() {
    let rig = Rig::of("ilo5").await;
    rig.mock.set_script(shoal_redfish_mock::HostScript::default());
    let boot = rig.images.put("boot.iso", boot_medium());
    let task = rig.images.put("task.iso", linux_task());
    assert!(rig.insert("1", &task).await.0 < 300);
    assert!(rig.insert("2", &boot).await.0 < 300);
    assert!(rig.boot_once("Cd").await.0 < 300);
    rig.images.behave(Manner::Failing(StatusCode::SERVICE_UNAVAILABLE, 3));
    assert!(rig.reset("On").await.0 < 300);
    rig.wait_reported("success").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_medium_hangs_the_host_that_reads_it() {
    let rig = Rig::of("ilo5").await;
    let boot = rig.images.put("boot.iso", boot_medium());
    assert!(rig.insert("2", &boot).await.0 < 300);
    assert!(rig.boot_once("Cd").await.0 < 300);
    rig.images.behave(Manner::Failing(StatusCode::NOT_FOUND, u32::MAX));
    assert!(rig.reset("On").await.0 < 300);
    rig.wait(|event| *event == Event::Booted(BootFrom::Nothing)).await;
    assert!(rig.mock.events().iter().any(|m| matches!(m.event, Event::ReadFailed { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefetching_bmc_needs_its_server_at_insertion_only() {
    let mut wish = Wish::of("ilo5");
    wish.persona.media.prefetch = true;
    let rig = wish.rig().await;
    let boot = rig.images.put("boot.iso", boot_medium());
    let task = rig.images.put("task.iso", linux_task());
    assert!(rig.insert("1", &task).await.0 < 300);
    assert!(rig.insert("2", &boot).await.0 < 300);
    let requests = rig.images.log().len();
    rig.images.behave(Manner::Failing(StatusCode::NOT_FOUND, u32::MAX));
    assert!(rig.boot_once("Cd").await.0 < 300);
    assert!(rig.reset("On").await.0 < 300);
    rig.wait_reported("success").await;
    assert_eq!(rig.images.log().len(), requests);
    assert!(
        rig.mock
            .events()
            .iter()
            .any(|moment| matches!(moment.event, Event::MediumOpened { whole: true, .. }))
    );
}

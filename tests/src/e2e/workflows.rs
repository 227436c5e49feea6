//! Every workflow on every kind of BMC, going well.

use anyhow::{Result, ensure};
use shoal_redfish_mock::EffectKind;

use crate::{
    Group,
    course::Course,
    stage::Stage,
    suite::{Place, Scenario},
};

pub(crate) fn scenarios() -> Vec<Scenario> {
    let well = |course| {
        Scenario::of(Group::Mock, course, "a job goes well", move |place| goes_well(place, course))
    };
    Course::all().into_iter().map(well).collect()
}

async fn goes_well(place: Place, course: Course) -> Result<()> {
    let stage = Stage::of(&place, course).await?;
    let machine = stage.machine(course.persona, course.host()).await?;
    let (job, follow) = stage.job_of(course.workflow, &machine).await?;
    follow.completed().await?;
    course.check_done(&stage, &job, &machine, &follow).await?;
    machine.check_sessions(1)?;
    for write in course.writes() {
        // The machine was off, so nothing had to be switched off first.
        let expected = match write.kind {
            EffectKind::PowerOff => usize::from(course.power_ons() == 2),
            kind => course.writes().iter().filter(|it| it.kind == kind).count(),
        };
        let count = machine.count(write.kind);
        let known = write.kind == EffectKind::Login || count == expected;
        ensure!(known, "{:?} happened {count} times instead of {expected}", write.kind);
    }
    stage.strike([machine]).await
}

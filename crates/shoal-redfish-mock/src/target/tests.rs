//! Paths lead where they say, and only where the persona has something.

use super::*;

#[test]
fn every_path_leads_back_to_its_target() {
    for name in Persona::names() {
        let persona = Persona::built_in(name).unwrap();
        let mut targets = vec![Target::Versions, Target::Root, Target::Session(7), Target::System];
        targets.extend([Target::Manager, Target::Chassis, Target::Reset, Target::Role(1)]);
        if persona.has_tasks() {
            targets.extend([Target::TaskService, Target::Tasks, Target::Task(3)]);
        }
        if persona.boot.settings.is_some() {
            targets.push(Target::Settings);
        }
        for (index, slot) in persona.slots.iter().enumerate() {
            for under in &slot.under {
                targets.extend([Target::Slots(*under), Target::Slot(*under, index)]);
                if persona.slot_has_actions(index) {
                    let actions = [Target::Insert(*under, index), Target::Eject(*under, index)];
                    targets.extend(actions);
                }
            }
        }
        for target in targets {
            let path = target.path(&persona);
            assert_eq!(Target::find(&persona, &path), Some(target), "{path}");
        }
    }
}

#[test]
fn a_slot_is_found_only_where_it_is_listed() {
    let persona = Persona::built_in("ilo5").unwrap();
    assert_eq!(Target::find(&persona, "/redfish/v1/Systems/1/VirtualMedia/2"), None);
    assert_eq!(Target::find(&persona, "/redfish/v1/Systems/2"), None);
}

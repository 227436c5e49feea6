"""Boots a machine from virtual media with sushy, and cleans up after it, as Ironic would.

    provision.py start|end URL USER PASSWORD [IMAGE]
"""

import sys
import time

import sushy
from sushy import auth, exceptions

# A BMC announces nothing: what it was asked for shows when one looks again.
LOOKS = 3000
PAUSE = 0.1


def until(resource, holds, what):
    """Looks at a resource until something holds."""
    for _ in range(LOOKS):
        resource.refresh(force=True)
        if holds(resource):
            return
        time.sleep(PAUSE)
    sys.exit("it never came to be that " + what)


def slots(root, system):
    """The slots of the system, wherever the BMC lists them."""
    try:
        return system.virtual_media.get_members()
    except exceptions.MissingAttributeError:
        return root.get_manager().virtual_media.get_members()


def optical(members):
    """The first slot for discs; one that does not say its kind may be one."""
    for slot in members:
        if not slot.media_types or sushy.VirtualMediaType.CD in slot.media_types:
            return slot
    sys.exit("there is no slot for discs")


def start(root, image):
    """Puts the image in and boots from it once."""
    system = root.get_system()
    slot = optical(slots(root, system))
    slot.insert_media(image)
    until(slot, lambda it: it.inserted and it.image == image, "the image is in")
    system.set_system_boot_options(
        target=sushy.BootSource.CD,
        enabled=sushy.BootSourceOverrideEnabled.ONCE,
        mode=sushy.BootSourceOverrideMode.UEFI,
    )
    system.reset_system(sushy.ResetType.ON)
    until(system, lambda it: it.power_state == sushy.PowerState.ON, "the machine is on")


def end(root):
    """Switches the machine off and empties every slot."""
    system = root.get_system()
    system.reset_system(sushy.ResetType.FORCE_OFF)
    until(system, lambda it: it.power_state == sushy.PowerState.OFF, "the machine is off")
    for slot in slots(root, system):
        if slot.inserted:
            slot.eject_media()
            until(slot, lambda it: not it.inserted, "the image is out")


def main():
    part, url, user, password, *image = sys.argv[1:]
    login = auth.SessionOrBasicAuth(user, password)
    root = sushy.Sushy(url, verify=False, auth=login)
    start(root, *image) if part == "start" else end(root)
    login.close()


main()
